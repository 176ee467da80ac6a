// Matrix products through OpenBLAS. One thread a rank; the three shapes a linear layer needs.

internal import COpenBLAS

package enum BLAS {
  /// One thread for this process: a rank is one GPU, and thread pools of 16 ranks would fight.
  package static func useOneThread() {
    openblas_set_num_threads(1)
    _ = workspace
  }

  /// The kernel set OpenBLAS chose for this CPU, e.g. "SkylakeX".
  package static var coreName: String { String(cString: openblas_get_corename()) }

  /// C [m, n] = A [m, k] · Bᵀ in one call of the library, what a benchmark calls its SGEMM.
  package static func multiplyTransposed(_ a: Matrix, _ b: Matrix, into c: Matrix) {
    blasMultiply(a, false, b, true, into: c, alpha: 1, beta: 0)
  }
}

/// C = alpha · op(A) · op(B) + beta · C. Shapes after `op`: [m, k] · [k, n] into [m, n].
@inline(__always)
private func multiply(
  _ a: Matrix, _ transposeA: Bool, _ b: Matrix, _ transposeB: Bool, into c: Matrix,
  alpha: Float, beta: Float
) {
  let k = transposeA ? a.rows : a.columns
  precondition(
    (transposeA ? a.columns : a.rows) == c.rows && (transposeB ? b.rows : b.columns) == c.columns
      && (transposeB ? b.columns : b.rows) == k, "matrix shapes do not chain")
  if c.rows == 0 || c.columns == 0 { return }
  if k == 0 {
    for r in 0..<c.rows {
      if beta == 0 {
        c.row(r).update(repeating: 0, count: c.columns)
      } else if beta != 1 {
        scale(c.row(r), by: beta, count: c.columns)
      }
    }
    return
  }
  if ProductTiles.apply(c.rows, c.columns, k, transposeB: transposeB) {
    if transposeA {
      transposedMultiplyByTiles(a, b, into: c, alpha: alpha, beta: beta)
    } else {
      multiplyByStrips(a, b, transposeB: transposeB, into: c, alpha: alpha, beta: beta)
    }
    return
  }
  blasMultiply(a, transposeA, b, transposeB, into: c, alpha: alpha, beta: beta)
}

/// One call of OpenBLAS.
@inline(__always)
func blasMultiply(
  _ a: Matrix, _ transposeA: Bool, _ b: Matrix, _ transposeB: Bool, into c: Matrix,
  alpha: Float, beta: Float
) {
  let k = transposeA ? a.rows : a.columns
  cblas_sgemm(
    CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans, transposeB ? CblasTrans : CblasNoTrans,
    blasint(c.rows), blasint(c.columns), blasint(k), alpha, a.base, blasint(a.stride),
    b.base, blasint(b.stride), beta, c.base, blasint(c.stride))
}

/// C [m, n] = alpha · A [m, k] · Bᵀ, B [n, k]: a linear layer's forward, Y = X Wᵀ.
package func multiplyTransposed(
  _ a: Matrix, _ b: Matrix, into c: Matrix, alpha: Float = 1, beta: Float = 0
) {
  multiply(a, false, b, true, into: c, alpha: alpha, beta: beta)
}

/// C [m, n] = alpha · A [m, k] · B [k, n]: a linear layer's input gradient, dX = dY W.
package func multiply(
  _ a: Matrix, _ b: Matrix, into c: Matrix, alpha: Float = 1, beta: Float = 0
) {
  multiply(a, false, b, false, into: c, alpha: alpha, beta: beta)
}

/// C [m, n] = alpha · Aᵀ · B, A [k, m], B [k, n]: a linear layer's weight gradient, dW = dYᵀ X.
package func transposedMultiply(
  _ a: Matrix, _ b: Matrix, into c: Matrix, alpha: Float = 1, beta: Float = 0
) {
  multiply(a, true, b, false, into: c, alpha: alpha, beta: beta)
}
