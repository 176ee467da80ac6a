// Constants of the kernel cost model from measured kernels, and how far the model is from each of
// them. Factors of contention, the power limit and launch gaps stay the preset's: a table of
// kernels does not determine them.

internal import Units

/// A GPU's kernel constants, refitted.
package struct KernelFit: Sendable {
  /// One constant, as the preset has it and as the measurements do.
  package struct Constant: Hashable, Sendable {
    package var name: String
    package var unit: String
    package var preset: Double
    /// Nil when the measurements do not determine it; the preset's is kept.
    package var fitted: Double?
  }

  /// A measured operation against the refitted model: medians over its samples.
  package struct Residual: Hashable, Sendable {
    package var kernel: MeasuredKernel
    package var family: KernelFamily
    package var measured: Double
    package var model: Double

    package var relative: Double { model / measured - 1 }
  }

  /// The preset's GPU with the refitted constants.
  package private(set) var gpu: GPUSpec
  package private(set) var constants: [Constant] = []
  package private(set) var residuals: [Residual] = []

  private let measurements: Measurements
  private let preset: GPUSpec

  /// Fits to `measurements`, starting from `preset`, whose constants stay where there is nothing
  /// to fit.
  package init(_ measurements: Measurements, preset: GPUSpec) {
    self.measurements = measurements
    self.preset = preset
    gpu = preset
    if let sms = measurements.sms, sms <= preset.sms { gpu.kernels.measuredSMs = sms }
    fitTiles(.product, "product", \.gemmFP8)
    fitTiles(.weightGradient, "weight gradient", \.weightGradientFP8)
    fitAttention()
    fitRouter()
    fitMemory()
    residuals = measurements.kernels.compactMap(residual)
  }

  /// Mean of |model / measured − 1| over operations.
  package static func meanError(_ residuals: [Residual]) -> Double {
    residuals.reduce(0) { $0 + abs($1.relative) } / Double(max(1, residuals.count))
  }

  /// Sum of |model − measured| over the sum measured.
  package static func timeWeightedError(_ residuals: [Residual]) -> Double {
    let error = residuals.reduce(0) { $0 + abs($1.model - $1.measured) }
    return error / max(1e-300, residuals.reduce(0) { $0 + $1.measured })
  }

  private func samples(_ family: KernelFamily) -> [MeasuredKernel.Sample] {
    measurements.kernels.flatMap(\.samples).filter { $0.work.family == family }
  }

  private var cost: KernelCost {
    KernelCost(
      gpu: gpu, sms: gpu.kernels.measuredSMs, exchangeSMs: gpu.sms - gpu.kernels.measuredSMs)
  }

  /// t = launch + waves × (tile + K × perK), relative errors weighing the same.
  private mutating func fitTiles(
    _ family: KernelFamily, _ name: String,
    _ path: WritableKeyPath<KernelEfficiency, TileCost>
  ) {
    var rows: [[Double]] = []
    for sample in samples(family) {
      let (tiles, depth): (Int, Int)
      switch sample.work {
      case .product(let count, let k, .fp8), .weightGradient(let count, let k, .fp8):
        (tiles, depth) = (count, k)
      default: continue
      }
      let sms = gpu.kernels.measuredSMs
      let waves = Double((tiles + sms - 1) / sms)
      let factor = 1 + (gpu.kernels.gemmOverlapFactor - 1) * sample.overlap
      let scale = factor / sample.microseconds
      rows.append([scale, waves * scale, waves * Double(depth) / 1000 * scale])
    }
    let old = preset.kernels[keyPath: path]
    let ones = [Double](repeating: 1, count: rows.count)
    let fit = rows.count > 3 ? RobustLeastSquares.solve(rows: rows, targets: ones) : nil
    if let fit {
      gpu.kernels[keyPath: path] = TileCost(
        launch: VirtualDuration(microseconds: fit[0]), tile: VirtualDuration(microseconds: fit[1]),
        femtosecondsPerK: fit[2] * 1e6)
    }
    constants += [
      Constant(
        name: "\(name): launch", unit: "us", preset: old.launch.seconds * 1e6, fitted: fit?[0]),
      Constant(
        name: "\(name): tile", unit: "us", preset: old.tile.seconds * 1e6, fitted: fit?[1]),
      Constant(
        name: "\(name): unit of K", unit: "ns", preset: old.femtosecondsPerK / 1e6,
        fitted: fit?[2]),
    ]
  }

  /// The median rate. The time goes as the rate's inverse, so that of the preset, scaled, is it.
  private mutating func fitAttention() {
    let attention = samples(.attention)
    func rate(_ isForward: Bool, _ old: ComputeRate) -> Double? {
      let rates = attention.compactMap { sample -> Double? in
        if case .attentionForward = sample.work { guard isForward else { return nil } }
        if case .attentionBackward = sample.work { guard !isForward else { return nil } }
        return old.flopsPerSecond / 1e12 * model(sample) / sample.microseconds
      }
      return rates.isEmpty ? nil : RobustLeastSquares.median(rates)
    }
    let kernels = preset.kernels
    let forward = rate(true, kernels.attentionForwardPerSM)
    let backward = rate(false, kernels.attentionBackwardPerSM)
    if let forward { gpu.kernels.attentionForwardPerSM = ComputeRate(teraFLOPS: forward) }
    if let backward { gpu.kernels.attentionBackwardPerSM = ComputeRate(teraFLOPS: backward) }
    constants += [
      Constant(
        name: "attention forward per SM", unit: "TF/s",
        preset: kernels.attentionForwardPerSM.flopsPerSecond / 1e12, fitted: forward),
      Constant(
        name: "attention backward per SM", unit: "TF/s",
        preset: kernels.attentionBackwardPerSM.flopsPerSecond / 1e12, fitted: backward),
    ]
  }

  /// The median, brought to the model's shape.
  private mutating func fitRouter() {
    let launch = preset.kernels.memoryLaunch.seconds * 1e6
    let times = samples(.router).compactMap { sample -> Double? in
      guard case .router(let flops) = sample.work else { return nil }
      let factor = 1 + (preset.kernels.gemmOverlapFactor - 1) * sample.overlap
      let beyond = max(0, sample.microseconds / factor - launch)
      return launch + beyond * KernelEfficiency.routerFLOPs / Double(flops)
    }
    let fit = times.isEmpty ? nil : RobustLeastSquares.median(times)
    if let fit { gpu.kernels.router = VirtualDuration(microseconds: fit) }
    constants.append(
      Constant(
        name: "router product", unit: "us", preset: preset.kernels.router.seconds * 1e6,
        fitted: fit))
  }

  /// t = (launch + bytes / bandwidth of the class) × contention, one launch for all classes. Errors
  /// weigh by the root of the time: relative ones would be the small kernels', which hardly count.
  private mutating func fitMemory() {
    let classes = MemoryClass.allCases.filter { samples(.memory($0)).count > 1 }
    var rows: [[Double]] = []
    var targets: [Double] = []
    for (index, memoryClass) in classes.enumerated() {
      let factor = preset.kernels.memory[memoryClass]?.overlapFactor ?? 1
      for sample in samples(.memory(memoryClass)) {
        guard case .memory(_, let bytes) = sample.work else { continue }
        let root = sample.microseconds.squareRoot()
        let scale = (1 + (factor - 1) * sample.overlap) / root
        var row = [Double](repeating: 0, count: classes.count + 1)
        row[0] = scale
        row[index + 1] = Double(bytes) / 1e6 * scale
        rows.append(row)
        targets.append(root)
      }
    }
    let fit = RobustLeastSquares.solve(rows: rows, targets: targets)
    let old = preset.kernels
    if let fit { gpu.kernels.memoryLaunch = VirtualDuration(microseconds: fit[0]) }
    constants.append(
      Constant(
        name: "memory: launch", unit: "us", preset: old.memoryLaunch.seconds * 1e6,
        fitted: fit?[0]))
    for memoryClass in MemoryClass.allCases {
      guard let cost = old.memory[memoryClass] else { continue }
      // Microseconds a megabyte are seconds a terabyte.
      let time = classes.firstIndex(of: memoryClass).flatMap { fit?[$0 + 1] } ?? 0
      let fitted = time > 0 ? 1 / time : nil
      if let fitted {
        gpu.kernels.memory[memoryClass]?.bandwidth = Bandwidth(terabytesPerSecond: fitted)
      }
      constants.append(
        Constant(
          name: "\(KernelFamily.memory(memoryClass))", unit: "TB/s",
          preset: cost.bandwidth.bytesPerSecond / 1e12, fitted: fitted))
    }
  }

  /// Microseconds of a sample with the constants of now.
  private func model(_ sample: MeasuredKernel.Sample) -> Double {
    let time = cost.time(of: sample.work)
    let (alone, beside) = (time.alone.seconds, time.besideTransfer.seconds)
    return (alone + (beside - alone) * sample.overlap) * 1e6
  }

  private func residual(_ kernel: MeasuredKernel) -> Residual? {
    guard let family = kernel.samples.first?.work.family else { return nil }
    return Residual(
      kernel: kernel, family: family,
      measured: RobustLeastSquares.median(kernel.samples.map(\.microseconds)),
      model: RobustLeastSquares.median(kernel.samples.map(model)))
  }
}
