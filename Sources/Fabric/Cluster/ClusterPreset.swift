// Clusters known by name. Each constant has its source beside it.

internal import Units

/// A cluster with a name and a line about it.
package struct ClusterPreset: Sendable {
  package var name: String
  package var summary: String
  package var spec: ClusterSpec

  /// The measured one first.
  package static let all: [ClusterPreset] = [h800, h100, h20, b200NVL72]

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
        // The H100's data sheet, whose die it is; 132 SMs as the profiler's trace reports them.
        sms: 132, memory: ByteCount(80_000_000_000),
        memoryBandwidth: Bandwidth(terabytesPerSecond: 3.35),
        peakBF16: ComputeRate(teraFLOPS: 989.4), peakFP8: ComputeRate(teraFLOPS: 1978.9),
        kernels: .h800),
      node: NodeSpec(
        // Report section 3.2.2: 160 GB/s (of a nominal 200). Latency: 64 bytes, end to end.
        gpus: 8, nvlink: Bandwidth(gigabytesPerSecond: 160),
        latency: VirtualDuration(microseconds: 3.33)),
      network: .rails400, exchange: .deepEP))
}

extension NetworkSpec {
  /// A ConnectX-7 of 400 Gb/s for each GPU on rails of 64-port switches, 32 ports down (report
  /// section 3.2.2: 50 GB/s). Latencies: 64 bytes, end to end, under one leaf and across.
  static let rails400 = NetworkSpec(
    nic: Bandwidth(gigabytesPerSecond: 50), nodesPerLeaf: 32,
    sameLeafLatency: VirtualDuration(microseconds: 2.8),
    crossLeafLatency: VirtualDuration(microseconds: 3.7))
}

extension ExchangeSpec {
  /// DeepEP's kernels on H800s, as its README of April 2025 has them stand-alone with 24 SMs at
  /// 4096 tokens (Tests/Fixtures/calibration/bandwidth.csv). Each efficiency is the geometric mean
  /// over the rows that its link bounds, with latencies and the first chunk taken off the times.
  ///
  /// - NIC, EP 32 and 64: bytes for other nodes pass at 43.5, 42.8, 44.6 and 43.8 GB/s of 50;
  ///   without the first chunk 44.3, 43.5, 45.3, 44.4: 0.887.
  /// - NVLink, EP 8 and 16: 153, 158, 140.5 and 140.5 GB/s received, of which 7/8 come from
  ///   another GPU and cross a link; without the first chunk 133.9, 138.3, 126, 126 of 160: 0.818.
  /// - Beside compute with 20 SMs, in the trace of a training step (EP 64): cached dispatch 3.45,
  ///   combine 6.03 and 6.52 ms, where alone 2.37, 4.68 and 4.68 ms: 0.733. The dispatch with a
  ///   fresh layout (4.31 ms) is left out: it starts after a wait of the host, and holds the skew
  ///   between ranks, which is none of a link's.
  /// - The library as of February 2025, nearer to the training run, had the NIC at 0.80 at EP 64
  ///   (0.68 at EP 32), the same NVLink, and so 0.81 beside compute: the times beside compute are
  ///   the same, those of an exposed exchange 11 % longer.
  static let deepEP = ExchangeSpec(
    sms: 20, nicEfficiency: 0.887, nvlinkEfficiency: 0.818, overlapEfficiency: 0.733,
    // 0.13 to 0.16 ms alone (DeepEP issue #397); what the trace shows beyond is waiting for peers.
    notify: VirtualDuration(microseconds: 150))
}

extension KernelEfficiency {
  /// Fitted to one measured training step of DeepSeek-V3 on H800s (docs/cluster-model.md); what
  /// `dsv3 calibrate Tests/Fixtures/calibration/ops.csv` refits.
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
