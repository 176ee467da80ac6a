// `dsv3 numerics gemm`: what the tensor core's 14 bits cost, and what promotion saves.

import CSystem
import Glibc
import JSON
import RunConfiguration

let numericsGemmCommand = Command(
  "dsv3 numerics gemm",
  usage: "--k K [--m M] [--n N] [--seed S] [--distribution NAME] [--json]",
  summary: "error of FP8 products under each rule of summation",
  help: """
    Multiplies random matrices [M, K] and [K, N], quantised to E4M3 with one scale each, with the
    sums of Hopper's tensor core (14 bits), the same moved to FP32 every 128 products, and in FP32;
    prints how far each is from the exact product of the quantised matrices. Errors of elements are
    relative to the mean magnitude of the exact elements.
    """,
  options: [
    CommandOption("k", value: "K", help: "terms of each sum, to 1048576"),
    CommandOption("m", value: "M", help: "rows of the product, to 65536 (256)"),
    CommandOption("n", value: "N", help: "columns of the product, to 65536 (256)"),
    CommandOption("seed", value: "S", help: "seed of the random numbers (1)"),
    CommandOption(
      "distribution", value: "NAME",
      help: "normal (the default), symmetric (even in -1..1) or positive (in 0..1)"),
    CommandOption("json", help: "as JSON"),
  ],
  run: gemm)

/// Bytes that the experiment may take.
private let memoryLimit = 4 << 30

private func gemm(_ options: ParsedOptions) throws {
  _ = try options.operands()
  _ = try options.required("k")
  let named = options.value("distribution") ?? GemmDistribution.normal.rawValue
  guard let distribution = GemmDistribution(rawValue: named) else {
    let names = GemmDistribution.allCases.map(\.rawValue).joined(separator: ", ")
    throw options.usageError(
      "option '--distribution' wants one of \(names), not '\(printable(named))'")
  }
  let experiment = GemmExperiment(
    m: try options.integer("m", in: 1...65536) ?? 256,
    n: try options.integer("n", in: 1...65536) ?? 256,
    k: try options.integer("k", in: 1...1_048_576) ?? 0,
    seed: try options.integer("seed", in: 0...Int.max) ?? 1, distribution: distribution)
  guard experiment.bytes <= memoryLimit else {
    let gigabytes = fixed(Double(experiment.bytes) / 1e9, 1)
    throw options.usageError(
      "matrices of \(experiment.m) × \(experiment.k) and \(experiment.k) × \(experiment.n) would "
        + "take \(gigabytes) GB of memory, more than \(fixed(Double(memoryLimit) / 1e9, 1)); "
        + "lower --m, --n or --k")
  }
  var progress = GemmProgress()
  let outcomes = experiment.run { progress.show($0) }
  progress.finish()
  print(options.has("json") ? json(experiment, outcomes) : text(experiment, outcomes))
}

private func text(_ experiment: GemmExperiment, _ outcomes: [GemmExperiment.Outcome]) -> String {
  let head = ["sums", "max error", "mean error", "GFLOP/s"]
  let rows = zip(gemmRules, outcomes).map { rule, outcome in
    [
      rule.name, percent(outcome.maxRelativeError), percent(outcome.meanRelativeError),
      fixed(experiment.gigaFLOPs(outcome), 1),
    ]
  }
  let (tensorCore, promoted) = (outcomes[0].maxRelativeError, outcomes[1].maxRelativeError)
  let gain =
    promoted > 0 && tensorCore > promoted
    ? "\n\npromotion every 128 products makes the largest error "
      + "\(fixed(tensorCore / promoted, 1)) times smaller" : ""
  return """
    [\(experiment.m), \(experiment.k)] · [\(experiment.k), \(experiment.n)], E4M3, \
    \(experiment.distribution.rawValue) numbers, seed \(experiment.seed)

    \(table([head] + rows, right: [1, 2, 3]))\(gain)
    errors relative to the mean magnitude of an exact element
    """
}

/// Three significant digits and a percent sign.
private func percent(_ share: Double) -> String {
  let value = 100 * share
  if value == 0 { return "0 %" }
  let digits = value >= 1e6 ? 0 : max(0, 2 - Int(log10(value).rounded(.down)))
  return fixed(value, min(digits, 12)) + " %"
}

private func json(_ experiment: GemmExperiment, _ outcomes: [GemmExperiment.Outcome]) -> String {
  var members: [String: JSONValue] = [
    "m": .integer(experiment.m), "n": .integer(experiment.n), "k": .integer(experiment.k),
    "seed": .integer(experiment.seed), "distribution": .string(experiment.distribution.rawValue),
  ]
  for (rule, outcome) in zip(gemmRules, outcomes) {
    members[rule.name] = .object([
      "max_relative_error": .number(outcome.maxRelativeError),
      "mean_relative_error": .number(outcome.meanRelativeError),
      "seconds": .number(outcome.seconds), "gflops": .number(experiment.gigaFLOPs(outcome)),
    ])
  }
  // The same by rule, for those who look for the key first.
  members["max_relative_error"] = .object(
    Dictionary(
      uniqueKeysWithValues: zip(gemmRules, outcomes).map {
        ($0.name, .number($1.maxRelativeError))
      }))
  let text = String(decoding: JSONValue.object(members).text(), as: UTF8.self)
  return text.hasSuffix("\n") ? String(text.dropLast()) : text
}

/// A line on standard error twice a second, once a run takes longer than two.
private struct GemmProgress {
  private var shownAt = cpuTime() + 2
  private var hasShown = false

  mutating func show(_ share: Double) {
    guard isatty(STDERR_FILENO) == 1, cpuTime() >= shownAt else { return }
    shownAt = cpuTime() + 0.5
    hasShown = true
    fputs("\rdsv3: \(Int(100 * share)) % of the products  ", dsv3_stderr())
  }

  func finish() { if hasShown { fputs("\r\u{1B}[K", dsv3_stderr()) } }
}
