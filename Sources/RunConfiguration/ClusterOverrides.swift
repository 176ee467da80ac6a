// Constants of the simulated cluster that a configuration changes: each is the preset's unless
// given below `cluster`. What is changed on a GPU's data sheet changes its kernels in proportion.

package import Fabric
package import Units

/// Replacements for single constants of a `ClusterSpec`; nil keeps the preset's own.
package struct ClusterOverrides: Equatable, Sendable {
  // A GPU.
  package var sms: Int?
  package var memory: ByteCount?
  package var memoryBandwidth: Bandwidth?
  package var peakBF16: ComputeRate?
  package var peakFP8: ComputeRate?
  /// Sustained clock over that at which the kernels were measured.
  package var speed = 1.0

  // The links inside a node.
  package var nvlink: Bandwidth?
  package var nvlinkLatency: VirtualDuration?

  // The network between nodes.
  package var nic: Bandwidth?
  package var nodesPerLeaf: Int?
  package var oversubscription: Double?
  package var spines: Int?
  package var paths: PathChoice?
  package var planes: Int?
  package var sameLeafLatency: VirtualDuration?
  package var crossLeafLatency: VirtualDuration?

  // The expert exchange.
  package var exchangeSMs: Int?
  package var nicEfficiency: Double?
  package var nvlinkEfficiency: Double?
  package var overlapEfficiency: Double?
  package var notify: VirtualDuration?
  package var unified: Bool?

  package var faults = Faults()

  package init() {}

  /// `preset` with these constants instead of its own.
  package func applied(to preset: ClusterSpec) -> ClusterSpec {
    var result = preset
    func replace<Value>(_ target: WritableKeyPath<ClusterSpec, Value>, _ value: Value?) {
      if let value { result[keyPath: target] = value }
    }
    if let sms {
      // The peak of fewer SMs is less, unless it is given.
      let share = Double(sms) / Double(preset.gpu.sms)
      result.gpu.sms = sms
      result.gpu.peakBF16.flopsPerSecond *= share
      result.gpu.peakFP8.flopsPerSecond *= share
    }
    let bySMs = result.gpu
    replace(\.gpu.memory, memory)
    replace(\.gpu.memoryBandwidth, memoryBandwidth)
    replace(\.gpu.peakBF16, peakBF16)
    replace(\.gpu.peakFP8, peakFP8)
    replace(\.node.nvlink, nvlink)
    replace(\.node.latency, nvlinkLatency)
    replace(\.network.nic, nic)
    replace(\.network.nodesPerLeaf, nodesPerLeaf)
    replace(\.network.oversubscription, oversubscription)
    replace(\.network.spines, spines)
    replace(\.network.paths, paths)
    replace(\.network.planes, planes)
    replace(\.network.sameLeafLatency, sameLeafLatency)
    replace(\.network.crossLeafLatency, crossLeafLatency)
    replace(\.exchange.sms, exchangeSMs)
    replace(\.exchange.nicEfficiency, nicEfficiency)
    replace(\.exchange.nvlinkEfficiency, nvlinkEfficiency)
    replace(\.exchange.overlapEfficiency, overlapEfficiency)
    replace(\.exchange.notify, notify)
    replace(\.exchange.unified, unified)
    result.faults = faults
    result.gpu.kernels.scale(from: bySMs, to: result.gpu)
    result.gpu.kernels.speedUp(by: speed)
    return result
  }
}

extension KernelEfficiency {
  /// Makes kernels of `old` those of `new`, which has as many SMs: products go with the peak of
  /// their format, bytes with the memory's bandwidth; launches and prologues stay.
  fileprivate mutating func scale(from old: GPUSpec, to new: GPUSpec) {
    let fp8 = new.peakFP8.flopsPerSecond / old.peakFP8.flopsPerSecond
    let bf16 = new.peakBF16.flopsPerSecond / old.peakBF16.flopsPerSecond
    let bytes = new.memoryBandwidth.bytesPerSecond / old.memoryBandwidth.bytesPerSecond
    gemmFP8.femtosecondsPerK /= fp8
    weightGradientFP8.femtosecondsPerK /= fp8
    speedUpBF16(by: bf16)
    memory = memory.mapValues {
      MemoryCost(bandwidth: $0.bandwidth * bytes, overlapFactor: $0.overlapFactor)
    }
  }

  /// Another clock of the SMs: whatever they compute takes its time, prologues included.
  fileprivate mutating func speedUp(by clock: Double) {
    for cost in [\Self.gemmFP8, \.weightGradientFP8] {
      self[keyPath: cost].tile = self[keyPath: cost].tile.scaled(by: 1 / clock)
      self[keyPath: cost].femtosecondsPerK /= clock
    }
    speedUpBF16(by: clock)
  }

  private mutating func speedUpBF16(by factor: Double) {
    for rate in [\Self.gemmBF16PerSM, \.attentionForwardPerSM, \.attentionBackwardPerSM] {
      self[keyPath: rate].flopsPerSecond *= factor
    }
    router = router.scaled(by: 1 / factor)
  }
}
