// Softmax kernels against their definitions in Double: causal probabilities and their log-sum-exp,
// the score gradient and cross-entropy by finite differences.

import Glibc
import Kernels
import Testing

/// softmax(scale · row) over the first `first + row + 1` columns, zeros after.
private func causal(_ scores: Grid, first: Int, scale: Double) -> (p: Grid, logSum: [Double]) {
  var p = Grid(scores.rows, scores.columns)
  var logSum: [Double] = []
  for row in 0..<scores.rows {
    let sum = (0...(first + row)).reduce(0) { $0 + exp(scale * scores[row, $1]) }
    for k in 0...(first + row) { p[row, k] = exp(scale * scores[row, k]) / sum }
    logSum.append(log(sum))
  }
  return (p, logSum)
}

/// Σ over rows of −ln softmax(row)[target]; rows with a negative target count nothing.
private func loss(_ logits: Grid, _ targets: [Int32]) -> Double {
  (0..<logits.rows).reduce(0) { total, row in
    if targets[row] < 0 { return total }
    let sum = (0..<logits.columns).reduce(0) { $0 + exp(logits[row, $1]) }
    return total + log(sum) - logits[row, Int(targets[row])]
  }
}

struct SoftmaxTests {
  @Test(arguments: [0, 1, 7, 9, 33], [0, 1, 8, 31])
  func causalProbabilitiesMatchTheirDefinition(rows: Int, first: Int) {
    var numbers = Numbers(seed: rows * 100 + first)
    var scores = numbers.grid(rows, first + rows)
    for i in scores.values.indices { scores.values[i] *= 8 }
    let (p, logSum) = causal(scores, first: first, scale: 0.75)
    let kept = floats(rows)
    let result = Margined(scores)
    causalSoftmax(result.matrix, first: first, scale: 0.75, logSum: kept)
    result.expect(p, tolerance: 1e-6)
    for i in 0..<rows { #expect(abs(Double(kept[i]) - logSum[i]) <= 2e-6) }
    let again = Margined(scores)
    causalSoftmaxAgain(again.matrix, first: first, scale: 0.75, logSum: kept)
    again.expect(p, tolerance: 2e-6)
  }

  /// Scores of ±30,000 would overflow without the shift by the row's largest.
  @Test func largeScoresGiveOneHotRows() {
    let scores = Grid(3, 12) { row, column in column == row ? 30_000 : -30_000 }
    let result = Margined(scores)
    causalSoftmax(result.matrix, first: 9, scale: 1, logSum: floats(3))
    result.expect(Grid(3, 12) { row, column in column == row ? 1 : 0 })
  }

  @Test(arguments: [1, 7, 9], [0, 8])
  func scoreGradientMatchesFiniteDifferences(rows: Int, first: Int) {
    var numbers = Numbers(seed: rows * 100 + first)
    let scores = numbers.grid(rows, first + rows)
    let dP = numbers.grid(rows, first + rows)
    let scale = 0.75
    let p = causal(scores, first: first, scale: scale).p
    // delta = ⟨dO, O⟩ = Σ over columns of P · dP, as O = P V and dP = dO Vᵀ.
    let delta = (0..<rows).map { i in (0..<p.columns).reduce(0) { $0 + p[i, $1] * dP[i, $1] } }
    let result = Margined(dP)
    softmaxGradient(
      Margined(p).matrix, result.matrix, delta: floats(delta), scale: Float(scale))
    let expected = finiteDifferences(scores) { dot(causal($0, first: first, scale: scale).p, dP) }
    result.expect(expected, tolerance: 1e-6)
  }

  @Test(arguments: [0, 1, 4], [1, 7, 8, 9, 16, 31, 64])
  func crossEntropyMatchesItsDefinitionAndFiniteDifferences(rows: Int, vocabulary: Int) {
    var numbers = Numbers(seed: rows * 100 + vocabulary)
    var logits = numbers.grid(rows, vocabulary)
    for i in logits.values.indices { logits.values[i] *= 4 }
    // The last row of several is ignored.
    let targets = (0..<rows).map { $0 == 3 ? -1 : Int32($0 * 5 % vocabulary) }
    let expected = loss(logits, targets)
    let result = Margined(logits)
    #expect(
      abs(crossEntropy(result.matrix, targets: targets, gradientScale: nil) - expected) < 1e-5)
    result.expect(logits, tolerance: 0, "without a gradient the logits stay")
    #expect(
      abs(crossEntropy(result.matrix, targets: targets, gradientScale: 0.5) - expected) < 1e-5)
    let gradient = finiteDifferences(logits) { 0.5 * loss($0, targets) }
    result.expect(gradient, tolerance: 1e-6)
  }

  /// ln Σ = 10⁴ for one huge logit: the loss is 0 for it and 10⁴ for another.
  @Test func crossEntropyOfHugeLogitsIsFinite() {
    let logits = Grid(2, 9) { _, column in column == 4 ? 10_000 : 0 }
    let sum = crossEntropy(Margined(logits).matrix, targets: [4, 0], gradientScale: 1)
    #expect(sum == 10_000)
  }
}
