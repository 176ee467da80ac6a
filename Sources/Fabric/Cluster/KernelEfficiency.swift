// The constants of the kernel cost model: what a kernel of a kind and shape takes on a GPU. The
// equations are in KernelCost; the numbers of each GPU, with their sources, in ClusterPreset.

package import Units

/// Memory-bound kernels by what their accesses look like; each class has its own bandwidth.
package enum MemoryClass: Int, Hashable, Sendable, CaseIterable {
  /// Copies, adds, permutations, reductions, FP8 weight transposes.
  case stream
  /// Casts to FP8 with tile scales, SwiGLU with quantisation.
  case quantise
  /// Cast with transpose.
  case castTranspose
  /// Dequantise, transpose, requantise.
  case requantiseTranspose
  case norm
  /// RoPE and broadcasts.
  case strided
  /// Casts to and from E5M6.
  case e5m6
}

/// A persistent tile kernel: t = launch + waves × (tile + K × perK) (calibration NOTES section 4).
package struct TileCost: Hashable, Sendable {
  package var launch: VirtualDuration
  /// Prologue and epilogue of an output tile of 128 × 128.
  package var tile: VirtualDuration
  /// Femtoseconds for one unit of K in one tile on one SM.
  package var femtosecondsPerK: Double

  package init(launch: VirtualDuration, tile: VirtualDuration, femtosecondsPerK: Double) {
    self.launch = launch
    self.tile = tile
    self.femtosecondsPerK = femtosecondsPerK
  }
}

/// A memory-bound class: its bandwidth alone, and the factor on time beside a transfer.
package struct MemoryCost: Hashable, Sendable {
  package var bandwidth: Bandwidth
  package var overlapFactor: Double

  package init(bandwidth: Bandwidth, overlapFactor: Double) {
    self.bandwidth = bandwidth
    self.overlapFactor = overlapFactor
  }
}

/// All fitted constants of a GPU's kernels.
package struct KernelEfficiency: Hashable, Sendable {
  /// FLOPs of the router GEMM that `router` is the time of: 4096 tokens, 256 experts, hidden 7168.
  package static let routerFLOPs = 2.0 * 4096 * 256 * 7168

  /// SMs that the constants were measured on, and the exponent of the power limit: the rate of an
  /// SM goes with (measuredSMs / SMs)^powerExponent.
  package var measuredSMs: Int
  package var powerExponent: Double
  package var gemmFP8: TileCost
  package var weightGradientFP8: TileCost
  /// Large BF16 GEMMs (the head), as a rate per SM.
  package var gemmBF16PerSM: ComputeRate
  /// Causal FLOPs a second and SM of the attention kernels.
  package var attentionForwardPerSM: ComputeRate
  package var attentionBackwardPerSM: ComputeRate
  /// One router GEMM of `routerFLOPs`.
  package var router: VirtualDuration
  package var memoryLaunch: VirtualDuration
  /// By `MemoryClass`.
  package var memory: [MemoryClass: MemoryCost]
  /// Factor on the time of a GEMM beside a running transfer.
  package var gemmOverlapFactor: Double
  /// Idle time between two kernels of a stream.
  package var launchGap: VirtualDuration

  package init(
    measuredSMs: Int, powerExponent: Double, gemmFP8: TileCost, weightGradientFP8: TileCost,
    gemmBF16PerSM: ComputeRate, attentionForwardPerSM: ComputeRate,
    attentionBackwardPerSM: ComputeRate, router: VirtualDuration, memoryLaunch: VirtualDuration,
    memory: [MemoryClass: MemoryCost], gemmOverlapFactor: Double, launchGap: VirtualDuration
  ) {
    self.measuredSMs = measuredSMs
    self.powerExponent = powerExponent
    self.gemmFP8 = gemmFP8
    self.weightGradientFP8 = weightGradientFP8
    self.gemmBF16PerSM = gemmBF16PerSM
    self.attentionForwardPerSM = attentionForwardPerSM
    self.attentionBackwardPerSM = attentionBackwardPerSM
    self.router = router
    self.memoryLaunch = memoryLaunch
    self.memory = memory
    self.gemmOverlapFactor = gemmOverlapFactor
    self.launchGap = launchGap
  }
}
