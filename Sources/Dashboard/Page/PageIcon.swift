// icon.svg: a pipeline's ranks over time.

enum PageIcon {
  static let text = #"""
    <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">
      <rect width="32" height="32" rx="7" fill="#14324f"/>
      <g fill="#6cb0ff">
        <rect x="5" y="6" width="9" height="4.4" rx="1.2"/>
        <rect x="9" y="13.8" width="9" height="4.4" rx="1.2"/>
        <rect x="13" y="21.6" width="9" height="4.4" rx="1.2"/>
      </g>
      <g fill="#5fd3a2">
        <rect x="20" y="6" width="7" height="4.4" rx="1.2"/>
        <rect x="20" y="13.8" width="7" height="4.4" rx="1.2"/>
        <rect x="23.5" y="21.6" width="3.5" height="4.4" rx="1.2"/>
      </g>
    </svg>

    """#
}
