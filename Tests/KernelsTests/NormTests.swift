// RMSNorm against its definition in Double; gradients against finite differences of it.

import Kernels
import Testing

private let epsilon = 1e-3

/// x / sqrt(mean(x²) + ε) · w by rows.
private func reference(_ x: Grid, _ w: [Double]) -> Grid {
  Grid(x.rows, x.columns) { row, column in
    let mean = (0..<x.columns).reduce(0) { $0 + x[row, $1] * x[row, $1] } / Double(x.columns)
    return x[row, column] / (mean + epsilon).squareRoot() * w[column]
  }
}

struct NormTests {
  @Test(arguments: [0, 1, 3], oddSizes)
  func normsMatchTheirDefinition(rows: Int, columns: Int) {
    var numbers = Numbers(seed: rows * 100 + columns)
    let x = numbers.grid(rows, columns)
    let weight = numbers.grid(1, columns).values
    let inverse = floats(rows)
    let y = Margined(numbers.grid(rows, columns))
    rmsNorm(
      Margined(x).matrix, weight: floats(weight), epsilon: Float(epsilon), into: y.matrix,
      inverse: inverse)
    y.expect(reference(x, weight))
    for i in 0..<rows where columns > 0 {
      let mean = (0..<columns).reduce(0) { $0 + x[i, $1] * x[i, $1] } / Double(columns)
      let expected = 1 / (mean + epsilon).squareRoot()
      #expect(abs(Double(inverse[i]) - expected) <= 1e-6 * expected)
    }
  }

  @Test(arguments: [1, 3], [1, 7, 8, 9, 31, 64])
  func gradientsMatchFiniteDifferences(rows: Int, columns: Int) {
    var numbers = Numbers(seed: rows * 100 + columns)
    let (x, dy) = (numbers.grid(rows, columns), numbers.grid(rows, columns))
    let (weight, residual) = (numbers.grid(1, columns), numbers.grid(rows, columns))
    let inverse = floats(rows)
    let (source, gradient) = (Margined(x), Margined(dy))
    let weights = floats(weight.values)
    rmsNorm(
      source.matrix, weight: weights, epsilon: Float(epsilon), into: Margined(x).matrix,
      inverse: inverse)

    let expected = finiteDifferences(x) { dot(reference($0, weight.values), dy) }
    let dx = Margined(dy)
    rmsNormInputGradient(
      gradient.matrix, x: source.matrix, weight: weights, inverse: inverse,
      into: dx.matrix)
    dx.expect(expected, tolerance: 1e-5)

    let both = Grid(rows, columns) { expected[$0, $1] + residual[$0, $1] }
    let inPlace = Margined(residual)
    rmsNormInputGradient(
      gradient.matrix, x: source.matrix, weight: weights, inverse: inverse,
      into: inPlace.matrix, residual: inPlace.matrix)
    inPlace.expect(both, tolerance: 1e-5, "the residual may be the target itself")

    let before = numbers.grid(1, columns)
    let dw = Margined(before)
    rmsNormWeightGradient(
      gradient.matrix, x: source.matrix, inverse: inverse, into: dw.matrix.base)
    let sum = finiteDifferences(weight) { dot(reference(x, $0.values), dy) }
    dw.expect(Grid(1, columns) { before[$0, $1] + sum[$0, $1] }, tolerance: 1e-5)
  }

  @Test(arguments: oddSizes)
  func rowDotsMatchALoop(count: Int) {
    var numbers = Numbers(seed: count)
    let (a, b) = (numbers.grid(1, count), numbers.grid(1, count))
    let value = rowDot(floats(a.values), floats(b.values), count)
    #expect(abs(Double(value) - dot(a, b)) <= 1e-5)
  }
}
