// The exponential's accuracy over its whole range, the sigmoid, SwiGLU and its gradients, and the
// rotation of pairs.

import Glibc
import Kernels
import Testing

private func silu(_ x: Double) -> Double { x / (1 + exp(-x)) }

/// gate · silu(g) · u for rows [g | u].
private func reference(_ gateUp: Grid, _ gates: [Double]) -> Grid {
  let width = gateUp.columns / 2
  return Grid(gateUp.rows, width) {
    gates[$0] * silu(gateUp[$0, $1]) * gateUp[$0, width + $1]
  }
}

struct ActivationTests {
  /// 176 · 4096 points from −88 to 88. The polynomial's own error is below half a unit in the last
  /// place; rounding of the reduction and of the product add one each.
  @Test func exponentialIsGoodToTwoUnitsInTheLastPlace() {
    var worst = 0.0
    for step in 0..<(176 * 512) {
      var x = Vector(repeating: 0)
      for lane in 0..<8 { x[lane] = -88 + Float(step * 8 + lane) / 4096 }
      let y = exponential(x)
      for lane in 0..<8 where x[lane] >= -87.3 && x[lane] <= 88.3 {
        let exact = exp(Double(x[lane]))
        worst = max(worst, abs(Double(y[lane]) - exact) / Double(Float(exact).ulp))
      }
    }
    #expect(worst <= 2, "worst error \(worst) ulp")
  }

  @Test func exponentialSaturatesAndKeepsNaN() {
    let x = Vector(-.infinity, -1e30, -100, 0, -0.0, 100, .infinity, .nan)
    let y = exponential(x)
    for lane in 0..<3 { #expect(y[lane] > 0 && y[lane] < 1.3e-38) }
    #expect(y[3] == 1 && y[4] == 1)
    for lane in 5..<7 { #expect(y[lane] > 2.2e38 && y[lane].isFinite) }
    #expect(y[7].isNaN)
  }

  @Test(arguments: [0, 1, 3], oddSizes)
  func sigmoidMatchesItsDefinition(rows: Int, columns: Int) {
    var numbers = Numbers(seed: rows * 100 + columns)
    var x = numbers.grid(rows, columns)
    for i in x.values.indices { x.values[i] *= 20 }
    let result = Margined(x)
    sigmoidInPlace(result.matrix)
    result.expect(Grid(rows, columns) { 1 / (1 + exp(-x[$0, $1])) }, tolerance: 3e-7)
  }

  @Test func sigmoidOfLargeNumbersIsZeroOrOne() {
    let x = Margined(Grid(1, 4) { _, column in [-1e9, -90, 90, 1e9][column] })
    sigmoidInPlace(x.matrix)
    x.expect(Grid(1, 4) { _, column in column < 2 ? 0 : 1 }, tolerance: 1e-30)
  }

  @Test(arguments: [0, 1, 3], oddSizes)
  func swiGLUMatchesItsDefinition(rows: Int, width: Int) {
    var numbers = Numbers(seed: rows * 100 + width)
    let gateUp = numbers.grid(rows, 2 * width)
    let gates = numbers.grid(1, rows).values
    let result = Margined(numbers.grid(rows, width))
    swiGLU(Margined(gateUp).matrix, gates: nil, into: result.matrix)
    result.expect(reference(gateUp, gates.map { _ in 1 }))
    swiGLU(Margined(gateUp).matrix, gates: floats(gates), into: result.matrix)
    result.expect(reference(gateUp, gates))
  }

  @Test(arguments: [1, 3], [1, 7, 8, 9, 31, 64])
  func swiGLUGradientsMatchFiniteDifferences(rows: Int, width: Int) {
    var numbers = Numbers(seed: rows * 100 + width)
    var gateUp = numbers.grid(rows, 2 * width)
    for i in gateUp.values.indices { gateUp.values[i] *= 4 }
    let (gates, da) = (numbers.grid(1, rows), numbers.grid(rows, width))
    let ones = Grid(1, rows) { _, _ in 1 }
    for gated in [false, true] {
      let factors = gated ? gates : ones
      let result = Margined(gateUp)
      let gateGradients = Margined(gates)
      swiGLUGradient(
        Margined(da).matrix, gates: gated ? floats(gates.values) : nil, gateUp: result.matrix,
        gateGradients: gated ? gateGradients.matrix.base : nil)
      result.expect(
        finiteDifferences(gateUp) { dot(reference($0, factors.values), da) }, tolerance: 1e-6)
      let expected = finiteDifferences(factors) { dot(reference(gateUp, $0.values), da) }
      gateGradients.expect(gated ? expected : gates, tolerance: 2e-6)
    }
  }

  /// (x, y) as x + iy times e^(±iθ), here for angles whose cosine and sine are given.
  @Test(arguments: [0, 1, 4, 5, 16], [1, -1])
  func rotatedPairsAreComplexProducts(half: Int, direction: Int) {
    var numbers = Numbers(seed: half)
    let x = numbers.grid(1, 2 * half)
    let (cosines, sines) = (numbers.grid(1, half), numbers.grid(1, half))
    let result = Margined(x)
    rotatePairs(
      result.matrix.base, cosines: floats(cosines.values), sines: floats(sines.values),
      half: half, direction: Float(direction))
    result.expect(
      Grid(1, 2 * half) { _, column in
        let pair = column / 2
        let (real, imaginary) = (x[0, 2 * pair], x[0, 2 * pair + 1])
        let (c, s) = (cosines[0, pair], sines[0, pair] * Double(direction))
        return column % 2 == 0 ? real * c - imaginary * s : real * s + imaginary * c
      }, tolerance: 3e-7)
  }
}
