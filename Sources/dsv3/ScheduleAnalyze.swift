// `dsv3 schedule analyze`: when every rank works, waits and what it holds, for given times.

import JSON
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
    chunks, from the start of F to the end of B or I, "to W" to the end of W. Where the schedule's
    authors publish a formula for the bubble, it stands beside what was measured. The critical path
    is the chain of actions that makes the step as long as it is.
    """,
  options: ScheduleSource.options + ScheduleTimes.options + [
    ScheduleTimes.measuredOption,
    CommandOption("path", help: "the whole critical path, an action a line"),
    CommandOption("json", help: "as JSON"),
  ],
  run: analyzeSchedule)

private func analyzeSchedule(_ options: ParsedOptions) throws {
  let operand = try options.operands("NAME|FILE.csv")[0]
  let plan = try ScheduleSource.plan(operand, options)
  let times = try ScheduleTimes(options, stages: plan.schedule.stages)
  let analysis = ScheduleAnalysis(of: plan, times: times.chunk)
  let path = analysis.criticalPath(of: plan.schedule, times: times.chunk)
  if options.has("json") {
    print(json(plan.schedule, analysis, times, path), terminator: "")
  } else {
    print(title(plan.schedule, times))
    print(summary(analysis, times) + "\n")
    print(rankTable(analysis, times))
    if let formula = BubbleFormula(for: plan.schedule, times: times.chunk) {
      print("\n" + describe(formula, analysis, times))
    }
    print("\n" + describe(path, plan.schedule, analysis, times, whole: options.has("path")))
  }
}

/// "formula (P − 1)(F + B) = 9, exact here: measured 9 on all ranks"
private func describe(
  _ formula: BubbleFormula, _ analysis: ScheduleAnalysis, _ times: ScheduleTimes
) -> String {
  let measured = formula.measured(analysis)
  let isSame = measured.allSatisfy { $0 == measured.first }
  let values =
    isSame ? times.text(measured.first ?? 0) : measured.map(times.text).joined(separator: ", ")
  let ranks =
    formula.ranks.count == analysis.busy.count
    ? "every rank" : "rank " + formula.ranks.map { "\($0)" }.joined(separator: " and ")
  let kind = formula.convention == .makespan ? "bubble" : "bubble in span"
  let value = formula.value < 0 ? "-" + times.text(-formula.value) : times.text(formula.value)
  return "formula: \(kind) = \(formula.text) = \(value); measured \(values) on \(ranks)\n"
    + (formula.applies
      ? "  exact here (\(formula.condition))" : "  does not apply here: needs \(formula.condition)")
    + "\n  \(formula.source)"
}

/// The critical path: how much of it is work, and which actions.
private func describe(
  _ path: [ScheduleAnalysis.Step], _ schedule: Schedule, _ analysis: ScheduleAnalysis,
  _ times: ScheduleTimes, whole: Bool
) -> String {
  let hops = zip(path, path.dropFirst()).count { $0.rank != $1.rank }
  var text =
    "critical path: \(path.count) actions, \(hops) steps from rank to rank"
    + (times.chunk.transfer > 0
      ? ", \(times.text(hops * times.chunk.transfer)) of it transfer" : "")
  guard whole else { return text + " (--path lists it)" }
  for step in path {
    let span = analysis.spans[step.rank][step.index]
    text += "\n  \(times.text(span.start))–\(times.text(span.end))  rank \(step.rank)  "
    text += "\(schedule.actions[step.rank][step.index])"
  }
  return text
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
  _ schedule: Schedule, _ analysis: ScheduleAnalysis, _ times: ScheduleTimes,
  _ path: [ScheduleAnalysis.Step]
) -> String {
  func list(_ values: [Int]) -> String {
    "[" + values.map(times.text).joined(separator: ", ") + "]"
  }
  var members = [
    ("schedule", "\(JSONValue.string(schedule.name).inline)"), ("pp", "\(schedule.ranks)"),
    ("stages", "\(schedule.stages)"), ("microbatches", "\(schedule.microbatches)"),
    ("makespan", times.text(analysis.makespan)), ("busy", list(analysis.busy)),
    ("bubble", list(analysis.bubble)), ("bubble_in_span", list(analysis.bubbleInSpan)),
    ("start", list(analysis.start)), ("finish", list(analysis.finish)),
    ("peak_act", "\(analysis.peakActivations)"),
    ("peak_act_w", "\(analysis.peakActivationsToWeight)"),
    ("peak_w", "\(analysis.peakPendingWeights)"),
  ]
  if let formula = BubbleFormula(for: schedule, times: times.chunk) {
    let value = formula.value < 0 ? "-" + times.text(-formula.value) : times.text(formula.value)
    members.append(
      (
        "formula",
        "{\"text\": \"\(formula.text)\", \"value\": \(value), \"ranks\": \(formula.ranks), "
          + "\"convention\": \"\(formula.convention.rawValue)\", \"applies\": \(formula.applies), "
          + "\"condition\": \"\(formula.condition)\", \"source\": \"\(formula.source)\"}"
      ))
  }
  let steps = path.map { step in
    let span = analysis.spans[step.rank][step.index]
    return "{\"rank\": \(step.rank), \"action\": \"\(schedule.actions[step.rank][step.index])\", "
      + "\"start\": \(times.text(span.start)), \"end\": \(times.text(span.end))}"
  }
  members.append(("critical_path", "[" + steps.joined(separator: ", ") + "]"))
  return "{\n" + members.map { "  \"\($0)\": \($1)" }.joined(separator: ",\n") + "\n}\n"
}

extension JSONValue {
  /// The value as JSON without the newline.
  fileprivate var inline: String { String(decoding: text().dropLast(), as: UTF8.self) }
}
