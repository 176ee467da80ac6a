// The three matrix products against triple loops in Double, over views with margins, with alpha and
// beta, and with dimensions of zero.

import Kernels
import Testing

struct ProductTests {
  /// Every (m, n, k) of a few sizes. fp32 sums of k ≤ 64 products below 1 are off by less than
  /// 64 · 2⁻²⁴ · 64 / 64; the tolerance of 1e-5 leaves room.
  /// alpha A B + beta C by all three kinds of product, over what C's memory holds at the start.
  private func expectProducts(
    _ a: Grid, _ b: Grid, alpha: Double, beta: Double, from c: Grid, onto start: Grid
  ) {
    let product = a.times(b)
    let expected = Grid(c.rows, c.columns) { alpha * product[$0, $1] + beta * c[$0, $1] }
    let (plain, right, left) = (Margined(start), Margined(start), Margined(start))
    multiply(
      Margined(a).matrix, Margined(b).matrix, into: plain.matrix, alpha: Float(alpha),
      beta: Float(beta))
    multiplyTransposed(
      Margined(a).matrix, Margined(b.transposed).matrix, into: right.matrix,
      alpha: Float(alpha), beta: Float(beta))
    transposedMultiply(
      Margined(a.transposed).matrix, Margined(b).matrix, into: left.matrix,
      alpha: Float(alpha), beta: Float(beta))
    plain.expect(expected, tolerance: 1e-5, "A B, k = \(a.columns), beta = \(beta)")
    right.expect(expected, tolerance: 1e-5, "A Bᵀ, k = \(a.columns), beta = \(beta)")
    left.expect(expected, tolerance: 1e-5, "Aᵀ B, k = \(a.columns), beta = \(beta)")
  }

  @Test(arguments: [0, 1, 7, 9, 64], [0, 1, 8, 31])
  func productsMatchTripleLoops(m: Int, n: Int) {
    for k in [0, 1, 7, 8, 9, 31, 64] {
      var numbers = Numbers(seed: m * 10_000 + n * 100 + k)
      let (a, b, c) = (numbers.grid(m, k), numbers.grid(k, n), numbers.grid(m, n))
      for (alpha, beta) in [(1.0, 0.0), (0.5, 1.0), (-2.0, 0.25)] {
        expectProducts(a, b, alpha: alpha, beta: beta, from: c, onto: c)
      }
    }
  }

  /// Products large enough to be cut into tiles (64 columns, 128 terms, a million multiplications),
  /// with pieces left over in each direction, and one whose sums are too long for that. An fp32 sum
  /// of k products below 1 is off by about √k · 2⁻²⁴ · its size, itself about √k / 3.
  @Test(arguments: [
    (300, 70, 200), (23, 130, 400), (25, 65, 129), (129, 64, 257), (17, 256, 300), (40, 48, 1025),
  ])
  func largeProductsMatchTripleLoops(m: Int, n: Int, k: Int) {
    var numbers = Numbers(seed: m + n + k)
    let (a, b, c) = (numbers.grid(m, k), numbers.grid(k, n), numbers.grid(m, n))
    for (alpha, beta) in [(1.0, 0.0), (1.0, 1.0), (-2.0, 0.25)] {
      // Where C isn't read it may hold anything.
      let start = beta == 0 ? Grid(m, n) { _, _ in .nan } : c
      expectProducts(a, b, alpha: alpha, beta: beta, from: c, onto: start)
    }
  }

  /// Sizes with and without a rest beside the eight by eight pieces.
  @Test(arguments: oddSizes, oddSizes)
  func transposingSwapsRowsAndColumns(rows: Int, columns: Int) {
    var numbers = Numbers(seed: rows * 100 + columns)
    let source = numbers.grid(rows, columns)
    let target = Margined(Grid(columns, rows))
    transpose(Margined(source).matrix, into: target.matrix)
    target.expect(source.transposed, tolerance: 0)
  }

  /// beta 0 must not read the target: what it held may be NaN from an earlier tensor.
  @Test func productsWithBetaZeroOverwriteNaN() {
    for k in [0, 1, 9] {
      var numbers = Numbers(seed: k)
      let (a, b) = (numbers.grid(5, k), numbers.grid(k, 6))
      let target = Margined(Grid(5, 6) { _, _ in .nan })
      multiply(Margined(a).matrix, Margined(b).matrix, into: target.matrix)
      target.expect(a.times(b), "k = \(k)")
    }
  }
}
