// Transposing a view, eight by eight elements at a time: what turns a matrix product into the order
// of operands that OpenBLAS multiplies without packing (GEMM+Tiles.swift).

internal import CSystem

/// target [columns, rows] = sourceᵀ, source [rows, columns].
package func transpose(_ source: Matrix, into target: Matrix) {
  precondition(
    source.rows == target.columns && source.columns == target.rows, "shapes are each other's")
  let wholeRows = source.rows & ~7
  let wholeColumns = source.columns & ~7
  var row = 0
  while row < wholeRows {
    let from = source.row(row)
    var column = 0
    while column < wholeColumns {
      dsv3_transpose_eight(
        from + column, source.stride, target.row(column) + row, target.stride)
      column += 8
    }
    row += 8
  }
  for row in 0..<source.rows {
    for column in (row < wholeRows ? wholeColumns : 0)..<source.columns {
      target.row(column)[row] = source.row(row)[column]
    }
  }
}
