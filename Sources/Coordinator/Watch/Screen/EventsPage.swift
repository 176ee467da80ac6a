// What happened to the job: launches, failures with what was seen of them, restarts.

internal import RunFiles

struct EventsPage {
  private let view: RunView

  init(_ view: RunView) { self.view = view }

  /// The newest event is the last.
  func lines(columns: Int) -> [TextLine] {
    guard !view.events.isEmpty else {
      return [
        TextLine(
          view.record == nil
            ? "nobody launched this run but mpirun, so nobody tells what happens to it"
            : "nothing has happened yet", .quiet)
      ]
    }
    return view.events.flatMap { event in
      let head = Self.head(event, withDate: true)
      let message = TextLine.wrapped(
        RunLines.sentence(event), columns: max(20, columns - head.width))
      var first = head
      if let line = message.first { first.add(line) }
      let indent = String(repeating: " ", count: min(head.width, columns / 3))
      return [first]
        + message.dropFirst().map { line in
          var whole = TextLine(indent)
          whole.add(line)
          return whole
        }
        // A picture of the schedule among them must not be broken.
        + event.details.map { TextLine("    " + $0, .quiet) }
    }
  }

  /// The last few events, a line each.
  func latest(_ count: Int, columns: Int) -> [TextLine] {
    view.events.suffix(count).map { event in
      var line = Self.head(event, withDate: false)
      line.add(RunLines.sentence(event))
      return line.cut(to: columns)
    }
  }

  private static func head(_ event: RunEvent, withDate: Bool) -> TextLine {
    var line = TextLine(Figures.clock(event.time, withDate ? "%m-%d %H:%M:%S " : "%H:%M "), .quiet)
    let name = event.kind.rawValue.replacing("_", with: " ")
    line.add(name + " ", style(of: event.kind))
    if withDate { line.pad(to: line.width + max(0, 11 - name.count - 1)) }
    return line
  }

  private static func style(of kind: RunEvent.Kind) -> TextStyle {
    switch kind {
    case .failure, .gaveUp: .bad
    case .restart, .fallback, .fault, .stopped: .warning
    case .finished: .good
    case .launched, .checkpoint: .accent
    }
  }
}
