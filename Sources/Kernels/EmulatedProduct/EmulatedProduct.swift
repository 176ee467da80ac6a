// Products of FP8 matrices with the sums that a GPU would get (report section 3.3.2): exact FP32,
// Hopper's tensor core with its 14 bits, or the report's remedy, a move to FP32 every 128 products.
//
// The tensor core, as MMA-Sim found it on an H100 (arXiv 2511.10909; 13 fractional bits
// and a sum of 8 exponent and 13 mantissa bits) and as the report describes it. A group of 32
// products and the sum so far, c, make the next sum:
//
//   1. A product's exponent is that of its factors together, e(a) + e(b), its significand theirs
//      multiplied, in [1, 4) unless a factor is subnormal; subnormals have exponent −6. E is the
//      largest exponent of a product that isn't zero, and of c.
//   2. Each product and c is cut to a whole number of 2^(E − 13), towards zero.
//   3. These whole numbers are added exactly.
//   4. The sum is cut to 14 significant bits, towards zero: the next c.
//
// Groups follow each other along the contraction from c = 0; the last may be short. NaN in, NaN
// out. With one scale for each operand they multiply the last c, in FP32, that of A first.
// `promoted` does the same every 128 products, with the scales that hold there, and adds in FP32.
//
// A sum that stays in the tensor core while scales change has no counterpart in hardware without
// scaling. Here each product carries s = a's scale · b's, rounded to FP32, as a third factor: its
// exponent counts in step 1 (E at least −100, which keeps the units normal), and step 2 takes
// trunc(product · (s · 2^(13 − E))), both multiplications in FP32. With scales that are powers of
// two that is the rule above for operands of wider exponents, exactly.

/// How the products of an FP8 GEMM are summed.
package enum SumRule: Hashable, Sendable, CaseIterable {
  /// SGEMM over the dequantised operands.
  case fp32
  /// The tensor core alone.
  case tensorCore
  /// The tensor core for 128 products at a time, FP32 for the rest.
  case promoted
}

/// C [m, n] = A [m, k] · Bᵀ, B [n, k]: a linear layer's forward, Y = X Wᵀ.
///
/// In all three shapes: A and B are E4M3 (anything, for `fp32`) whose scales, other than for
/// `fp32`, are the same for 128 terms of k from each multiple of 128; that is, tiles lie along the
/// contraction, or are blocks, or there is one scale.
/// - Parameter adding: whether the product is added to C, in FP32, or replaces it.
package func multiplyTransposed(
  _ a: StoredMatrix, _ b: StoredMatrix, into c: Matrix, sums: SumRule, adding: Bool = false
) {
  EmulatedProduct(a, false, b, true).apply(sums, into: c, adding: adding)
}

/// C [m, n] = A [m, k] · B [k, n]: a linear layer's input gradient, dX = dY W.
package func multiply(
  _ a: StoredMatrix, _ b: StoredMatrix, into c: Matrix, sums: SumRule, adding: Bool = false
) {
  EmulatedProduct(a, false, b, false).apply(sums, into: c, adding: adding)
}

/// C [m, n] = Aᵀ · B, A [k, m], B [k, n]: a linear layer's weight gradient, dW = dYᵀ X.
package func transposedMultiply(
  _ a: StoredMatrix, _ b: StoredMatrix, into c: Matrix, sums: SumRule, adding: Bool = false
) {
  EmulatedProduct(a, true, b, false).apply(sums, into: c, adding: adding)
}

/// op(A) [m, k] · op(B) [k, n].
package struct EmulatedProduct {
  /// Products that the tensor core adds at once.
  static let group = 32
  /// Products after which `promoted` moves the sum.
  static let chunk = 128

  let a: StoredMatrix
  let b: StoredMatrix
  let transposeA: Bool
  let transposeB: Bool
  /// Rows of op(A), columns of op(B), and terms of a sum.
  let (m, n, k): (Int, Int, Int)

  package init(
    _ a: StoredMatrix, _ transposeA: Bool, _ b: StoredMatrix, _ transposeB: Bool
  ) {
    (self.a, self.transposeA, self.b, self.transposeB) = (a, transposeA, b, transposeB)
    (m, k) = transposeA ? (a.columns, a.rows) : (a.rows, a.columns)
    n = transposeB ? b.rows : b.columns
    precondition((transposeB ? b.columns : b.rows) == k, "matrix shapes do not chain")
  }

  package func apply(_ rule: SumRule, into c: Matrix, adding: Bool = false) {
    precondition(c.rows == m && c.columns == n, "matrix shapes do not chain")
    guard rule == .fp32 else { return applyTensorCore(rule, into: c, adding: adding) }
    let (a, b) = (a.load(), b.load())
    let beta: Float = adding ? 1 : 0
    switch (transposeA, transposeB) {
    case (false, true): multiplyTransposed(a.matrix, b.matrix, into: c, beta: beta)
    case (false, false): multiply(a.matrix, b.matrix, into: c, beta: beta)
    case (true, false): transposedMultiply(a.matrix, b.matrix, into: c, beta: beta)
    case (true, true): preconditionFailure("no layer multiplies two transposed matrices")
    }
  }

  var left: CodeOperand { CodeOperand(a, outerIsRow: !transposeA) }
  var right: CodeOperand { CodeOperand(b, outerIsRow: transposeB) }

  /// Whether the scales stand outside of the whole sum.
  var hasOneScale: Bool { k <= Self.chunk || left.scaleIsConstant && right.scaleIsConstant }
}
