// Adding, scaling, gathering, scattering and sums of squares, and AdamW against its formula in
// Double over several steps.

import Glibc
import Kernels
import Testing

struct ElementwiseTests {
  @Test(arguments: [0, 1, 3], oddSizes)
  func addCopyAndScaleMatchLoops(rows: Int, columns: Int) {
    var numbers = Numbers(seed: rows * 100 + columns)
    let (x, y) = (numbers.grid(rows, columns), numbers.grid(rows, columns))
    let target = Margined(y)
    add(Margined(x).matrix, to: target.matrix)
    target.expect(Grid(rows, columns) { x[$0, $1] + y[$0, $1] }, tolerance: 1e-7)
    copy(Margined(x).matrix, to: target.matrix)
    target.expect(x, tolerance: 0)
    for row in 0..<rows { scale(target.matrix.row(row), by: 0.25, count: columns) }
    target.expect(Grid(rows, columns) { x[$0, $1] / 4 }, tolerance: 0)
  }

  /// 4095, 4096 and 4097 stand around the blocks that are summed in fp32.
  @Test(arguments: oddSizes + [4095, 4096, 4097, 10_000])
  func sumOfSquaresMatchesALoop(count: Int) {
    var numbers = Numbers(seed: count)
    let x = numbers.grid(1, count)
    let sum = sumOfSquares(floats(x.values), count: count)
    #expect(abs(sum - dot(x, x)) <= 1e-6 * max(dot(x, x), 1))
  }

  @Test(arguments: [0, 1, 7, 8, 9, 31])
  func gatheringAndScatteringFollowTheIndices(columns: Int) {
    var numbers = Numbers(seed: columns)
    let table = numbers.grid(5, columns)
    let all: [Int32] = [9, 3, 0, 3, 3, 4, 9]
    let indices = all[1..<6]  // a slice does not start at zero
    let gathered = Margined(Grid(5, columns))
    gatherRows(Margined(table).matrix, indices, into: gathered.matrix)
    gathered.expect(Grid(5, columns) { table[Int(all[$0 + 1]), $1] }, tolerance: 0)

    let source = numbers.grid(5, columns)
    var expected = table
    for i in 0..<5 {
      for column in 0..<columns { expected[Int(all[i + 1]), column] += source[i, column] }
    }
    let target = Margined(table)
    scatterAddRows(Margined(source).matrix, indices, into: target.matrix)
    target.expect(expected, tolerance: 5e-7)
    gatherRows(Margined(table).matrix, [], into: gathered.matrix)
    scatterAddRows(Margined(source).matrix, [], into: target.matrix)
    target.expect(expected, tolerance: 5e-7, "no indices, nothing added")
  }

  /// Loshchilov & Hutter, algorithm 2, in torch's order: decay, moments, corrected step.
  @Test(arguments: oddSizes, [false, true])
  func adamWMatchesItsFormula(count: Int, decay: Bool) {
    var numbers = Numbers(seed: count)
    let start = numbers.grid(1, count)
    var (p, m, v) = (start.values, start.values.map { _ in 0.0 }, start.values.map { _ in 0.0 })
    let parameters = floats(p)
    let (first, second) = (floats(count), floats(count))
    let (rate, beta1, beta2, epsilon, weightDecay, clip) = (0.01, 0.9, 0.95, 1e-8, 0.1, 0.5)
    for t in 1...5 {
      let gradient = numbers.grid(1, count).values
      let step = AdamWStep(
        learningRate: rate, beta1: beta1, beta2: beta2, epsilon: epsilon,
        weightDecay: weightDecay, step: t, gradientScale: clip)
      adamW(
        step, parameters: parameters, gradients: floats(gradient),
        firstMoments: first, secondMoments: second, count: count, decay: decay)
      for i in 0..<count {
        let g = gradient[i] * clip
        if decay { p[i] -= rate * weightDecay * p[i] }
        m[i] = beta1 * m[i] + (1 - beta1) * g
        v[i] = beta2 * v[i] + (1 - beta2) * g * g
        let corrected = m[i] / (1 - pow(beta1, Double(t)))
        let deviation = (v[i] / (1 - pow(beta2, Double(t)))).squareRoot()
        p[i] -= rate * corrected / (deviation + epsilon)
      }
    }
    for i in 0..<count {
      #expect(abs(Double(parameters[i]) - p[i]) <= 5e-7)
      #expect(abs(Double(first[i]) - m[i]) <= 2e-7)
      #expect(abs(Double(second[i]) - v[i]) <= 2e-7)
    }
  }
}
