// Clusters known by name. Each constant has its source beside it.

internal import Units

/// A cluster with a name and a line about it.
package struct ClusterPreset: Sendable {
  package var name: String
  package var summary: String
  package var spec: ClusterSpec

  package static let all: [ClusterPreset] = [h800]

  /// The preset called `name`, nil when there is none.
  package static func named(_ name: String) -> ClusterPreset? { all.first { $0.name == name } }
}

extension ClusterPreset {
  /// The report's cluster: H800 SXM, 8 to a node, one 400 Gb/s NIC for each.
  static let h800 = ClusterPreset(
    name: "h800", summary: "H800 SXM, 8 to a node, a 400 Gb/s NIC each (the report's cluster)",
    spec: ClusterSpec(
      name: "h800",
      gpu: GPUSpec(
        sms: 132, memory: ByteCount(80_000_000_000),
        memoryBandwidth: Bandwidth(terabytesPerSecond: 3.35),
        peakBF16: ComputeRate(teraFLOPS: 989.4), peakFP8: ComputeRate(teraFLOPS: 1978.9),
        kernels: .h800),
      node: NodeSpec(
        gpus: 8, nvlink: Bandwidth(gigabytesPerSecond: 160),
        latency: VirtualDuration(microseconds: 3.33)),
      network: NetworkSpec(
        nic: Bandwidth(gigabytesPerSecond: 50), nodesPerLeaf: 32,
        sameLeafLatency: VirtualDuration(microseconds: 2.8),
        crossLeafLatency: VirtualDuration(microseconds: 3.7)),
      exchange: ExchangeSpec(
        sms: 20, nicEfficiency: 0.88, nvlinkEfficiency: 0.8, overlapEfficiency: 0.76,
        notify: VirtualDuration(microseconds: 150))))
}

extension KernelEfficiency {
  /// Fitted to one measured training step of DeepSeek-V3 on H800s (docs/cluster-model.md).
  static let h800 = KernelEfficiency(
    measuredSMs: 112, powerExponent: 0.8,
    gemmFP8: TileCost(
      launch: VirtualDuration(microseconds: 5.252), tile: VirtualDuration(microseconds: 1.594),
      femtosecondsPerK: 3_146_150),
    weightGradientFP8: TileCost(
      launch: VirtualDuration(microseconds: 1.212), tile: VirtualDuration(microseconds: 4.306),
      femtosecondsPerK: 4_357_034),
    // 620 TF/s on all 132 SMs, assumed as H100 libraries reach it; ×(132/112)^0.8 / 132 here.
    gemmBF16PerSM: ComputeRate(teraFLOPS: 5.356),
    attentionForwardPerSM: ComputeRate(teraFLOPS: 4.970),
    attentionBackwardPerSM: ComputeRate(teraFLOPS: 4.160),
    router: VirtualDuration(microseconds: 44.5),
    memoryLaunch: VirtualDuration(microseconds: 3.715),
    memory: [
      .stream: MemoryCost(bandwidth: Bandwidth(terabytesPerSecond: 2.916), overlapFactor: 1.11),
      .quantise: MemoryCost(bandwidth: Bandwidth(terabytesPerSecond: 2.430), overlapFactor: 1.19),
      .castTranspose: MemoryCost(
        bandwidth: Bandwidth(terabytesPerSecond: 2.596), overlapFactor: 1.12),
      .requantiseTranspose: MemoryCost(
        bandwidth: Bandwidth(terabytesPerSecond: 1.765), overlapFactor: 1.12),
      .norm: MemoryCost(bandwidth: Bandwidth(terabytesPerSecond: 1.745), overlapFactor: 1.65),
      .strided: MemoryCost(bandwidth: Bandwidth(terabytesPerSecond: 1.213), overlapFactor: 1.18),
      .e5m6: MemoryCost(bandwidth: Bandwidth(terabytesPerSecond: 1.595), overlapFactor: 1.15),
    ],
    gemmOverlapFactor: 1.05, launchGap: VirtualDuration(microseconds: 2))
}
