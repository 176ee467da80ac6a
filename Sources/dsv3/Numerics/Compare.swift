// `dsv3 numerics compare`: the same model trained in several precisions, and how far their losses
// are apart (appendix B of the DeepSeek-V3 report).

import Coordinator
import Glibc
import JSON
import ModelSpec
import RunConfiguration
import RunFiles

let numericsCompareCommand = Command(
  "dsv3 numerics compare",
  usage: "[--config FILE | --preset NAME] [--set KEY=VALUE]... [OPTION]...",
  summary: "trains a model in several precisions and compares the losses",
  help: """
    Trains what the configuration says once for each precision and seed, and reports how far the
    losses are from the baseline's, as appendix B.1 of the DeepSeek-V3 report does: relative errors
    of curves smoothed by an exponential moving average. Everything goes to one directory; the same
    command again goes on where it was stopped. A run whose loss becomes infinite or undefined is a
    result and no error.

    Precisions:
    """ + "\n"
      + TrainingPrecision.all.map { "  " + $0.name.padded(to: 14) + $0.summary }
      .joined(separator: "\n") + "\n",
  options: configurationOptions + [
    CommandOption(
      "precisions", value: "LIST", help: "what to compare (fp32,bf16,fp8,fp8-blocks)"),
    CommandOption("baseline", value: "NAME", help: "what errors are relative to (bf16)"),
    CommandOption("seeds", value: "LIST", help: "seeds to train with (training.seed)"),
    CommandOption("steps", value: "N", help: "length of each run in steps (training.steps)"),
    CommandOption(
      "ranks", value: "N", help: "data ranks of each run, each step's sequences as configured (1)"),
    CommandOption("layout", value: "keep", help: "the configuration's ranks and schedule instead"),
    CommandOption("jobs", value: "N", help: "runs at a time (processors / ranks)"),
    CommandOption(
      "output", value: "DIR", help: "where everything goes (runs/compare-<date>-<time>)"),
    CommandOption("json", help: "the figures as JSON"),
    CommandOption("curves", help: "with losses and errors of each step in the JSON"),
    CommandOption("svg", value: "FILE", help: "write the picture there, too; - is standard output"),
  ],
  run: compareNumerics)

private func compareNumerics(_ options: ParsedOptions) throws {
  _ = try options.operands()
  let picture = options.value("svg")
  guard picture != "-" || !options.has("json") else {
    throw options.usageError("--json and --svg - both want standard output")
  }
  guard options.has("json") || !options.has("curves") else {
    throw options.usageError("--curves is about --json; comparison.json always has them")
  }
  do {
    let plan = try comparisonPlan(options)
    let directory = ComparisonDirectory(
      path: options.value("output") ?? RunDirectory.defaultPath(prefix: "compare-"))
    let jobs =
      try options.integer("jobs", in: 1...1024) ?? max(1, Machine.processors / plan.ranks)
    try directory.open(for: plan)
    let comparison = try compare(plan, directory, jobs: jobs)
    try show(comparison, directory, options)
  } catch let error as ComparisonError {
    if case .usage(let problem) = error { throw options.usageError(problem) }
    throw CommandError(message: error.description, code: error.exitCode)
  }
}

private func compare(
  _ plan: ComparisonPlan, _ directory: ComparisonDirectory, jobs: Int
) throws -> PrecisionComparison {
  Interruption.listen()
  let progress = CompareProgress(plan)
  defer { progress.clear() }
  complain(
    "\(plan.runs.count) \(plan.runs.count == 1 ? "run" : "runs") of \(plan.steps) steps, "
      + "\(jobs) at a time, in \(directory.path)")
  let runner = ComparisonRunner(
    plan, directory, worker: Machine.sibling("dsv3-worker"), jobs: jobs,
    tell: { progress.take($0) })
  return PrecisionComparison(plan, try runner.perform())
}

private func show(
  _ comparison: PrecisionComparison, _ directory: ComparisonDirectory, _ options: ParsedOptions
) throws {
  func text(curves: Bool) -> String {
    String(decoding: comparison.json(curves: curves).text(), as: UTF8.self)
  }
  let svg = LossChart(comparison).text
  try write(text(curves: true), to: directory.json)
  try write(svg, to: directory.picture)
  var written = [directory.json, directory.picture]
  if let picture = options.value("svg") {
    try writePicture(svg, to: picture)
    guard picture != "-" else { return }
    written.append(picture)
  }
  if options.has("json") { return print(text(curves: options.has("curves")), terminator: "") }
  print(comparisonText(comparison))
  print("written " + written.joined(separator: ", "))
}

private func comparisonPlan(_ options: ParsedOptions) throws -> ComparisonPlan {
  var configuration = try options.configuration()
  if let steps = try options.integer("steps", in: 1...1_000_000_000) {
    configuration.plan.steps = steps
  }
  let ranks = try options.integer("ranks", in: 1...1024)
  var layout = ComparisonLayout.dataRanks(ranks ?? 1)
  if let wanted = options.value("layout") {
    guard wanted == "keep" else {
      throw options.usageError("option '--layout' takes 'keep' only, not '\(printable(wanted))'")
    }
    guard ranks == nil else {
      throw options.usageError("--ranks and --layout keep exclude one another")
    }
    layout = .configured
  }
  return try ComparisonPlan(
    configuration,
    precisions: try list("precisions", options) ?? ["fp32", "bf16", "fp8", "fp8-blocks"],
    baseline: options.value("baseline") ?? "bf16", seeds: try seeds(options), layout: layout)
}

private func seeds(_ options: ParsedOptions) throws -> [UInt64]? {
  try list("seeds", options)?.map { text in
    guard let seed = UInt64(text) else {
      throw options.usageError(
        "option '--seeds' wants whole numbers such as 1,2,3, not '\(printable(text))'")
    }
    return seed
  }
}

private func list(_ name: String, _ options: ParsedOptions) throws -> [String]? {
  guard let text = options.value(name) else { return nil }
  let parts = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
  guard !parts.contains("") else {
    throw options.usageError(
      "option '--\(name)' wants a list such as a,b,c, not '\(printable(text))'")
  }
  return parts
}
