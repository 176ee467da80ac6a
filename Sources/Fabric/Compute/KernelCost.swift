// The time of a kernel on a GPU (docs/cluster-model.md): tile kernels in waves over the SMs, with a
// power limit on the rate of an SM; attention by its FLOPs; everything else by its bytes.

internal import Glibc
internal import Units

/// Prices kernels on one GPU, for a given share of its SMs. Pure; all constants are the GPU's.
package struct KernelCost: Hashable, Sendable {
  package let gpu: GPUSpec
  /// CTAs that persistent kernels launch: the SMs compute counts on.
  package let sms: Int
  /// SMs left to compute while a transfer runs.
  package let smsBesideTransfer: Int

  /// - Parameters:
  ///   - sms: SMs that the schedule gives to compute, at most the GPU's.
  ///   - exchangeSMs: SMs that a running transfer takes; 0 when transfers are offloaded.
  package init(gpu: GPUSpec, sms: Int, exchangeSMs: Int) {
    precondition((1...gpu.sms).contains(sms), "compute has 1 to \(gpu.sms) SMs, not \(sms)")
    precondition((0..<gpu.sms).contains(exchangeSMs), "a transfer leaves compute some SMs")
    self.gpu = gpu
    self.sms = sms
    smsBesideTransfer = min(sms, gpu.sms - exchangeSMs)
  }

  /// The time of `work`, without launch gaps.
  package func time(of work: KernelWork) -> KernelTime {
    let kernels = gpu.kernels
    switch work {
    case .product(let tiles, let depth, let precision):
      return product(tiles, launch: kernels.gemmFP8.launch) {
        wave(kernels.gemmFP8, depth: depth, precision, sms: $0)
      }
    case .weightGradient(let tiles, let depth, let precision):
      return product(tiles, launch: kernels.weightGradientFP8.launch) {
        wave(kernels.weightGradientFP8, depth: depth, precision, sms: $0)
      }
    case .largeProduct(let flops):
      return KernelTime(
        alone: atRate(kernels.gemmBF16PerSM, flops, sms: sms),
        besideTransfer: atRate(kernels.gemmBF16PerSM, flops, sms: smsBesideTransfer)
          .scaled(by: kernels.gemmOverlapFactor))
    case .router(let flops):
      let share = Double(flops) / KernelEfficiency.routerFLOPs
      let time =
        kernels.memoryLaunch + (kernels.router - kernels.memoryLaunch).scaled(by: share)
      return KernelTime(
        alone: time, besideTransfer: time.scaled(by: kernels.gemmOverlapFactor))
    case .attentionForward(let flops): return attention(kernels.attentionForwardPerSM, flops)
    case .attentionBackward(let flops): return attention(kernels.attentionBackwardPerSM, flops)
    case .memory(let memoryClass, let bytes): return memory(memoryClass, bytes)
    case .small(let time): return KernelTime(alone: time, besideTransfer: time)
    }
  }

  /// Picoseconds of one wave of tiles: (c + b K) × the slow-down by the power limit.
  package func wave(
    _ cost: TileCost, depth: Int, _ precision: ProductPrecision, sms: Int
  ) -> Double {
    // The tensor core's peaks say how much longer a unit of K takes in BF16.
    let factor =
      precision.isFP8 ? 1 : gpu.peakFP8.flopsPerSecond / gpu.peakBF16.flopsPerSecond
    let products = Double(depth) * cost.femtosecondsPerK * factor / 1000
    let flopsPerK = 2 * Double(KernelWork.tile * KernelWork.tile)
    let rate = ComputeRate(flopsPerSecond: flopsPerK / cost.femtosecondsPerK * 1e15)
    return (Double(cost.tile.picoseconds) + products)
      * powerFactor(sms, rate: rate, peak: gpu.peakFP8)
  }

  private func product(
    _ tiles: Int, launch: VirtualDuration, wave: (_ sms: Int) -> Double
  ) -> KernelTime {
    func time(on sms: Int) -> VirtualDuration {
      let waves = (tiles + sms - 1) / sms
      return launch + .nearest(Double(waves) * wave(sms))
    }
    let beside = time(on: smsBesideTransfer).scaled(by: gpu.kernels.gemmOverlapFactor)
    return KernelTime(alone: time(on: sms), besideTransfer: beside)
  }

  /// Attention launches a full grid: alone it has every SM, beside a transfer what that leaves.
  /// Its rates were measured beside transfers, so they hold the contention with them.
  private func attention(_ rate: ComputeRate, _ flops: Int) -> KernelTime {
    KernelTime(
      alone: atRate(rate, flops, sms: gpu.sms),
      besideTransfer: atRate(rate, flops, sms: smsBesideTransfer))
  }

  private func atRate(_ perSM: ComputeRate, _ flops: Int, sms: Int) -> VirtualDuration {
    let alone = Double(flops) / (perSM.flopsPerSecond * Double(sms))
    return VirtualDuration(
      seconds: alone * powerFactor(sms, rate: perSM, peak: gpu.peakBF16))
  }

  /// The slow-down of an SM when `sms` of them run, against `measuredSMs`, at which it reached
  /// `rate`. However few run, none exceeds its share of the GPU's `peak`.
  private func powerFactor(_ sms: Int, rate: ComputeRate, peak: ComputeRate) -> Double {
    let factor = pow(Double(sms) / Double(gpu.kernels.measuredSMs), gpu.kernels.powerExponent)
    return max(factor, rate.flopsPerSecond * Double(gpu.sms) / peak.flopsPerSecond)
  }

  private func memory(_ memoryClass: MemoryClass, _ bytes: Int) -> KernelTime {
    guard let cost = gpu.kernels.memory[memoryClass] else {
      preconditionFailure("the GPU's kernels have no bandwidth for \(memoryClass)")
    }
    let alone = gpu.kernels.memoryLaunch + cost.bandwidth.time(for: Double(bytes))
    return KernelTime(
      alone: alone,
      besideTransfer: alone.scaled(by: contention(cost.overlapFactor)))
  }

  /// The factor on a memory-bound kernel beside a transfer. These kernels launch full grids, so
  /// they feel the SMs that the transfer takes, and the HBM that it uses. A class whose measured
  /// factor is at least the share of SMs lost (132 / 112) is bound by SMs: with all SMs left it
  /// loses nothing. The others are bound by HBM and keep their factor. Below the measured number
  /// of SMs both slow down in proportion.
  private func contention(_ measured: Double) -> Double {
    let all = Double(gpu.sms)
    let reference = Double(gpu.kernels.measuredSMs)
    let left = Double(smsBesideTransfer)
    if left < reference { return measured * reference / left }
    guard measured >= 0.99 * all / reference, all > reference else { return measured }
    return 1 + (measured - 1) * (all - left) / (all - reference)
  }
}

extension VirtualDuration {
  /// The nearest picosecond; halves go to even.
  static func nearest(_ picoseconds: Double) -> VirtualDuration {
    VirtualDuration(picoseconds: Int64(picoseconds.rounded(.toNearestOrEven)))
  }
}
