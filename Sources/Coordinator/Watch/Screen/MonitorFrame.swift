// What `dsv3 monitor` shows: a run, a page and a size give the lines of the screen, and nothing
// else does, so that tests can look at frames.

internal import RunFiles

package struct MonitorFrame {
  package enum Page: Int, Sendable, CaseIterable {
    case overview, experts, ranks, events, help

    package var title: String { "\(self)" }

    package var next: Page { Page(rawValue: (rawValue + 1) % Page.allCases.count) ?? .overview }

    package var previous: Page {
      Page(rawValue: (rawValue + Page.allCases.count - 1) % Page.allCases.count) ?? .help
    }
  }

  package struct Size: Equatable, Sendable {
    package var columns: Int
    package var rows: Int

    package init(columns: Int, rows: Int) {
      self.columns = columns
      self.rows = rows
    }
  }

  /// What whoever looks has chosen.
  package struct Choice: Equatable, Sendable {
    package var page = Page.overview
    /// Lines that a page has been moved up; of events, back in time.
    package var scroll = 0
    /// The run isn't read while this is on.
    package var isPaused = false

    package init() {}
  }

  private let view: RunView
  private let size: Size
  private let choice: Choice
  /// `choice.scroll`, as far as there is something to scroll.
  package let scroll: Int
  /// As many lines as the terminal has rows, none wider than its columns.
  package let lines: [TextLine]

  package init(_ view: RunView, size: Size, choice: Choice) {
    self.view = view
    self.size = size
    self.choice = choice
    let header = Header(view, columns: size.columns)
    let top = Array(header.lines(page: choice.page).prefix(max(1, size.rows - 2)))
    let room = max(0, size.rows - top.count - 1)
    let area = Size(columns: size.columns, rows: room)
    let page = Self.page(view, choice.page, area)
    scroll = min(max(choice.scroll, 0), max(0, page.count - room))
    let isFromEnd = choice.page == .events
    let start = isFromEnd ? max(0, page.count - room - scroll) : scroll
    var shown = Array(page.dropFirst(start).prefix(room))
    shown += Array(repeating: TextLine(), count: room - shown.count)
    let hidden = (above: start, below: max(0, page.count - start - room))
    let all =
      top + shown + [Self.footer(view, choice, hidden: hidden, columns: size.columns)]
    lines = all.prefix(size.rows).map { $0.cut(to: size.columns) }
  }

  private static func page(_ view: RunView, _ page: Page, _ area: Size) -> [TextLine] {
    switch page {
    case .overview: OverviewPage(view, area).lines
    case .experts: ExpertsPage(view).lines(columns: area.columns)
    case .ranks: RanksPage(view).lines(columns: area.columns)
    case .events: EventsPage(view).lines(columns: area.columns)
    case .help: HelpPage.lines(columns: area.columns)
    }
  }

  private static func footer(
    _ view: RunView, _ choice: Choice, hidden: (above: Int, below: Int), columns: Int
  ) -> TextLine {
    var line = TextLine()
    if choice.isPaused { line.add("paused ", .warning) }
    let keys = columns >= 72 ? "tab page  ↑↓ scroll  space pause  ? help  q quit" : "? help  q quit"
    line.add(keys, .quiet)
    if hidden.above > 0 { line.add("  ↑ \(hidden.above)", .quiet) }
    if hidden.below > 0 { line.add("  ↓ \(hidden.below) more", .quiet) }
    let clock = Figures.clock(view.time)
    if line.width + clock.count + 2 <= columns {
      line.pad(to: columns - clock.count)
      line.add(clock, .quiet)
    }
    return line
  }
}

/// The lines above every page: what run it is, how far it is, and what is wrong if something is.
struct Header {
  private let view: RunView
  private let columns: Int

  init(_ view: RunView, columns: Int) {
    self.view = view
    self.columns = columns
  }

  func lines(page: MonitorFrame.Page) -> [TextLine] {
    [status, tabs(page)] + [notice].compactMap { $0 }
  }

  static func style(of state: RunState) -> TextStyle {
    switch state {
    case .running, .finished: .good
    case .starting, .restarting, .stopped, .ended, .unknown: .warning
    case .failed, .lost: .bad
    }
  }

  private static func mark(of state: RunState) -> String {
    switch state {
    case .starting: "◌"
    case .running: "●"
    case .restarting: "↻"
    case .finished: "✓"
    case .failed: "✗"
    case .stopped, .ended: "■"
    case .lost, .unknown: "?"
    }
  }

  private var status: TextLine {
    var line = TextLine(view.name, .bold)
    line.add("  \(Self.mark(of: view.state)) \(view.state.rawValue)", Self.style(of: view.state))
    if let step = view.latest?.step ?? (view.totalSteps == nil ? nil : 0) {
      line.add("  step \(step)" + (view.totalSteps.map { "/\($0)" } ?? ""))
      if let total = view.totalSteps, total > 0 {
        let fraction = Double(step) / Double(total)
        if columns >= 60 { line.add(progress(fraction)) }
        line.add("  \(Int((100 * fraction).rounded(.down)))%")
      }
    }
    if let left = view.secondsLeft { line.add("  \(Figures.span(left)) left", .accent) }
    if view.restarts > 0 {
      let most = view.record.map { "/\($0.maxRestarts)" } ?? ""
      line.add("  restarts \(view.restarts)\(most)", .warning)
    }
    return line
  }

  private func progress(_ fraction: Double) -> TextLine {
    let width = min(30, columns / 8)
    var line = TextLine("  ")
    let bar = Figures.bar(fraction, columns: width)
    line.add(bar, .accent)
    line.add(String(repeating: "·", count: width - bar.count), .quiet)
    return line
  }

  private func tabs(_ page: MonitorFrame.Page) -> TextLine {
    var line = TextLine()
    for candidate in MonitorFrame.Page.allCases {
      let number = "\(candidate.rawValue + 1)"
      let isShort = columns < 50 && candidate != page
      let text = isShort ? " \(number) " : " \(number) \(candidate.title) "
      line.add(text, candidate == page ? .inverse : .quiet)
    }
    return line
  }

  /// Something that whoever looks should know; nil when all is well.
  private var notice: TextLine? {
    if !view.isThere { return TextLine("the run's directory is gone", .bad) }
    switch view.state {
    case .failed, .stopped:
      let reason = view.record?.reason ?? ""
      return reason.isEmpty ? nil : TextLine(reason, Self.style(of: view.state))
    case .lost: return TextLine("its coordinator is dead: nobody watches the ranks", .bad)
    case .restarting:
      return view.failures.last.map { TextLine($0.message, .warning) }
    case .unknown: return TextLine("nobody says whether it runs\(silence)", .warning)
    case .ended: return TextLine("its ranks are gone before the last step", .warning)
    case .starting: return TextLine("no step is done yet\(silence)", .warning)
    case .running:
      let patience = max(10, 5 * (view.secondsPerStep ?? 0))
      guard let silence = view.silence, silence > patience else { return nil }
      return TextLine("nothing heard for \(Figures.span(silence))", .warning)
    case .finished: return nil
    }
  }

  private var silence: String {
    view.silence.map { "; last sign \(Figures.span($0)) ago" } ?? ""
  }
}
