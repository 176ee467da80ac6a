// What all rules of summation approximate: the product of the quantised operands, in doubles.

internal import COpenBLAS

extension EmulatedProduct {
  /// Rows of op(A) · op(B), row by row, to about 2⁻⁵⁰ of Σ |a| |b|: products of codes are whole
  /// numbers of 2⁻¹⁸ up to 2¹⁸, of which 128 add up without rounding; only the scaled sums round.
  package func exactRows(_ rows: Range<Int>) -> [Double] {
    let (left, right) = (left, right)
    var result = [Double](repeating: 0, count: rows.count * n)
    var partial = result
    for chunk in 0..<(k + Self.chunk - 1) / Self.chunk {
      let terms = chunk * Self.chunk..<min((chunk + 1) * Self.chunk, k)
      let (a, b) = (left.doubles(rows, terms), right.doubles(0..<n, terms))
      cblas_dgemm(
        CblasRowMajor, CblasNoTrans, CblasTrans, blasint(rows.count), blasint(n),
        blasint(terms.count), 1, a, blasint(terms.count), b, blasint(terms.count), 0,
        &partial, blasint(max(n, 1)))
      let scales = (0..<n).map { Double(right.scale($0, chunk: chunk)) }
      for (i, row) in rows.enumerated() {
        let scale = Double(left.scale(row, chunk: chunk))
        for j in 0..<n { result[i * n + j] += partial[i * n + j] * (scale * scales[j]) }
      }
    }
    return result
  }
}

extension CodeOperand {
  /// Codes' numbers [outer, terms].
  fileprivate func doubles(_ outer: Range<Int>, _ terms: Range<Int>) -> [Double] {
    let values = CodeTable.e4m3.values
    var result: [Double] = []
    result.reserveCapacity(outer.count * terms.count)
    for i in outer { for term in terms { result.append(Double(values[Int(code(i, term))])) } }
    return result
  }
}
