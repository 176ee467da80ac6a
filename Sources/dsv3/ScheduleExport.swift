// `dsv3 schedule export` writes a schedule as CSV or JSON, `dsv3 schedule check` judges a file.

import RunConfiguration
import Schedules

let scheduleExportCommand = Command(
  "dsv3 schedule export",
  usage: "NAME|FILE.csv --pp P --microbatches M --format csv|json [--comms]",
  summary: "a schedule as CSV or JSON",
  help: """
    Prints a schedule: as CSV in PyTorch's pipeline form, a line for each rank, or as JSON in terms
    of each rank's own chunks. A file's ranks and micro-batches are its own, and what it has besides
    a schedule (idle slots, FSDP's UNSHARD, RESHARD, REDUCE_GRAD) is kept.
    """,
  options: ScheduleSource.options + [
    CommandOption("format", value: "csv|json", help: "the form (csv)"),
    CommandOption("comms", help: "with sends and receives"),
    CommandOption("deferred", help: "receives just before their use, not as early as possible"),
  ],
  run: exportSchedule)

private func exportSchedule(_ options: ParsedOptions) throws {
  let operand = try options.operands("NAME")[0]
  let format = options.value("format") ?? "csv"
  guard ["csv", "json"].contains(format) else {
    throw options.usageError("option '--format' wants csv or json, not '\(printable(format))'")
  }
  let isFile = ScheduleSource.namesFile(operand)
  let file = isFile ? try ScheduleSource.read(operand, options) : nil
  // A file is written as it was, with its idle slots and what it has for FSDP.
  if let file, format == "csv", !options.has("deferred"),
    file.hasCommunication == options.has("comms")
  {
    print(file.text, terminator: "")
    return
  }
  let early = try file?.plan ?? ScheduleSource.plan(operand, options)
  let plan =
    options.has("deferred")
    ? try SchedulePlan(lowering: early.schedule, receives: .deferred) : early
  let text =
    switch (format, options.has("comms")) {
    case ("csv", true): ScheduleCSV.text(of: plan)
    case ("csv", _): ScheduleCSV.text(of: plan.schedule)
    case (_, true): ScheduleJSON.text(of: plan)
    default: ScheduleJSON.text(of: plan.schedule)
    }
  print(text, terminator: "")
}

let scheduleCheckCommand = Command(
  "dsv3 schedule check",
  usage: "FILE.csv [--pp P] [--microbatches M]",
  summary: "whether a schedule file is complete and runs to its end",
  help: """
    Reads a schedule in pipeline CSV form and performs it dry. Prints what it is and whether it also
    ends when a send waits for its receive (rendezvous), or exits 65 with the rule that it breaks
    and the actions around the first bad one. 'dsv3-worker' buffers its sends.
    """,
  options: ScheduleSource.shapeOptions,
  run: checkSchedule)

private func checkSchedule(_ options: ParsedOptions) throws {
  let path = try options.operands("FILE.csv")[0]
  let plan = try ScheduleSource.read(path, options).plan
  let schedule = plan.schedule
  let computed = schedule.actions.reduce(0) { $0 + $1.count }
  let messages = (plan.actions.reduce(0) { $0 + $1.count } - computed) / 2
  print(
    "\(path): valid: \(schedule.ranks) ranks, \(schedule.stages) stages, "
      + "\(schedule.microbatches) micro-batches, \(computed) actions, \(messages) messages")
  print(rendezvousVerdict(plan))
}

private func rendezvousVerdict(_ plan: SchedulePlan) -> String {
  do {
    try plan.dryRun(Transport(sends: .rendezvous))
    return "ends with buffered and with rendezvous sends"
  } catch {
    return "ends with buffered sends; with rendezvous sends it would stop:\n\(error.description)"
  }
}
