// A linear layer's three FP8 products with the sums that a GPU would get. Slow: term by term. The
// operands come as the numbers that their codes stand for, and are encoded again.

internal import Kernels
internal import ModelSpec
internal import NumberFormats

extension Accumulation {
  /// nil: in FP32.
  var emulated: SumRule? {
    switch self {
    case .fp32: nil
    case .tensorCore: .tensorCore
    case .promoted: .promoted
    }
  }
}

extension Linear {
  /// The rule that the layer's products are summed by, nil in FP32.
  var sums: SumRule? { isFP8 ? arithmetic.numerics.accumulation.emulated : nil }

  /// The codes that `x` came from. Under a scale of any size the largest of a tile was 448 and is
  /// so again, so the others are, too. Rows from the exchange were scaled by a power of two: where
  /// that gives the very numbers, it is taken.
  private func codes(_ x: Matrix, _ tile: ScaleTile) -> StoredMatrix {
    let tile = arithmetic.numerics.scaling == .tiles ? tile : .tensor
    let numbers = Tensor(x.rows, x.columns, for: .emulation)
    let byPowers = StoredMatrix(
      x, .e4m3(tile, .powerOfTwo), for: .emulation, dequantised: numbers.matrix)
    let isExact = (0..<x.rows).allSatisfy { row in
      (0..<x.columns).allSatisfy { x.row(row)[$0] == numbers.matrix.row(row)[$0] }
    }
    return isExact ? byPowers : StoredMatrix(x, .e4m3(tile, .float), for: .emulation)
  }

  /// Tiles of a gradient that is summed over along `other`.
  private func gradientTile(_ other: ScaleTile) -> ScaleTile {
    arithmetic.numerics.gradientTiles == .blocks ? .block : other
  }

  /// Y = X Wᵀ, part by part of W.
  func emulatedForward(_ x: Matrix, into y: Matrix, _ rule: SumRule) {
    let x = codes(x, .row)
    var column = 0
    for part in parameters {
      guard let weight = part.working else { continue }
      multiplyTransposed(
        x, weight, into: y.columns(column..<column + part.shape.rows), sums: rule)
      column += part.shape.rows
    }
  }

  /// dX = dY W, summed over the parts of W.
  func emulatedInputGradient(_ dy: Matrix, into dx: Matrix, _ rule: SumRule) {
    var column = 0
    for part in parameters {
      guard let weight = part.working else { continue }
      let own = codes(dy.columns(column..<column + part.shape.rows), gradientTile(.row))
      multiply(own, weight, into: dx, sums: rule, adding: column > 0)
      column += part.shape.rows
    }
  }

  /// dW (+)= dYᵀ X
  func emulatedWeightGradient(_ dy: Matrix, _ x: Matrix, adding: Bool, _ rule: SumRule) {
    transposedMultiply(
      codes(dy, gradientTile(.column)), codes(x, .column), into: gradient, sums: rule,
      adding: adding)
  }
}
