// Whole configurations known by name: the report's pre-training step and its siblings. Each is a
// short cluster.yaml; what it leaves out is the default.

/// A configuration with a name and a line about it.
package struct RunPreset: Sendable {
  package var name: String
  package var summary: String
  /// As in cluster.yaml.
  package var yaml: String

  package static let all = [report, half, quarter, domains, mini]

  package static var names: [String] { all.map(\.name) }

  /// The preset called `name`; throws `ConfigurationError` of kind `.usage` naming the nearest when
  /// there is none.
  package static func named(_ name: String) throws(ConfigurationError) -> RunPreset {
    if let preset = all.first(where: { $0.name == name }) { return preset }
    let near = nearestName(to: name, among: names).map { "; did you mean '\($0)'?" } ?? "."
    throw ConfigurationError(
      "unknown preset '\(printable(name))'\(near) Known are: \(names.joined(separator: ", ")).",
      kind: .usage)
  }
}

extension RunPreset {
  /// The report's pre-training (sections 3.1, 3.2 and 4.2): 16 pipeline ranks × 128 data ranks,
  /// experts over 64 GPUs of 8 nodes, DualPipe, 15360 sequences of 4096 tokens = 120 micro-batches
  /// of one on each data rank.
  static let report = RunPreset(
    name: "deepseek-v3-h800-2048",
    summary: "the report's pre-training step: 2048 H800, batch 15360",
    yaml: pretraining(
      cluster: "{preset: h800, gpus_per_node: 8}", layout: "{pipeline: 16, data: 128, expert: 64}",
      microbatches: 120))

  /// The same batch on half of the data ranks, each with twice the micro-batches.
  static let half = RunPreset(
    name: "deepseek-v3-h800-1024", summary: "the same batch on 1024 H800",
    yaml: pretraining(
      cluster: "{preset: h800, gpus_per_node: 8}", layout: "{pipeline: 16, data: 64, expert: 64}",
      microbatches: 240))

  /// The same batch on a quarter, experts over the 32 GPUs of 4 nodes.
  static let quarter = RunPreset(
    name: "deepseek-v3-h800-512", summary: "the same batch on 512 H800, experts over 4 nodes",
    yaml: pretraining(
      cluster: "{preset: h800, gpus_per_node: 8}", layout: "{pipeline: 16, data: 32, expert: 32}",
      microbatches: 480))

  /// The same batch on GPUs of which 72 share an NVLink domain: 64 of them are an expert group, so
  /// that no token leaves the domain, and 8 are spare.
  static let domains = RunPreset(
    name: "deepseek-v3-nvl72", summary: "the same batch on 2048 B200, experts within a domain",
    yaml: pretraining(
      cluster: "{preset: b200-nvl72, gpus_per_node: 64}",
      layout: "{pipeline: 16, data: 128, expert: 64}", microbatches: 120))

  /// What `mpirun -n 16 dsv3-worker` trains.
  static let mini = RunPreset(
    name: "dsv3-mini-16", summary: "the shipped cluster.yaml: 16 ranks that train on a laptop",
    yaml: "")

  /// DeepSeek-V3 at the length of sequence and in the precision of its pre-training. The skew is
  /// the one that the eight row counts of DeepSeek's published training profile show: they vary by
  /// 8.0% over ranks of four experts each, which independent experts of 16% do.
  private static func pretraining(cluster: String, layout: String, microbatches: Int) -> String {
    """
    model:
      preset: deepseek-v3
      charge_as: none
      charge_precision: fp8
      routing: sampled
      mtp: {depth: 1}
    routing: {skew: 0.16}
    cluster: \(cluster)
    layout: \(layout)
    schedule: {name: dualpipe, microbatches: \(microbatches)}
    training: {sequence: 4096, micro_batch: 1}

    """
  }
}

extension RunConfiguration {
  /// The configuration of a preset with overrides, as `load(path:overrides:)` of a file.
  /// - Throws: `ConfigurationError`: `.usage` when there is no such preset or an override has no
  ///   `=`, `.invalid` when an override is wrong.
  package static func load(
    preset: String, overrides: [String] = []
  ) throws(ConfigurationError) -> RunConfiguration {
    let preset = try RunPreset.named(preset)
    return try read(
      bytes: Array(preset.yaml.utf8), file: "preset " + preset.name, overrides: overrides)
  }
}
