// RMSNorm: y = x / rms(x) · w with rms(x) = sqrt(mean(x²) + ε). Forward, input gradient and
// weight gradient over rows.

/// y = x · inverse · w by rows; keeps 1 / rms of each row in `inverse` [rows].
package func rmsNorm(
  _ x: Matrix, weight: UnsafePointer<Float>, epsilon: Float, into y: Matrix,
  inverse: UnsafeMutablePointer<Float>
) {
  let columns = x.columns
  for row in 0..<x.rows {
    let source = x.row(row)
    let target = y.row(row)
    let mean = rowDot(source, source, columns) / Float(columns)
    let scale = 1 / (mean + epsilon).squareRoot()
    inverse[row] = scale
    var i = 0
    while i + 8 <= columns {
      target.store(source.vector(i) * scale * weight.vector(i), i)
      i += 8
    }
    while i < columns {
      target[i] = source[i] * scale * weight[i]
      i += 1
    }
  }
}

/// dx = inverse · (w·dy − x · inverse² · mean(w·dy·x)), plus `residual` where one is given (it may
/// be `dx` itself).
package func rmsNormInputGradient(
  _ dy: Matrix, x: Matrix, weight: UnsafePointer<Float>, inverse: UnsafePointer<Float>,
  into dx: Matrix, residual: Matrix? = nil
) {
  let columns = x.columns
  for row in 0..<x.rows {
    let gradient = dy.row(row)
    let source = x.row(row)
    let target = dx.row(row)
    let skipped = residual?.row(row)
    var lanes = Vector(repeating: 0)
    var i = 0
    while i + 8 <= columns {
      lanes = multiplyAdd(gradient.vector(i) * weight.vector(i), source.vector(i), lanes)
      i += 8
    }
    var dot = laneSum(lanes)
    while i < columns {
      dot += gradient[i] * weight[i] * source[i]
      i += 1
    }
    let scale = inverse[row]
    let factor = dot / Float(columns) * scale * scale * scale
    i = 0
    while i + 8 <= columns {
      var value = gradient.vector(i) * weight.vector(i) * scale - source.vector(i) * factor
      if let skipped { value += skipped.vector(i) }
      target.store(value, i)
      i += 8
    }
    while i < columns {
      let value = gradient[i] * weight[i] * scale - source[i] * factor
      target[i] = skipped.map { $0[i] + value } ?? value
      i += 1
    }
  }
}

/// dw += Σ over rows of dy · x · inverse.
package func rmsNormWeightGradient(
  _ dy: Matrix, x: Matrix, inverse: UnsafePointer<Float>, into dw: UnsafeMutablePointer<Float>
) {
  let columns = x.columns
  for row in 0..<x.rows {
    let gradient = dy.row(row)
    let source = x.row(row)
    let scale = inverse[row]
    var i = 0
    while i + 8 <= columns {
      dw.store(multiplyAdd(gradient.vector(i) * scale, source.vector(i), dw.vector(i)), i)
      i += 8
    }
    while i < columns {
      dw[i] += gradient[i] * scale * source[i]
      i += 1
    }
  }
}

/// Σ a·b over `count` floats, four vectors in flight, summed in a fixed order.
@inline(__always)
package func rowDot(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ count: Int) -> Float {
  var s0 = Vector(repeating: 0)
  var s1 = Vector(repeating: 0)
  var i = 0
  while i + 16 <= count {
    s0 = multiplyAdd(a.vector(i), b.vector(i), s0)
    s1 = multiplyAdd(a.vector(i + 8), b.vector(i + 8), s1)
    i += 16
  }
  if i + 8 <= count {
    s0 = multiplyAdd(a.vector(i), b.vector(i), s0)
    i += 8
  }
  var sum = laneSum(s0 + s1)
  while i < count {
    sum += a[i] * b[i]
    i += 1
  }
  return sum
}
