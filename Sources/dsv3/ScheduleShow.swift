// `dsv3 schedule show`: a picture of a schedule in the terminal, or as an SVG file.

import Glibc
import RunConfiguration
import Schedules

let scheduleShowCommand = Command(
  "dsv3 schedule show",
  usage: "NAME|FILE.csv --pp P --microbatches M [OPTION]...",
  summary: "a picture of a schedule",
  help: """
    Draws a schedule, ranks down and time across: F forward, B backward, I and W its input and
    weight half, F+B a pair that overlaps, each with its micro-batch. The picture is as wide as the
    terminal, or as COLUMNS says, and goes on below when it is longer.
    """,
  options: ScheduleSource.options + ScheduleTimes.options + [
    ScheduleTimes.measuredOption,
    CommandOption("color", value: "WHEN", help: "auto (default), always or never"),
    CommandOption("svg", value: "FILE", help: "write it as SVG instead; - is standard output"),
  ],
  run: showSchedule)

private func showSchedule(_ options: ParsedOptions) throws {
  let operand = try options.operands("NAME|FILE.csv")[0]
  let coloured = try isColoured(options)
  let plan = try ScheduleSource.plan(operand, options)
  let times = try ScheduleTimes(options, stages: plan.schedule.stages)
  let analysis = ScheduleAnalysis(of: plan, times: times.chunk)
  if let path = options.value("svg") {
    try requirePicture(of: [plan.schedule], options)
    let picture = ScheduleSVG(
      plan.schedule, analysis, caption: shortened(times.description), time: times.text)
    try writePicture(picture.text, to: path)
    guard path != "-" else { return }
  }
  print(title(plan.schedule, times))
  print(summary(analysis, times))
  if let path = options.value("svg") { return print("written \(path)") }
  print("")
  let drawing = ScheduleDrawing(plan, analysis)
  print(
    drawing.text(width: Terminal.width, coloured: coloured, time: times.text), terminator: "")
}

private func isColoured(_ options: ParsedOptions) throws -> Bool {
  switch options.value("color") ?? "auto" {
  case "auto": return Terminal.wantsColour
  case "always": return true
  case "never": return false
  case let other:
    throw options.usageError(
      "option '--color' wants auto, always or never, not '\(printable(other))'")
  }
}

/// Refuses pictures that nobody could look at.
func requirePicture(of schedules: [Schedule], _ options: ParsedOptions) throws {
  let count = schedules.reduce(0) { $0 + $1.actions.reduce(0) { $0 + $1.count } }
  guard count <= ScheduleSVG.mostActions else {
    throw options.usageError(
      "\(count) actions are too many for a picture, which takes \(ScheduleSVG.mostActions)")
  }
}

/// Writes a file whole; `-` is standard output.
func writePicture(_ text: String, to path: String) throws {
  guard path != "-" else { return print(text, terminator: "") }
  func failure() -> CommandError {
    let reason = String(cString: strerror(errno))
    return CommandError(message: "\(path): cannot be written: \(reason)", code: 74)
  }
  guard let file = fopen(path, "w") else { throw failure() }
  let isWritten = fputs(text, file) >= 0 && fflush(file) == 0
  let error = failure()
  guard fclose(file) == 0, isWritten else { throw isWritten ? failure() : error }
}

/// A line that stays a line: many stages have many times.
private func shortened(_ text: String) -> String {
  text.count <= 160 ? text : text.prefix(159) + "…"
}
