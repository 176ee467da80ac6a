// The legend under a timeline: the colours that occur in it, over as many lines as it takes.

internal import Schedules

struct TimelineLegend {
  private static let lineHeight = 22.0
  private static let swatchWidth = 24.0

  private let items: [(style: String?, text: String)]

  init(_ colours: [TimelineColour], notes: [String]) {
    items = colours.map { ($0.style, $0.name) } + notes.map { (nil, $0) }
  }

  /// The legend with its first line at `y`, and its height.
  func drawing(x: Double, y: Double, width: Double) -> (text: String, height: Double) {
    var text = "<g class=\"legend\">\n"
    var (left, top) = (x, y)
    for (style, label) in items {
      let swatch = style == nil ? 0 : Self.swatchWidth + 6
      let size = swatch + SVG.width(of: label, size: 12) + 20
      if left > x, left + size > x + width { (left, top) = (x, top + Self.lineHeight) }
      if let style {
        text += SVG.rectangle(style, x: left, y: top, width: Self.swatchWidth, height: 14)
      }
      text += SVG.text(style == nil ? "quiet" : "", x: left + swatch, y: top + 11, label) + "\n"
      left += size
    }
    return (text + "</g>\n", top - y + Self.lineHeight)
  }
}
