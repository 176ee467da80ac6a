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
    replace(\.gpu.sms, sms)
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
    result.gpu.kernels.scale(from: preset.gpu, to: result.gpu, speed: speed)
    return result
  }
}

extension KernelEfficiency {
  /// Makes kernels measured on `old` those of `new`: arithmetic goes with peak and clock, memory
  /// traffic with the memory's bandwidth; what the host takes to launch stays.
  fileprivate mutating func scale(from old: GPUSpec, to new: GPUSpec, speed: Double) {
    let fp8 = speed * new.peakFP8.flopsPerSecond / old.peakFP8.flopsPerSecond
    let bf16 = speed * new.peakBF16.flopsPerSecond / old.peakBF16.flopsPerSecond
    let bandwidth = new.memoryBandwidth.bytesPerSecond / old.memoryBandwidth.bytesPerSecond
    // Without a change not even the last bit moves.
    if fp8 != 1 {
      gemmFP8.speedUp(by: fp8)
      weightGradientFP8.speedUp(by: fp8)
    }
    if bf16 != 1 {
      for rate in [\Self.gemmBF16PerSM, \.attentionForwardPerSM, \.attentionBackwardPerSM] {
        self[keyPath: rate].flopsPerSecond *= bf16
      }
      router = router.scaled(by: 1 / bf16)
    }
    if bandwidth != 1 { memory = memory.mapValues { $0.scaled(by: bandwidth) } }
  }
}

extension TileCost {
  fileprivate mutating func speedUp(by factor: Double) {
    tile = tile.scaled(by: 1 / factor)
    femtosecondsPerK /= factor
  }
}

extension MemoryCost {
  fileprivate func scaled(by factor: Double) -> MemoryCost {
    MemoryCost(bandwidth: bandwidth * factor, overlapFactor: overlapFactor)
  }
}
