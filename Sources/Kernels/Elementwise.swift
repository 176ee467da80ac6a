// Elementwise kernels over contiguous floats and over rows: adding, scaling, gathering,
// scattering, and sums of squares.

/// y += x.
package func add(_ x: UnsafePointer<Float>, to y: UnsafeMutablePointer<Float>, count: Int) {
  var i = 0
  while i + 8 <= count {
    y.store(y.vector(i) + x.vector(i), i)
    i += 8
  }
  while i < count {
    y[i] += x[i]
    i += 1
  }
}

/// y += x for views of the same shape.
package func add(_ x: Matrix, to y: Matrix) {
  precondition(x.rows == y.rows && x.columns == y.columns, "shapes differ")
  for row in 0..<x.rows { add(x.row(row), to: y.row(row), count: x.columns) }
}

/// y = x for views of the same shape.
package func copy(_ x: Matrix, to y: Matrix) {
  precondition(x.rows == y.rows && x.columns == y.columns, "shapes differ")
  for row in 0..<x.rows { y.row(row).update(from: x.row(row), count: x.columns) }
}

package func scale(_ x: UnsafeMutablePointer<Float>, by factor: Float, count: Int) {
  for i in 0..<count { x[i] *= factor }
}

/// Σ x², in double precision over blocks of 4096 summed in fp32 lanes.
package func sumOfSquares(_ x: UnsafePointer<Float>, count: Int) -> Double {
  var total = 0.0
  var start = 0
  while start < count {
    let end = Swift.min(start + 4096, count)
    var lanes = Vector(repeating: 0)
    var others = Vector(repeating: 0)
    var i = start
    while i + 16 <= end {
      lanes = multiplyAdd(x.vector(i), x.vector(i), lanes)
      others = multiplyAdd(x.vector(i + 8), x.vector(i + 8), others)
      i += 16
    }
    var sum = laneSum(lanes + others)
    while i < end {
      sum += x[i] * x[i]
      i += 1
    }
    total += Double(sum)
    start = end
  }
  return total
}

/// Row i of `destination` = row `indices[i]` of `source`.
package func gatherRows(_ source: Matrix, _ indices: ArraySlice<Int32>, into destination: Matrix) {
  var row = 0
  for index in indices {
    destination.row(row).update(from: source.row(Int(index)), count: source.columns)
    row += 1
  }
}

/// Row `indices[i]` of `destination` += row i of `source`, in the order of `indices`.
package func scatterAddRows(
  _ source: Matrix, _ indices: ArraySlice<Int32>, into destination: Matrix
) {
  var row = 0
  for index in indices {
    add(source.row(row), to: destination.row(Int(index)), count: source.columns)
    row += 1
  }
}

/// x = 1 / (1 + e⁻ˣ).
package func sigmoidInPlace(_ x: Matrix) {
  for index in 0..<x.rows {
    let row = x.row(index)
    var i = 0
    while i + 8 <= x.columns {
      row.store(sigmoid(row.vector(i)), i)
      i += 8
    }
    if i < x.columns {
      let rest = x.columns - i
      row.storeTail(sigmoid(row.tail(i, rest)), i, rest)
    }
  }
}
