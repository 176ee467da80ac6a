// `dsv3 monitor`: a run as it goes, on the screen or in lines.

import CSystem
import Coordinator
import Glibc
import RunConfiguration
import RunFiles

let runsOption = CommandOption(
  "runs", value: "DIR", help: "the folder that runs are in (runs)")

let monitorCommand = Command(
  "dsv3 monitor",
  usage: "[RUN] [OPTION]...",
  summary: "watches a run: losses, speed, virtual step, experts, ranks, failures",
  help: """
    Shows a run as it goes; RUN is a name in the folder or a path, the newest when not given. On a
    terminal a screen with pages: 1 overview, 2 experts, 3 ranks, 4 events, 5 help (tab goes through
    them, arrows scroll, space pauses, q leaves). Elsewhere, or with --plain, a line for each step
    that is seen, until the run ends.
    """,
  options: [
    runsOption,
    CommandOption("interval", value: "S", help: "seconds from look to look (1)"),
    CommandOption("plain", help: "lines instead of a screen"),
    CommandOption("once", help: "show how it is, and leave"),
  ],
  run: monitor)

private func monitor(_ options: ParsedOptions) throws {
  let folder = options.runFolder
  guard options.operands.count <= 1 else {
    throw options.usageError("unexpected argument '\(printable(options.operands[1]))'")
  }
  let interval = try options.number("interval", atLeast: 0.05) ?? 1
  let isScreen = FullScreen.isPossible && !options.has("plain")
  // Lines tell of the last step only; curves are of all.
  var view = RunView(
    try folder.find(options.operands.first), depth: isScreen ? .allSteps : .lastStep)
  view.update()
  defer { note(view, in: folder) }
  if options.has("once") { return once(view, isScreen: isScreen) }
  if isScreen { Screen(interval: interval).perform(&view) } else { follow(&view, every: interval) }
}

extension ParsedOptions {
  /// The folder that runs are in.
  var runFolder: RunFolder { RunFolder(path: value("runs") ?? "runs") }
}

/// The run in the history; what keeps it from there is no reason to fail.
func note(_ view: RunView, in folder: RunFolder) {
  if let problem = RunHistory.note([view], in: folder) { complain("dsv3: warning: \(problem)") }
}

/// The run as it is now.
private func once(_ view: RunView, isScreen: Bool) {
  guard isScreen else {
    var lines = RunLines()
    for line in lines.news(view) { print(line) }
    return
  }
  var size = FullScreen.size
  size.rows = max(4, size.rows - 1)
  let frame = MonitorFrame(view, size: size, choice: MonitorFrame.Choice())
  let coloured = Terminal.wantsColour
  for line in frame.lines.dropLast() { print(coloured ? line.coloured : line.plain) }
}

/// Lines until the run ends.
private func follow(_ view: inout RunView, every interval: Double) {
  var lines = RunLines()
  while true {
    for line in lines.news(view) { print(line) }
    fflush(dsv3_stdout())
    guard view.state.isActive, view.isThere, ferror(dsv3_stdout()) == 0 else { return }
    usleep(useconds_t(interval * 1e6))
    view.update()
  }
}

/// The screen.
private struct Screen {
  private var choice = MonitorFrame.Choice()
  private var writer = ScreenWriter(coloured: Terminal.wantsColour)
  private let interval: Double

  init(interval: Double) { self.interval = interval }

  /// Until somebody leaves.
  consuming func perform(_ view: inout RunView) {
    FullScreen.prepare()
    FullScreen.enter()
    defer { FullScreen.leave() }
    var next = dsv3_nanoseconds()
    var drawn: (choice: MonitorFrame.Choice, size: MonitorFrame.Size)?
    while true {
      let now = dsv3_nanoseconds()
      if now >= next {
        if !choice.isPaused { view.update() }
        next = now + Int64(interval * 1e9)
        drawn = nil
      }
      let size = FullScreen.size
      if drawn.map({ $0 != (choice, size) }) ?? true || writer.isEmpty {
        let frame = MonitorFrame(view, size: size, choice: choice)
        choice.scroll = frame.scroll
        writer.draw(frame.lines, columns: size.columns)
        drawn = (choice, size)
      }
      let pause = min(0.25, Double(next - dsv3_nanoseconds()) / 1e9)
      guard let keys = FullScreen.keys(within: Int32(max(1, pause * 1000))) else { return }
      for key in keys {
        if key == .redraw { writer.forget() }
        if choice.take(key, rows: size.rows) { return }
      }
      if answer(FullScreen.takeRequests()) { return }
    }
  }

  /// Does what signals asked for; whether that is to leave.
  private mutating func answer(_ requests: FullScreen.Requests) -> Bool {
    if requests.contains(.interrupted) || requests.contains(.terminated) { return true }
    if requests.contains(.stopped) { FullScreen.stop() }
    if requests.contains(.stopped) || requests.contains(.continued) { FullScreen.enter() }
    if !requests.isEmpty { writer.forget() }
    return false
  }
}
