// The three matrix products against triple loops in Double, over views with margins, with alpha and
// beta, and with dimensions of zero.

import Kernels
import Testing

struct ProductTests {
  /// Every (m, n, k) of a few sizes. fp32 sums of k ≤ 64 products below 1 are off by less than
  /// 64 · 2⁻²⁴ · 64 / 64; the tolerance of 1e-5 leaves room.
  @Test(arguments: [0, 1, 7, 9, 64], [0, 1, 8, 31])
  func productsMatchTripleLoops(m: Int, n: Int) {
    for k in [0, 1, 7, 8, 9, 31, 64] {
      var numbers = Numbers(seed: m * 10_000 + n * 100 + k)
      let (a, b, c) = (numbers.grid(m, k), numbers.grid(k, n), numbers.grid(m, n))
      for (alpha, beta) in [(1.0, 0.0), (0.5, 1.0), (-2.0, 0.25)] {
        let product = a.times(b)
        let expected = Grid(m, n) { alpha * product[$0, $1] + beta * c[$0, $1] }
        let (plain, right, left) = (Margined(c), Margined(c), Margined(c))
        multiply(
          Margined(a).matrix, Margined(b).matrix, into: plain.matrix, alpha: Float(alpha),
          beta: Float(beta))
        multiplyTransposed(
          Margined(a).matrix, Margined(b.transposed).matrix, into: right.matrix,
          alpha: Float(alpha), beta: Float(beta))
        transposedMultiply(
          Margined(a.transposed).matrix, Margined(b).matrix, into: left.matrix,
          alpha: Float(alpha), beta: Float(beta))
        plain.expect(expected, tolerance: 1e-5, "A B, k = \(k)")
        right.expect(expected, tolerance: 1e-5, "A Bᵀ, k = \(k)")
        left.expect(expected, tolerance: 1e-5, "Aᵀ B, k = \(k)")
      }
    }
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
