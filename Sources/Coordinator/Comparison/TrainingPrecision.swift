// The ways of training that `dsv3 numerics compare` knows by name, each a few keys of cluster.yaml
// over whatever else is configured.

internal import RunConfiguration

/// A named choice of number formats.
package struct TrainingPrecision: Hashable, Sendable {
  package let name: String
  package let summary: String
  /// `KEY=VALUE` as `--set` takes them.
  package let settings: [String]

  /// The four of the report's appendix B first, then single departures from its FP8.
  package static let all = [
    TrainingPrecision(
      name: "fp32", summary: "no rounding below FP32", settings: ["precision=fp32"]),
    TrainingPrecision(
      name: "bf16", summary: "products of BF16 numbers, the report's baseline",
      settings: ["precision=bf16"]),
    fp8("fp8", "the report's FP8: tiles of 1 × 128, blocks of weights"),
    fp8(
      "fp8-blocks", "128 × 128 blocks for activation gradients, too, which diverged (B.2)",
      "low_precision.gradient=blocks"),
    fp8("fp8-tensor", "one scale for a tensor", "low_precision.scaling=tensor"),
    fp8(
      "fp8-delayed", "one scale for a tensor, from the calls before",
      "low_precision.scaling=delayed"),
    fp8(
      "fp8-14bit", "sums of 14 bits, as in Hopper's tensor core alone; slow",
      "low_precision.accumulation=tensor_core_14bit"),
    fp8(
      "fp8-promoted", "the same, moved to FP32 every 128 terms; slow",
      "low_precision.accumulation=promoted_every_128"),
  ]

  package static var names: [String] { all.map(\.name) }

  /// FP8 as in the report but for `change`.
  private static func fp8(
    _ name: String, _ summary: String, _ change: String? = nil
  ) -> TrainingPrecision {
    let report = [
      "low_precision.accumulation=fp32", "low_precision.scaling=tiles",
      "low_precision.gradient=tiles",
    ]
    let key = change.map { String($0.prefix { $0 != "=" }) }
    let settings = report.filter { key == nil || !$0.hasPrefix((key ?? "") + "=") }
    return TrainingPrecision(
      name: name, summary: summary,
      settings: ["precision=fp8"] + settings + (change.map { [$0] } ?? []))
  }

  private init(name: String, summary: String, settings: [String]) {
    self.name = name
    self.summary = summary
    self.settings = settings
  }

  /// The precision of that name.
  /// - Throws: what is wrong with the name, and which there are.
  package static func named(_ name: String) throws(ComparisonError) -> TrainingPrecision {
    if let known = all.first(where: { $0.name == name }) { return known }
    let near = nearestName(to: name, among: names)
    throw .usage(
      "there is no precision '\(name.prefix(80))'; "
        + (near.map { "did you mean '\($0)'?" } ?? "there are " + names.joined(separator: ", ")))
  }
}
