// The fast emulation equals the slow one bit for bit, in all shapes, scalings and raggedness; the
// exact product and FP32 sums against triple loops in Double.

import Kernels
import NumberFormats
import Testing

/// The three products of a linear layer.
enum LayerProduct: CaseIterable {
  case forward, inputGradient, weightGradient

  var transposesA: Bool { self == .weightGradient }
  var transposesB: Bool { self == .forward }

  /// The tiles of the report: along the contraction, and blocks of weights.
  var tiles: (ScaleTile, ScaleTile) {
    self == .weightGradient ? (.column, .column) : (.row, .block)
  }
}

/// How magnitudes of a test's operands spread.
enum Spread: CaseIterable {
  /// Even in −1..<1.
  case even
  /// Even in 0..<1: sums grow.
  case positive
  /// Over twenty powers of two, beyond what E4M3 holds at once: zeros and subnormals.
  case wide
  /// As `wide`, and each 100 terms another magnitude, so that scales vary.
  case drifting
}

/// Operands with a seed.
struct EmulatedOperands {
  let a: StoredMatrix
  let b: StoredMatrix
  let product: EmulatedProduct
  let (m, n, k): (Int, Int, Int)

  init(
    _ shape: LayerProduct, m: Int, n: Int, k: Int, tiles: (ScaleTile, ScaleTile)? = nil,
    kind: ScaleKind = .float, spread: Spread, seed: Int
  ) {
    var numbers = Numbers(seed: seed)
    func operand(_ outer: Int, _ transposed: Bool, _ tile: ScaleTile) -> StoredMatrix {
      let grid = Grid(outer, k) { _, term in
        let x = numbers.next()
        let power = spread == .even || spread == .positive ? 0 : Int(numbers.next() * 10)
        let drift = spread == .drifting ? term / 100 % 5 * 7 - 14 : 0
        let size = Double(sign: .plus, exponent: power + drift, significand: 1)
        return spread == .positive ? abs(x) : x * size
      }
      let matrix = Margined(transposed ? grid.transposed : grid).matrix
      return StoredMatrix(matrix, .e4m3(tile, kind), for: .emulation)
    }
    let tiles = tiles ?? shape.tiles
    a = operand(m, shape.transposesA, tiles.0)
    b = operand(n, !shape.transposesB, tiles.1)
    product = EmulatedProduct(a, shape.transposesA, b, shape.transposesB)
    (self.m, self.n, self.k) = (m, n, k)
  }

  /// Bits of both forms agree, and what lies beside C is untouched.
  func expectSameBits(_ rule: SumRule, adding: Bool = false, _ what: Comment) {
    let start = Grid(m, n) { adding ? Double($0 - $1) / 8 : .nan }
    let (fast, slow) = (Margined(start), Margined(start))
    product.apply(rule, into: fast.matrix, adding: adding)
    product.applyReference(rule, into: slow.matrix, adding: adding)
    var differences = 0
    for i in 0..<m {
      for j in 0..<n + 3 {
        let (x, y) = (fast.matrix.row(i)[j], slow.matrix.row(i)[j])
        if x.bitPattern != y.bitPattern && !(x.isNaN && y.isNaN) { differences += 1 }
      }
    }
    #expect(differences == 0, what)
  }
}

struct EmulatedProductTests {
  @Test(arguments: LayerProduct.allCases, Spread.allCases)
  func fastEqualsSlow(shape: LayerProduct, spread: Spread) {
    let sizes = [
      (1, 1, 0), (1, 1, 1), (2, 3, 31), (3, 32, 32), (5, 33, 127), (2, 31, 129), (3, 7, 300),
      (1, 65, 257), (2, 2, 1000),
    ]
    for (index, (m, n, k)) in sizes.enumerated() {
      for rule in [SumRule.tensorCore, .promoted] {
        for (kind, tiles) in [
          (ScaleKind.float, nil), (.powerOfTwo, nil), (.float, (ScaleTile.tensor, .tensor)),
          (.float, (.block, .tensor)),
        ] as [(ScaleKind, (ScaleTile, ScaleTile)?)] {
          let operands = EmulatedOperands(
            shape, m: m, n: n, k: k, tiles: tiles, kind: kind, spread: spread, seed: index)
          operands.expectSameBits(
            rule, adding: index % 2 == 1,
            "\(shape) \(spread) \(m) × \(n) × \(k) \(rule) \(kind) \(String(describing: tiles))")
        }
      }
    }
  }

  /// All 256 codes against all, NaN among them, and sums that reach 2²⁸.
  @Test func allCodesAndLongSums() {
    for (k, bytes) in [
      (256, { UInt8(truncatingIfNeeded: $0 * 7 + $1) }),
      (1500, { _, term in term % 3 == 2 ? 0xf9 : 0x7e }),
      (1500, { row, term in row == 1 ? 0x01 : 0x80 | UInt8(term & 1) }),
    ] as [(Int, (Int, Int) -> UInt8)] {
      let a = StoredMatrix(3, k, .e4m3(.tensor, .float), for: .emulation)
      for i in 0..<3 * k { a.codes[i] = bytes(i / k, i % k) }
      a.scales[0] = 0.37
      let product = EmulatedProduct(a, false, a, true)
      for rule in [SumRule.tensorCore, .promoted] {
        let (fast, slow) = (Tensor(3, 3), Tensor(3, 3))
        product.apply(rule, into: fast.matrix)
        product.applyReference(rule, into: slow.matrix)
        for (x, y) in zip(fast.array, slow.array) {
          #expect(x.bitPattern == y.bitPattern || x.isNaN && y.isNaN)
        }
      }
    }
  }

  /// The exact product against a triple loop over what the codes stand for.
  @Test(arguments: LayerProduct.allCases)
  func exactProductMatchesTripleLoop(shape: LayerProduct) {
    let operands = EmulatedOperands(shape, m: 7, n: 9, k: 300, spread: .drifting, seed: 5)
    let (a, b) = (operands.grid(operands.a), operands.grid(operands.b))
    let expected = (shape.transposesA ? a.transposed : a)
      .times(shape.transposesB ? b.transposed : b)
    let largest = expected.values.reduce(0) { max($0, abs($1)) }
    // Codes times scales are rounded to FP32 by `load`, 2⁻²⁴ each of a product.
    for (x, y) in zip(operands.product.exactRows(2..<5), expected.values[18..<45]) {
      #expect(abs(x - y) < 1e-6 * largest)
    }
  }

  /// FP32 sums are SGEMM over the dequantised operands. In the worst case an FP32 sum of k products
  /// errs by k · 2⁻²⁴ Σ |a b|; by chance it is a random walk: after t products the sum is about
  /// σ √t, and rounding adds up to 0.3 · 2⁻²³ of that, in all 0.3 · 2⁻²³ σ k / √2. Numbers even in
  /// −1..<1 have σ = 1/3 for their products and Σ |a b| = k / 4, so the error is 3.4e-8 of that sum
  /// whatever k is, and five times that in the worst of a thousand elements: 1.7e-7. So within 1e-6
  /// of the largest element of |A| |B|. (Of max |C|, 3 σ √k, it would be 1.3e-6 at k = 1000.)
  @Test(arguments: LayerProduct.allCases)
  func fp32SumsAreWithinAMillionth(shape: LayerProduct) {
    let operands = EmulatedOperands(shape, m: 24, n: 40, k: 1000, spread: .even, seed: 6)
    let (a, b) = (operands.grid(operands.a), operands.grid(operands.b))
    let expected = (shape.transposesA ? a.transposed : a)
      .times(shape.transposesB ? b.transposed : b)
    let largest =
      (shape.transposesA ? a.transposed : a).magnitudes
      .times((shape.transposesB ? b.transposed : b).magnitudes).values.max() ?? 0
    let c = Margined(Grid(24, 40) { _, _ in .nan })
    operands.product.apply(.fp32, into: c.matrix)
    var worst = 0.0
    for i in 0..<24 {
      for j in 0..<40 { worst = max(worst, abs(Double(c.matrix.row(i)[j]) - expected[i, j])) }
    }
    #expect(worst <= 1e-6 * largest)
  }
}

extension Grid {
  fileprivate var magnitudes: Grid { Grid(rows, columns) { abs(self[$0, $1]) } }
}

extension EmulatedOperands {
  fileprivate func grid(_ matrix: StoredMatrix) -> Grid {
    let values = matrix.load()
    return Grid(matrix.rows, matrix.columns) { Double(values.matrix.row($0)[$1]) }
  }
}
