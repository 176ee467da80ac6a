// `dsv3 schedule compare`: all schedules on equal devices and an equal model, as a table, JSON or a
// picture of small multiples.

import JSON
import ModelSpec
import RunConfiguration
import Schedules

let scheduleCompareCommand = Command(
  "dsv3 schedule compare",
  usage: "--pp P --microbatches M [OPTION]...",
  summary: "all schedules side by side on equal devices and an equal model",
  help: """
    Times every schedule known by name. The times are those of one rank's share of the model, 1/P of
    it; a schedule that cuts a share into two chunks does each in half the time. Activations count
    in shares too. Schedules that hold every stage twice are marked under "parameters". Bubble is
    that of the worst rank: makespan − busy, and "in span" between the rank's own first start and
    last end.
    """,
  options: ScheduleSource.shapeOptions + ScheduleTimes.options + [
    CommandOption("json", help: "as JSON"),
    CommandOption("svg", value: "FILE", help: "write a picture; - is standard output"),
  ],
  run: compareSchedules)

private func compareSchedules(_ options: ParsedOptions) throws {
  _ = try options.operands()
  let (ranks, microbatches) = try ScheduleSource.shape(options)
  let picture = options.value("svg")
  guard picture != "-" || !options.has("json") else {
    throw options.usageError("--json and --svg - both want standard output")
  }
  let table = ComparisonTable(
    try comparison(ranks, microbatches, options), try times(options))
  if let picture {
    try requirePicture(of: table.comparison.results.map(\.schedule), options)
    let caption = "times of one device's share of the model: \(table.times.description)"
    let svg = ComparisonSVG(table.comparison, caption: caption, time: table.text)
    try writePicture(svg.text, to: picture)
    guard picture != "-" else { return }
  }
  if options.has("json") { return print(table.json, terminator: "") }
  print(table.lines)
  if let picture { print("\nwritten \(picture)") }
}

/// The times of a share; lists by stage mean nothing across schedules.
private func times(_ options: ParsedOptions) throws -> ScheduleTimes {
  for name in ["f", "i", "w"] where options.value(name)?.contains(",") == true {
    throw options.usageError(
      "option '--\(name)' wants one time here, as schedules have different stages")
  }
  return try ScheduleTimes(options, stages: 1)
}

private func comparison(
  _ ranks: Int, _ microbatches: Int, _ options: ParsedOptions
) throws -> ScheduleComparison {
  let chunk = try times(options).chunk
  do {
    return try ScheduleComparison(ranks: ranks, microbatches: microbatches, times: chunk)
  } catch { throw options.usageError(error.message) }
}

/// A comparison as text.
private struct ComparisonTable {
  let comparison: ScheduleComparison
  let times: ScheduleTimes

  init(_ comparison: ScheduleComparison, _ times: ScheduleTimes) {
    self.comparison = comparison
    self.times = times
  }

  /// A time of an analysis, which counts in parts of the options' unit.
  func text(_ time: Int) -> String { quotient(times.text(time)) }

  /// `number` / parts; exact where a decimal number can be.
  private func quotient(_ number: String) -> String {
    guard comparison.parts > 1 else { return number }
    // 1 / parts = factor / 10^decimals
    var (factor, decimals, power) = (0, 0, 1)
    while factor == 0, decimals < 9 {
      (decimals, power) = (decimals + 1, power * 10)
      if power.isMultiple(of: comparison.parts) { factor = power / comparison.parts }
    }
    guard factor > 0, let time = DecimalTime(number) else { return approximate(number) }
    let (digits, overflow) = time.digits.multipliedReportingOverflow(by: factor)
    guard !overflow else { return approximate(number) }
    return DecimalTime(digits: digits, decimals: time.decimals + decimals).description
  }

  private func approximate(_ number: String) -> String {
    "\((Double(number) ?? .nan) / Double(comparison.parts))"
  }

  /// Activations, in shares.
  private func shares(_ parts: Int) -> String { quotient("\(parts)") }

  var lines: String {
    let head = [
      "schedule", "makespan", "bubble", "in span", "share %", "activations", "to W", "pending W",
      "parameters",
    ]
    let rows = comparison.results.map { result in
      let analysis = result.analysis
      return [
        result.name, text(analysis.makespan), text(analysis.bubble.max() ?? 0),
        text(analysis.bubbleInSpan.max() ?? 0), fixed(100 * analysis.bubbleShare, 1),
        shares(result.peakActivations), shares(result.peakActivationsToWeight),
        shares(result.peakPendingWeights), "\(result.parameters)×",
      ]
    }
    let title =
      "\(comparison.ranks) ranks, \(comparison.microbatches) micro-batches; times of a rank's "
      + "share of the model: \(times.description)"
    let columns = table([head] + rows, right: Set(head.indices.dropFirst()))
    let refusals = comparison.refusals.map { "\($0.name): \($0.reason)" }
    let reasons =
      refusals.isEmpty ? [] : [(["not for these numbers:"] + refusals).joined(separator: "\n")]
    return ([title, columns] + reasons).joined(separator: "\n\n")
  }

  var json: String {
    let chunk = times.chunk
    let pair = chunk.overlapped ?? chunk.forward[0] + chunk.input[0] + chunk.weight[0]
    let given = [
      ("f", chunk.forward[0]), ("i", chunk.input[0]), ("w", chunk.weight[0]), ("fb", pair),
      ("p2p", chunk.transfer),
    ].map { ($0.0, times.text($0.1)) }
    let schedules =
      comparison.results.map(json(of:))
      + comparison.refusals.map { refusal in
        object([("name", string(refusal.name)), ("refused", string(refusal.reason))])
      }
    return "{\n  \"pp\": \(comparison.ranks),\n  \"microbatches\": \(comparison.microbatches),\n"
      + "  \"times\": \(object(given)),\n  \"schedules\": [\n    "
      + schedules.joined(separator: ",\n    ") + "\n  ]\n}\n"
  }

  private func json(of result: ScheduleComparison.Result) -> String {
    let analysis = result.analysis
    func list(_ times: [Int]) -> String {
      "[" + times.map(text).joined(separator: ", ") + "]"
    }
    return object([
      ("name", string(result.name)), ("makespan", text(analysis.makespan)),
      ("bubble", list(analysis.bubble)), ("bubble_in_span", list(analysis.bubbleInSpan)),
      ("bubble_share", "\(analysis.bubbleShare)"), ("peak_act", shares(result.peakActivations)),
      ("peak_act_w", shares(result.peakActivationsToWeight)),
      ("peak_w", shares(result.peakPendingWeights)), ("parameters", "\(result.parameters)"),
      ("stages", "\(result.schedule.stages)"),
    ])
  }

  private func object(_ members: [(String, String)]) -> String {
    "{" + members.map { "\"\($0.0)\": \($0.1)" }.joined(separator: ", ") + "}"
  }

  private func string(_ text: String) -> String {
    String(decoding: JSONValue.string(text).text().dropLast(), as: UTF8.self)
  }
}
