// Rows of a softmax: causal attention probabilities with their log-sum-exp, the attention's score
// gradient, and cross-entropy over a vocabulary.

internal import Glibc

/// Row i of `scores` [rows, columns] becomes softmax(scale · row) over its first
/// `first + i + 1` columns, zeros after them. Keeps max + ln Σ in `logSum` [rows].
package func causalSoftmax(
  _ scores: Matrix, first: Int, scale: Float, logSum: UnsafeMutablePointer<Float>
) {
  for i in 0..<scores.rows {
    let row = scores.row(i)
    let length = first + i + 1
    let top = rowMax(row, length) * scale
    let sum = exponentiate(row, length, scale: scale, shift: top)
    let inverse = 1 / sum
    var k = 0
    while k + 8 <= length {
      row.store(row.vector(k) * inverse, k)
      k += 8
    }
    while k < length {
      row[k] *= inverse
      k += 1
    }
    (row + length).update(repeating: 0, count: scores.columns - length)
    logSum[i] = top + log(sum)
  }
}

/// The same probabilities again from kept `logSum`: row = e^(scale · row − logSum).
package func causalSoftmaxAgain(
  _ scores: Matrix, first: Int, scale: Float, logSum: UnsafePointer<Float>
) {
  for i in 0..<scores.rows {
    let row = scores.row(i)
    let length = first + i + 1
    _ = exponentiate(row, length, scale: scale, shift: logSum[i])
    (row + length).update(repeating: 0, count: scores.columns - length)
  }
}

/// dS = P · (dP − delta) · scale, into `dP`; `delta[i]` = ⟨dO, O⟩ of the row.
package func softmaxGradient(
  _ p: Matrix, _ dP: Matrix, delta: UnsafePointer<Float>, scale: Float
) {
  for i in 0..<p.rows {
    let probabilities = p.row(i)
    let row = dP.row(i)
    let shift = delta[i]
    var k = 0
    while k + 8 <= p.columns {
      row.store(probabilities.vector(k) * (row.vector(k) - shift) * scale, k)
      k += 8
    }
    while k < p.columns {
      row[k] = probabilities[k] * (row[k] - shift) * scale
      k += 1
    }
  }
}

/// Cross-entropy of each row of `logits` [rows, vocabulary] against `targets` [rows]; a negative
/// target is ignored. Returns the sum over rows; with `gradientScale`, overwrites the logits with
/// (softmax − one-hot) · gradientScale.
package func crossEntropy(
  _ logits: Matrix, targets: UnsafePointer<Int32>, gradientScale: Float?
) -> Double {
  var total = 0.0
  for i in 0..<logits.rows {
    let row = logits.row(i)
    let target = Int(targets[i])
    if target < 0 {
      if gradientScale != nil { row.update(repeating: 0, count: logits.columns) }
      continue
    }
    precondition(target < logits.columns, "a target token is outside the vocabulary")
    let top = rowMax(row, logits.columns)
    let wanted = row[target]
    if let gradientScale {
      let sum = exponentiate(row, logits.columns, scale: 1, shift: top)
      total += Double(log(sum) + top - wanted)
      let factor = gradientScale / sum
      var k = 0
      while k + 8 <= logits.columns {
        row.store(row.vector(k) * factor, k)
        k += 8
      }
      while k < logits.columns {
        row[k] *= factor
        k += 1
      }
      row[target] -= gradientScale
    } else {
      total += Double(log(exponentialSum(row, logits.columns, shift: top)) + top - wanted)
    }
  }
  return total
}

@inline(__always)
private func rowMax(_ row: UnsafeMutablePointer<Float>, _ count: Int) -> Float {
  var lanes = Vector(repeating: -.infinity)
  var others = lanes
  var k = 0
  while k + 16 <= count {
    lanes = larger(lanes, row.vector(k))
    others = larger(others, row.vector(k + 8))
    k += 16
  }
  lanes = larger(lanes, others)
  if k + 8 <= count {
    lanes = larger(lanes, row.vector(k))
    k += 8
  }
  if k < count { lanes = larger(lanes, row.tail(k, count - k, padding: -.infinity)) }
  return laneMax(lanes)
}

/// row = e^(scale · row − shift); returns the sum.
@inline(__always)
private func exponentiate(
  _ row: UnsafeMutablePointer<Float>, _ count: Int, scale: Float, shift: Float
) -> Float {
  var lanes = Vector(repeating: 0)
  var k = 0
  while k + 8 <= count {
    let value = exponential(row.vector(k) * scale - shift)
    lanes += value
    row.store(value, k)
    k += 8
  }
  var sum = laneSum(lanes)
  if k < count {
    let value = exponential(row.tail(k, count - k) * scale - shift)
    for lane in 0..<(count - k) { sum += value[lane] }
    row.storeTail(value, k, count - k)
  }
  return sum
}

@inline(__always)
private func exponentialSum(
  _ row: UnsafeMutablePointer<Float>, _ count: Int, shift: Float
) -> Float {
  var lanes = Vector(repeating: 0)
  var k = 0
  while k + 8 <= count {
    lanes += exponential(row.vector(k) - shift)
    k += 8
  }
  var sum = laneSum(lanes)
  if k < count {
    let value = exponential(row.tail(k, count - k) - shift)
    for lane in 0..<(count - k) { sum += value[lane] }
  }
  return sum
}
