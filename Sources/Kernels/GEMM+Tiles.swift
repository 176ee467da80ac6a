// Matrix products cut into tiles that OpenBLAS multiplies as they lie. Its kernels for AVX-512 have
// a path for products of up to a million multiplications that neither packs operands nor clears C
// first; for operands of a few hundred rows and columns that is a fifth of the time. That path is
// slow where B is transposed, so a strip of it is laid out the other way first.

enum ProductTiles {
  /// Multiplications of a product that OpenBLAS still takes as small (its interface's
  /// `gemm_small_matrix_permit` for Skylake-X and its successors).
  static let smallProduct = 1_000_000
  /// Columns of a tile of C: four AVX-512 registers.
  static let columns = 64
  /// Terms of a tile's sums: a strip of B of 64 columns takes 32 KiB.
  static let depth = 128
  /// Where sums are longer, packing is paid back, and strips wouldn't stay in the cache.
  static let longestSum = 1024
  /// Rows of C from which transposing B is paid back.
  static let fewestRows = 24

  /// Whether OpenBLAS has that path here: it chose kernels with AVX-512.
  static let areFaster = ["SkylakeX", "Cooperlake", "SapphireRapids"].contains(BLAS.coreName)

  /// Whether C [m, n] with sums of k terms is cut into tiles.
  @inline(__always)
  static func apply(_ m: Int, _ n: Int, _ k: Int, transposeB: Bool) -> Bool {
    guard areFaster && k <= longestSum else { return false }
    return transposeB ? m >= fewestRows : m * n * k > smallProduct
  }

  /// Cuts `count` into the fewest equal pieces of at most `most`, in multiples of eight.
  static func pieces(_ count: Int, atMost most: Int) -> [Range<Int>] {
    let number = (count + most - 1) / most
    let size = ((count + number - 1) / number + 7) & ~7
    return stride(from: 0, to: count, by: size).map { $0..<min($0 + size, count) }
  }

  /// Rows of C in a tile of `columns` columns with sums of `terms` terms.
  static func rows(_ columns: Int, _ terms: Int) -> Int {
    max(smallProduct / (columns * terms) & ~7, 8)
  }
}

/// C = alpha · A · op(B) + beta · C by tiles: a strip of B at a time, transposed where it must be.
func multiplyByStrips(
  _ a: Matrix, _ b: Matrix, transposeB: Bool, into c: Matrix, alpha: Float, beta: Float
) {
  let depths = ProductTiles.pieces(a.columns, atMost: ProductTiles.depth)
  let rowPieces = ProductTiles.pieces(
    c.rows,
    atMost: ProductTiles.rows(min(c.columns, ProductTiles.columns), depths[0].count))
  // No GPU's product copies an operand.
  let panel =
    transposeB
    ? Tensor(depths[0].count, min(c.columns, ProductTiles.columns), for: .emulation) : nil
  for start in stride(from: 0, to: c.columns, by: ProductTiles.columns) {
    let columns = start..<min(start + ProductTiles.columns, c.columns)
    for terms in depths {
      let strip: Matrix
      if let panel {
        strip = Matrix(panel.base, terms.count, columns.count)
        transpose(b.rows(columns).columns(terms), into: strip)
      } else {
        strip = b.rows(terms).columns(columns)
      }
      for rows in rowPieces {
        blasMultiply(
          a.rows(rows).columns(terms), false, strip, false, into: c.rows(rows).columns(columns),
          alpha: alpha, beta: terms.lowerBound == 0 ? beta : 1)
      }
    }
  }
}

/// C = alpha · Aᵀ · B + beta · C by tiles, A as it lies: transposing it costs more than its kernel
/// loses.
func transposedMultiplyByTiles(
  _ a: Matrix, _ b: Matrix, into c: Matrix, alpha: Float, beta: Float
) {
  let depths = ProductTiles.pieces(a.rows, atMost: ProductTiles.depth)
  let rowPieces = ProductTiles.pieces(
    c.rows,
    atMost: ProductTiles.rows(min(c.columns, ProductTiles.columns), depths[0].count))
  for rows in rowPieces {
    for terms in depths {
      for start in stride(from: 0, to: c.columns, by: ProductTiles.columns) {
        let columns = start..<min(start + ProductTiles.columns, c.columns)
        blasMultiply(
          a.rows(terms).columns(rows), true, b.rows(terms).columns(columns), false,
          into: c.rows(rows).columns(columns), alpha: alpha,
          beta: terms.lowerBound == 0 ? beta : 1)
      }
    }
  }
}
