// `dsv3 compare`: runs beside the first of them, step by step.

import Coordinator
import JSON
import RunConfiguration
import RunFiles

let compareCommand = Command(
  "dsv3 compare",
  usage: "RUN RUN... [OPTION]...",
  summary: "compares runs step by step: losses, speed, virtual step, memory",
  help: """
    Compares each run with the first one over the steps that both have: relative differences of the
    loss, speed, virtual step, memory, and the configuration's keys that differ. The exit code is 1
    when a step of any run is further off than the tolerance. No smoothing is done: runs of one seed
    agree to rounding at first, and part slowly. ('dsv3 numerics compare' trains what it compares.)
    """,
  options: [
    runsOption,
    CommandOption("tolerance", value: "T", help: "largest relative difference allowed (0.01)"),
    CommandOption(
      "metric", value: "KEY", help: "a key of metrics.jsonl instead of the loss (loss)"),
    CommandOption("json", help: "the figures as JSON"),
    CommandOption(
      "svg", value: "FILE", help: "write the curves as a picture; - is standard output"),
  ],
  run: compareRuns)

private func compareRuns(_ options: ParsedOptions) throws {
  guard options.operands.count >= 2 else { throw options.usageError("two runs are needed") }
  let picture = options.value("svg")
  guard picture != "-" || !options.has("json") else {
    throw options.usageError("--json and --svg - both want standard output")
  }
  let tolerance = try options.number("tolerance") ?? 0.01
  let metric = try wantedMetric(options)
  let folder = options.runFolder
  let runs = try options.operands.map { RecordedRun(try folder.find($0)) }
  let comparisons = try runs.dropFirst().map { run in
    let comparison = RunComparison(run, to: runs[0], metric: metric, tolerance: tolerance)
    guard !comparison.differences.isEmpty else {
      throw CommandError(
        message: "\(runs[0].name) (\(runs[0].steps.count) steps) and \(run.name) "
          + "(\(run.steps.count) steps) have no step in common with '\(metric.name)'", code: 65)
    }
    return comparison
  }
  if let picture { try writePicture(RunsChart(comparisons).text, to: picture) }
  if options.has("json") {
    let array = JSONValue.array(comparisons.map(\.json))
    print(String(decoding: array.text(), as: UTF8.self), terminator: "")
  } else if picture != "-" {
    for comparison in comparisons { print(text(comparison)) }
    if let picture { print("written \(picture)") }
  }
  let beyond = comparisons.filter { $0.firstBeyond != nil }
  guard beyond.isEmpty else {
    throw CommandError(
      message: "beyond the tolerance of \(tolerance): "
        + beyond.map(\.run.name).joined(separator: ", "),
      code: 1)
  }
}

private func wantedMetric(_ options: ParsedOptions) throws -> ComparedMetric {
  let name = options.value("metric") ?? "loss"
  if let metric = ComparedMetric.named(name) { return metric }
  let names = ComparedMetric.all.map(\.name)
  let hint =
    nearestName(to: name, among: names).map { "did you mean '\($0)'?" }
    ?? "there are \(names.joined(separator: ", "))"
  throw options.usageError("there is no metric '\(printable(name))' to compare; \(hint)")
}

private func text(_ comparison: RunComparison) -> String {
  let (run, baseline) = (comparison.run, comparison.baseline)
  let count = comparison.differences.count
  var lines = ["\(printable(run.name)) against \(printable(baseline.name)), \(count) common steps"]
  if run.steps.count != count || baseline.steps.count != count {
    lines[0] += " of \(run.steps.count) and \(baseline.steps.count)"
  }
  lines.append("  " + comparison.metric.name.padded(to: 14) + agreement(comparison))
  if let beyond = comparison.firstBeyond {
    lines.append(
      "  " + "first beyond".padded(to: 14) + "step \(beyond.step): "
        + "\(Figures.significant(beyond.value, 6)) against "
        + "\(Figures.significant(beyond.baseline, 6)), \(percent(beyond.relative))")
  }
  func add(_ name: String, _ value: String?, _ first: String?, _ ratio: Double?) {
    guard let value, let first else { return }
    lines.append(
      "  " + name.padded(to: 14) + "\(value) against \(first)"
        + (ratio.map { ", × \(fixed($0, 3))" } ?? ""))
  }
  add(
    "tokens/s", run.tokensPerSecond.map { fixed($0, 0) },
    baseline.tokensPerSecond.map { fixed($0, 0) }, comparison.speedRatio)
  add(
    "virtual step", run.virtualStep.map(Figures.seconds),
    baseline.virtualStep.map(Figures.seconds), comparison.virtualStepRatio)
  add(
    "memory", run.peakMemory.map(Figures.bytes), baseline.peakMemory.map(Figures.bytes),
    comparison.memoryRatio)
  return (lines + keys(comparison)).joined(separator: "\n")
}

private func agreement(_ comparison: RunComparison) -> String {
  guard !comparison.isIdentical, let largest = comparison.largest, let mean = comparison.mean else {
    return "bit-identical"
  }
  return "differs by \(percent(mean)) on average, at most \(percent(largest.relative)) "
    + "(step \(largest.step)); tolerance \(percent(comparison.tolerance))"
}

private func keys(_ comparison: RunComparison) -> [String] {
  guard let keys = comparison.changedKeys else {
    return ["  configuration: one of them can't be read"]
  }
  guard !keys.isEmpty else { return ["  " + "configuration".padded(to: 14) + "the same"] }
  let width = keys.map(\.key.count).max() ?? 0
  return ["  configuration differs in"]
    + keys.map {
      "    " + $0.key.padded(to: width) + "  \($0.value ?? "-") against \($0.baseline ?? "-")"
    }
}

/// A relative difference: 0.31%, 1.2e-05%.
private func percent(_ relative: Double) -> String {
  guard relative.isFinite else { return "no finite share" }
  return Figures.significant(100 * relative, 3) + "%"
}
