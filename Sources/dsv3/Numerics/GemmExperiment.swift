// The experiment of the report's section 3.3.2: two random matrices in E4M3, multiplied under each
// rule of summation, against the product without rounding.

import Glibc
import Kernels
import NumberFormats

/// What the elements are drawn from.
enum GemmDistribution: String, CaseIterable {
  /// Standard normal: sums grow as √k, and terms of both signs meet.
  case normal
  /// Even in −1 ..< 1.
  case symmetric
  /// Even in 0 ..< 1: sums grow as k, all errors have one sign.
  case positive
}

/// The rules by their names in configurations, in the order of the report's argument.
let gemmRules: [(name: String, rule: SumRule)] = [
  ("tensor_core_14bit", .tensorCore), ("promoted_every_128", .promoted), ("fp32", .fp32),
]

struct GemmExperiment {
  /// A [m, k] · Bᵀ, B [n, k].
  var m: Int
  var n: Int
  var k: Int
  var seed: Int
  var distribution: GemmDistribution

  /// Errors of one rule, and what its product took.
  struct Outcome {
    /// The largest error of an element and the mean of them, over the mean |exact element|.
    var maxRelativeError = 0.0
    var meanRelativeError = 0.0
    /// CPU time of the product alone.
    var seconds = 0.0
  }

  /// Rows of A that are multiplied at once.
  static let blockRows = 128

  /// Bytes at the peak: FP32 numbers of one operand beside the codes of both, or FP32 copies of a
  /// block and of B beside the codes, and results of a block.
  var bytes: Int {
    let codes = (m + n) * k
    let block = min(m, Self.blockRows)
    return max(codes + 4 * max(m, n) * k, codes + 4 * (n + 2 * block) * k) + 32 * block * n
  }

  /// Outcomes in the order of `gemmRules`.
  /// - Parameter progress: gets the share of the work that is done.
  func run(progress: (Double) -> Void) -> [Outcome] {
    var random = SplitMix(seed: UInt64(bitPattern: Int64(seed)))
    let a = operand(rows: m, &random)
    let b = operand(rows: n, &random)
    var outcomes = [Outcome](repeating: Outcome(), count: gemmRules.count)
    var meanMagnitude = 0.0
    for start in stride(from: 0, to: m, by: Self.blockRows) {
      let rows = start..<min(start + Self.blockRows, m)
      let product = EmulatedProduct(a.tensorRows(rows), false, b, true)
      let exact = product.exactRows(0..<rows.count)
      meanMagnitude += exact.reduce(0) { $0 + abs($1) }
      for (index, item) in gemmRules.enumerated() {
        let c = Tensor(rows.count, n, for: .emulation)
        let began = cpuTime()
        product.apply(item.rule, into: c.matrix)
        outcomes[index].seconds += cpuTime() - began
        outcomes[index].take(c, exact)
        let done = Double(start * gemmRules.count + rows.count * (index + 1))
        progress(done / Double(m * gemmRules.count))
      }
    }
    meanMagnitude /= Double(m * n)
    for index in outcomes.indices {
      outcomes[index].maxRelativeError /= meanMagnitude
      outcomes[index].meanRelativeError /= meanMagnitude * Double(m * n)
    }
    return outcomes
  }

  /// GFLOP/s of an outcome.
  func gigaFLOPs(_ outcome: Outcome) -> Double {
    2e-9 * Double(m) * Double(n) * Double(k) / max(outcome.seconds, 1e-9)
  }

  /// A matrix [rows, k] in E4M3 with one scale, as FP8 GEMM libraries have it.
  private func operand(rows: Int, _ random: inout SplitMix) -> StoredMatrix {
    let numbers = Tensor(rows, k, for: .emulation)
    for index in 0..<rows * k {
      numbers.base[index] =
        switch distribution {
        case .normal: Float(random.normal())
        case .symmetric: Float(2 * random.uniform() - 1)
        case .positive: Float(random.uniform())
        }
    }
    return StoredMatrix(numbers.matrix, .e4m3(.tensor, .float), for: .emulation)
  }
}

extension GemmExperiment.Outcome {
  /// Adds the errors of a block. They are scaled to what they are relative to at the end.
  fileprivate mutating func take(_ c: Tensor, _ exact: [Double]) {
    for (index, exact) in exact.enumerated() {
      let error = abs(Double(c.base[index]) - exact)
      maxRelativeError = max(maxRelativeError, error)
      meanRelativeError += error
    }
  }
}

extension StoredMatrix {
  /// A copy of some rows of a matrix that has one scale.
  fileprivate func tensorRows(_ range: Range<Int>) -> StoredMatrix {
    let copy = StoredMatrix(range.count, columns, code, for: .emulation)
    copy.codes.update(from: codes + range.lowerBound * columns, count: range.count * columns)
    copy.scales[0] = scales[0]
    return copy
  }
}

/// Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014.
private struct SplitMix {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  private mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// In 0 ..< 1.
  mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// Box and Muller's transformation.
  mutating func normal() -> Double {
    let (radius, angle) = (1 - uniform(), uniform())
    return (-2 * log(radius)).squareRoot() * cos(2 * .pi * angle)
  }
}
