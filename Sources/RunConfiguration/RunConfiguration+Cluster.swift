// From a configuration to what the virtual clock works with: the cluster, and the model whose
// shapes it charges.

package import Fabric
package import ModelSpec

/// Number format of the matrix multiplications that the virtual clock charges.
package enum ChargedPrecision: String, Sendable, CaseIterable {
  case fp8
  case bf16
}

extension RunConfiguration {
  /// The simulated cluster: the preset with the constants that the configuration changes, nodes of
  /// `cluster.gpus_per_node` GPUs.
  /// - Throws: `ConfigurationError` when there is no such preset or the constants contradict each
  ///   other.
  package func clusterSpec() throws(ConfigurationError) -> ClusterSpec {
    try check("cluster.preset", names: "cluster", known: ClusterPreset.all.map(\.name))
    guard let preset = ClusterPreset.named(clusterPreset) else {
      preconditionFailure("a known cluster has a preset")
    }
    var spec = cluster.applied(to: preset.spec)
    spec.node.gpus = layout.gpusPerNode
    guard spec.gpu.sms > spec.exchange.sms else {
      let key = origins["cluster.exchange.sms"] == nil ? "cluster.gpu.sms" : "cluster.exchange.sms"
      throw error(
        at: key,
        "the exchange takes \(spec.exchange.sms) of \(spec.gpu.sms) SMs and leaves none to "
          + "compute; cluster.exchange.sms may be 0 to \(spec.gpu.sms - 1)")
    }
    if spec.network.paths == .ecmp, spec.network.spines < 1 {
      let key = origins["cluster.network.spines"] == nil ? "paths" : "spines"
      throw error(
        at: "cluster.network." + key,
        "ecmp chooses among the uplinks of a leaf, and there is none; "
          + "set cluster.network.spines to 1 or more")
    }
    return spec
  }

  /// The model whose shapes the virtual clock charges: `model.charge_as`, or the run's own.
  /// - Throws: `ConfigurationError` when there is no such model.
  package func chargedModel() throws(ConfigurationError) -> ModelSpec {
    guard let chargeAs else { return try resolvedModel() }
    try check("model.charge_as", names: "model", known: ModelPreset.names)
    do {
      return try ModelPreset.named(chargeAs).spec
    } catch { throw self.error(at: "model.charge_as", error.description) }
  }

  /// Tokens of a sequence that the virtual clock charges.
  package var chargedSequenceLength: Int {
    chargeSequence ?? (chargeAs == nil ? plan.sequenceLength : Self.reportSequenceLength)
  }

  /// Tokens of a sequence in DeepSeek-V3's pre-training (report, section 4.2).
  static let reportSequenceLength = 4096

  /// Checks the faults against the layout.
  func validateFaults() throws(ConfigurationError) {
    let ranks = 0..<layout.worldSize
    let limit = "the layout has ranks 0 to \(layout.worldSize - 1)"
    if let rank = cluster.faults.slowGPUs.keys.sorted().first(where: { !ranks.contains($0) }) {
      throw error(at: "cluster.faults.slow_gpus", "there is no rank \(rank); \(limit)")
    }
    let dead = cluster.faults.deadNICs
    if let rank = dead.sorted().first(where: { !ranks.contains($0) }) {
      throw error(at: "cluster.faults.dead_nics", "there is no rank \(rank); \(limit)")
    }
    guard layout.worldSize > layout.gpusPerNode else { return }
    for node in Set(dead.map(layout.node)).sorted() {
      let first = node * layout.gpusPerNode
      let members = first..<min(first + layout.gpusPerNode, layout.worldSize)
      guard members.allSatisfy(dead.contains) else { continue }
      throw error(
        at: "cluster.faults.dead_nics",
        "all NICs of node \(node) (ranks \(members.lowerBound) to \(members.upperBound - 1)) are "
          + "dead, so that it is cut off; leave it one")
    }
  }
}
