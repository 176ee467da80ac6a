// `dsv3 schedule show`: a picture of a schedule in the terminal.

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
    CommandOption("color", value: "WHEN", help: "auto (default), always or never"),
    CommandOption("svg", value: "FILE", help: "not available yet"),
  ],
  run: showSchedule)

private func showSchedule(_ options: ParsedOptions) throws {
  let operand = try options.operands("NAME|FILE.csv")[0]
  guard !options.has("svg") else {
    throw options.usageError("--svg is not available yet; without it the picture is text")
  }
  let coloured = try isColoured(options)
  let plan = try ScheduleSource.plan(operand, options)
  let times = try ScheduleTimes(options, stages: plan.schedule.stages)
  let analysis = ScheduleAnalysis(of: plan, times: times.chunk)
  print(title(plan.schedule, times))
  print(summary(analysis, times) + "\n")
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
