// `dsv3 schedule analyze`: when every rank works, waits and what it holds, for given times.

import ModelSpec
import RunConfiguration
import Schedules

let scheduleAnalyzeCommand = Command(
  "dsv3 schedule analyze",
  usage: "NAME|FILE.csv --pp P --microbatches M [OPTION]...",
  summary: "makespan, bubble and activations of a schedule, for given times",
  help: """
    Times a schedule exactly: one action at a time on a rank, in order, once its inputs are there;
    communication takes no time of a rank. Bubble is makespan − busy. Activations are counted in
    chunks, from the start of F to the end of B or I, "to W" to the end of W.
    """,
  options: ScheduleSource.options + ScheduleTimes.options + [
    CommandOption("json", help: "as JSON")
  ],
  run: analyzeSchedule)

private func analyzeSchedule(_ options: ParsedOptions) throws {
  let operand = try options.operands("NAME|FILE.csv")[0]
  let plan = try ScheduleSource.plan(operand, options)
  let times = try ScheduleTimes(options, stages: plan.schedule.stages)
  let analysis = ScheduleAnalysis(of: plan, times: times.chunk)
  if options.has("json") {
    print(json(plan.schedule, analysis, times), terminator: "")
  } else {
    print(title(plan.schedule, times))
    print(summary(analysis, times) + "\n")
    print(rankTable(analysis, times))
  }
}

/// "dualpipe: 4 ranks, …", above an analysis or a picture.
func title(_ schedule: Schedule, _ times: ScheduleTimes) -> String {
  "\(schedule.name): \(schedule.ranks) ranks, \(schedule.stages) stages, "
    + "\(schedule.microbatches) micro-batches\ntimes: \(times.description)"
}

/// "makespan 39, bubble 25.6 % of it, …"
func summary(_ analysis: ScheduleAnalysis, _ times: ScheduleTimes) -> String {
  let idle = Double(analysis.bubble.reduce(0, +))
  let all = Double(analysis.makespan) * Double(analysis.busy.count)
  let share = all > 0 ? 100 * idle / all : 0
  return "makespan \(times.text(analysis.makespan)), bubble \(fixed(share, 1)) % of it, at most "
    + "\(analysis.peakActivations.max() ?? 0) activations on a rank"
}

private func rankTable(_ analysis: ScheduleAnalysis, _ times: ScheduleTimes) -> String {
  let head = [
    "rank", "busy", "bubble", "in span", "start", "finish", "activations", "to W", "pending W",
  ]
  let rows = analysis.busy.indices.map { rank in
    [
      "\(rank)", times.text(analysis.busy[rank]), times.text(analysis.bubble[rank]),
      times.text(analysis.bubbleInSpan[rank]), times.text(analysis.start[rank]),
      times.text(analysis.finish[rank]), "\(analysis.peakActivations[rank])",
      "\(analysis.peakActivationsToWeight[rank])", "\(analysis.peakPendingWeights[rank])",
    ]
  }
  return table([head] + rows, right: Set(head.indices))
}

private func json(
  _ schedule: Schedule, _ analysis: ScheduleAnalysis, _ times: ScheduleTimes
) -> String {
  func list(_ values: [Int]) -> String {
    "[" + values.map(times.text).joined(separator: ", ") + "]"
  }
  let members = [
    ("schedule", "\(JSONValue.string(schedule.name).inline)"), ("pp", "\(schedule.ranks)"),
    ("stages", "\(schedule.stages)"), ("microbatches", "\(schedule.microbatches)"),
    ("makespan", times.text(analysis.makespan)), ("busy", list(analysis.busy)),
    ("bubble", list(analysis.bubble)), ("bubble_in_span", list(analysis.bubbleInSpan)),
    ("start", list(analysis.start)), ("finish", list(analysis.finish)),
    ("peak_act", "\(analysis.peakActivations)"),
    ("peak_act_w", "\(analysis.peakActivationsToWeight)"),
    ("peak_w", "\(analysis.peakPendingWeights)"),
  ]
  return "{\n" + members.map { "  \"\($0)\": \($1)" }.joined(separator: ",\n") + "\n}\n"
}

extension JSONValue {
  /// The value as JSON without the newline.
  fileprivate var inline: String { String(decoding: text().dropLast(), as: UTF8.self) }
}
