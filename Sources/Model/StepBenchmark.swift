// How fast one rank trains: the ceiling of matrix products on one thread, and whole training steps
// (forward, backward, clipping, AdamW) of a model against it, in one run so that they compare.

internal import Glibc
internal import Kernels
package import ModelSpec

package struct StepBenchmark: Sendable {
  /// OpenBLAS's name of the kernels in force.
  package var kernels: String
  /// Rate of a square SGEMM of 768 in one call of OpenBLAS, one thread, in GFLOP/s: the median of
  /// runs between the steps. Tiles (GEMM+Tiles.swift) can be faster than it.
  package var ceiling: Double
  /// A step's rate over the ceiling measured right before and after it, median over steps: machines
  /// that share their cores change speed from one second to the next.
  package var shareOfCeiling: Double
  /// Median seconds of a step, and of its parts.
  package var seconds: Double
  package var forwardBackwardSeconds: Double
  package var optimizerSeconds: Double
  package var tokens: Int
  /// Processor seconds of all timed steps over their wall seconds.
  package var processors: Double
  /// Floating-point operations of a step that the model asks for: 6 a weight and token, and causal
  /// attention (half of the full square).
  package var causalFLOPs: Double
  package var peakTensorBytes: Int

  package var gigaFLOPs: Double { causalFLOPs / seconds / 1e9 }
  package var tokensPerCPUSecond: Double { Double(tokens) / (seconds * processors) }

  /// Measures `steps` steps of `spec` on sequences × length tokens after two to warm up.
  package init(_ spec: ModelSpec, sequences: Int, length: Int, steps: Int) throws {
    BLAS.useOneThread()
    kernels = BLAS.coreName
    tokens = sequences * length
    let census = ParameterCensus(spec, sequenceLength: length)
    causalFLOPs = Double(census.total.forwardBackwardFLOPs(causal: true)) * Double(tokens)
    var run = BenchmarkRun(spec, sequences: sequences, length: length)
    var whole: [Double] = []
    var forwardBackward: [Double] = []
    var (wall, cpu) = (0.0, 0.0)
    var ceilings = [Self.sgemmCeiling()]
    var shares: [Double] = []
    for step in 0..<(steps + 2) {
      let (start, startCPU) = (Self.wallSeconds(), Self.cpuSeconds())
      let middle = try run.step(number: step + 1)
      let end = Self.wallSeconds()
      if step < 2 { continue }
      let endCPU = Self.cpuSeconds()
      ceilings.append(Self.sgemmCeiling())
      let around = (ceilings[ceilings.count - 2] + ceilings[ceilings.count - 1]) / 2
      shares.append(causalFLOPs / (end - start) / 1e9 / around)
      whole.append(end - start)
      forwardBackward.append(middle - start)
      wall += end - start
      cpu += endCPU - startCPU
    }
    seconds = Self.median(whole)
    ceiling = Self.median(ceilings)
    shareOfCeiling = Self.median(shares)
    forwardBackwardSeconds = Self.median(forwardBackward)
    optimizerSeconds = seconds - forwardBackwardSeconds
    processors = cpu / wall
    peakTensorBytes = TensorMemory.usage.peak
  }

  static func wallSeconds() -> Double { clockSeconds(CLOCK_MONOTONIC) }
  static func cpuSeconds() -> Double { clockSeconds(CLOCK_PROCESS_CPUTIME_ID) }

  private static func clockSeconds(_ clock: clockid_t) -> Double {
    var time = timespec()
    clock_gettime(clock, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }

  private static func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

  /// About a tenth of a second of one product.
  private static func sgemmCeiling() -> Double {
    let size = 768
    let (a, b, c) = (Tensor(size, size), Tensor(size, size), Tensor(size, size))
    a.fill(0.5)
    b.fill(0.25)
    BLAS.multiplyTransposed(a.matrix, b.matrix, into: c.matrix)
    let start = wallSeconds()
    let rounds = 12
    for _ in 0..<rounds { BLAS.multiplyTransposed(a.matrix, b.matrix, into: c.matrix) }
    return Double(rounds) * 2 * Double(size * size * size) / (wallSeconds() - start) / 1e9
  }
}

/// A model with its optimizer, stepping over random tokens.
private struct BenchmarkRun {
  let model: Transformer
  let batch: MicroBatch
  let moments: [(Tensor, Tensor)]

  init(_ spec: ModelSpec, sequences: Int, length: Int) {
    model = Transformer(spec, convention: .released, positions: length)
    var state: UInt64 = 1
    func next() -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return state >> 33
    }
    for group in model.store.groups {
      for parameter in group.parameters {
        for i in 0..<parameter.shape.count {
          let uniform = Float(next() & 0xffff) / 65536 - 0.5
          parameter.value.base[i] = parameter.shape.isMatrix ? uniform * 0.07 : 1
        }
      }
    }
    let tokens = (0..<sequences * (length + 1)).map { _ in
      Int32(next() % UInt64(spec.vocabularySize))
    }
    batch = MicroBatch(sequences: sequences, length: length, tokens: tokens)
    moments = model.store.groups.map { (.zeros(1, $0.count), .zeros(1, $0.count)) }
  }

  /// Returns when forward and backward were done.
  mutating func step(number: Int) throws -> Double {
    model.store.startGradients()
    let scale = 1 / Double(batch.sequences * batch.length)
    let pass = StagePass(
      model.stage, batch, scales: LossScales(main: scale, mtp: 0.3 * scale, balance: 0.0001))
    try StageForward(pass, input: nil).run()
    let weights = WeightGradients()
    try StageBackward(pass, gradient: nil, weights: weights).run { weights.perform() }
    model.store.completeGradients()
    let middle = StepBenchmark.wallSeconds()
    for (group, (first, second)) in zip(model.store.groups, moments) {
      let norm = sumOfSquares(group.gradients.base, count: group.count).squareRoot()
      let step = AdamWStep(
        learningRate: 1e-4, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1,
        step: number, gradientScale: min(1, 1 / (norm + 1e-6)))
      adamW(
        step, parameters: group.values.base, gradients: group.gradients.base,
        firstMoments: first.base, secondMoments: second.base, count: group.count, decay: true)
    }
    return middle
  }
}
