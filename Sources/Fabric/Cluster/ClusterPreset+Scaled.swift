// Clusters whose kernels nobody has measured for this model: the data sheet's rates, and the
// H800's fitted constants scaled by them. Their step times are estimates by a rule, no more.

internal import Units

extension ClusterPreset {
  /// DGX H100: the H800 with NVLink as designed.
  static let h100 = ClusterPreset(
    name: "h100", summary: "H100 SXM, 8 to a node, a 400 Gb/s NIC each (kernels as on H800)",
    spec: ClusterSpec(
      name: "h100",
      gpu: GPUSpec(
        // NVIDIA H100 data sheet (SXM, rates without sparsity); SMs: Hopper white paper.
        sms: 132, memory: ByteCount(80_000_000_000),
        memoryBandwidth: Bandwidth(terabytesPerSecond: 3.35),
        peakBF16: ComputeRate(teraFLOPS: 989.4), peakFP8: ComputeRate(teraFLOPS: 1978.9),
        kernels: .h800),
      node: .nvlinkHopper, network: .rails400, exchange: .deepEPNominal))

  /// H20: Hopper with few SMs and fast memory.
  static let h20 = ClusterPreset(
    name: "h20", summary: "H20, 8 to a node, a 400 Gb/s NIC each (kernels scaled from H800)",
    spec: ClusterSpec(
      name: "h20",
      gpu: .scaled(
        // Vendors' data sheets of HGX H20: 96 GB HBM3, 4.0 TB/s, 148 TF BF16, 296 TF FP8, 78 SMs.
        sms: 78, memory: ByteCount(96_000_000_000),
        memoryBandwidth: Bandwidth(terabytesPerSecond: 4.0),
        peakBF16: ComputeRate(teraFLOPS: 148), peakFP8: ComputeRate(teraFLOPS: 296)),
      node: .nvlinkHopper, network: .rails400, exchange: .deepEPNominal))

  /// GB200 NVL72: 72 GPUs in one NVLink domain.
  static let b200NVL72 = ClusterPreset(
    name: "b200-nvl72",
    summary: "GB200 NVL72, 72 GPUs in one NVLink domain (kernels scaled from H800)",
    spec: ClusterSpec(
      name: "b200-nvl72",
      gpu: .scaled(
        // NVIDIA GB200 NVL72 data sheet over 72, without sparsity: 360 PF FP8, 180 PF BF16,
        // 13.4 TB HBM3e at 576 TB/s. (A B200 of an HGX board has 4500 and 2250.) 148 SMs: as
        // the device reports them.
        sms: 148, memory: ByteCount(186_000_000_000),
        memoryBandwidth: Bandwidth(terabytesPerSecond: 8),
        peakBF16: ComputeRate(teraFLOPS: 2500), peakFP8: ComputeRate(teraFLOPS: 5000)),
      node: NodeSpec(
        // 130 TB/s in both directions over 72 GPUs: 900 GB/s each way. Latency as on H800.
        gpus: 72, nvlink: Bandwidth(gigabytesPerSecond: 900),
        latency: VirtualDuration(microseconds: 3.33)),
      network: .rails400, exchange: .deepEPNominal))
}

extension NodeSpec {
  /// NVLink 4 of an 8-GPU Hopper board: 18 links of 25 GB/s each way. Latency as on H800.
  fileprivate static let nvlinkHopper = NodeSpec(
    gpus: 8, nvlink: Bandwidth(gigabytesPerSecond: 450),
    latency: VirtualDuration(microseconds: 3.33))
}

extension ExchangeSpec {
  /// The H800's kernels, for an NVLink given by its nominal rate: the H800's 160 GB/s are four
  /// fifths of its nominal 200.
  fileprivate static let deepEPNominal: ExchangeSpec = {
    var exchange = ExchangeSpec.deepEP
    exchange.nvlinkEfficiency *= 0.8
    return exchange
  }()
}

extension GPUSpec {
  /// A GPU with the H800's kernels, scaled by its data sheet.
  fileprivate static func scaled(
    sms: Int, memory: ByteCount, memoryBandwidth: Bandwidth, peakBF16: ComputeRate,
    peakFP8: ComputeRate
  ) -> GPUSpec {
    var gpu = GPUSpec(
      sms: sms, memory: memory, memoryBandwidth: memoryBandwidth, peakBF16: peakBF16,
      peakFP8: peakFP8, kernels: .h800)
    gpu.kernels = KernelEfficiency.h800.scaled(from: ClusterPreset.h800.spec.gpu, to: gpu)
    return gpu
  }
}

extension KernelEfficiency {
  /// The constants fitted on `measured`, for another GPU by the ratio of their peaks. Not measured:
  /// it supposes that kernels reach the same share of each peak. Products go by the peak of an SM,
  /// bytes by the HBM, the router by the worse of both; launches, prologues, factors of contention
  /// and the exponent of the power limit stay.
  package func scaled(from measured: GPUSpec, to gpu: GPUSpec) -> KernelEfficiency {
    func perSM(_ peak: (GPUSpec) -> ComputeRate) -> Double {
      peak(gpu).flopsPerSecond / Double(gpu.sms)
        / (peak(measured).flopsPerSecond / Double(measured.sms))
    }
    let fp8 = perSM(\.peakFP8)
    let bf16 = perSM(\.peakBF16)
    let bytes = gpu.memoryBandwidth.bytesPerSecond / measured.memoryBandwidth.bytesPerSecond
    let products = gpu.peakBF16.flopsPerSecond / measured.peakBF16.flopsPerSecond
    var scaled = self
    scaled.measuredSMs = (measuredSMs * gpu.sms + measured.sms / 2) / measured.sms
    scaled.gemmFP8.femtosecondsPerK /= fp8
    scaled.weightGradientFP8.femtosecondsPerK /= fp8
    scaled.gemmBF16PerSM.flopsPerSecond *= bf16
    scaled.attentionForwardPerSM.flopsPerSecond *= bf16
    scaled.attentionBackwardPerSM.flopsPerSecond *= bf16
    scaled.router = memoryLaunch + (router - memoryLaunch).scaled(by: 1 / min(bytes, products))
    scaled.memory = memory.mapValues {
      MemoryCost(bandwidth: $0.bandwidth * bytes, overlapFactor: $0.overlapFactor)
    }
    return scaled
  }
}
