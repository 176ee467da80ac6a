// What the precision of a run means for its layers: what is rounded, what a product takes, what is
// kept in which format (report section 3.3). The layers say where; here stands how. Numbers are
// computed in FP32 and rounded where the simulated GPU writes BF16 or quantises to FP8.

internal import Kernels
package import ModelSpec
internal import NumberFormats

/// One operand of the products of linear layers: FP32 numbers, under FP8 what the codes stand for.
struct Operand {
  let numbers: TensorView
  /// Under FP8.
  let codes: StoredMatrix?

  var matrix: Matrix { numbers.matrix }
}

package struct Arithmetic: Sendable {
  package let numerics: Numerics

  package init(_ numerics: Numerics = Numerics()) { self.numerics = numerics }

  /// Whether activations are BF16.
  var isLow: Bool { numerics.precision != .fp32 }
  var isFP8: Bool { numerics.precision == .fp8 }

  func saves(_ saving: MemorySaving) -> Bool { numerics.savings.contains(saving) }

  /// Rounds what a GPU writes in BF16.
  func round(_ x: Matrix) {
    guard isLow else { return }
    for row in 0..<x.rows { roundToBF16(x.row(row), count: x.columns) }
  }

  func round(_ x: Tensor) {
    if isLow { roundToBF16(x.base, count: x.count) }
  }

  // MARK: Operands

  private func tile(_ tile: ScaleTile) -> ScaleTile {
    numerics.scaling == .tiles ? tile : .tensor
  }

  /// The input of linear layers as their forward takes it: under FP8 in 1 × 128 tiles.
  func operand(_ x: TensorView, _ history: ScaleHistory?) -> Operand {
    quantised(x, tile(.row), history)
  }

  /// The gradient of a linear layer's output as the gradient of its input takes it.
  func gradientOperand(_ dy: TensorView, _ history: ScaleHistory?) -> Operand {
    quantised(dy, tile(numerics.gradientTiles == .blocks ? .block : .row), history)
  }

  private func quantised(_ x: TensorView, _ tile: ScaleTile, _ history: ScaleHistory?) -> Operand {
    guard isFP8 else { return Operand(numbers: x, codes: nil) }
    if let history {
      let codes = StoredMatrix(x.matrix, scale: history.next(x.matrix), for: .activations)
      return Operand(numbers: TensorView(codes.load()), codes: codes)
    }
    let numbers = Tensor(x.matrix.rows, x.matrix.columns, for: .emulation)
    let codes = StoredMatrix(
      x.matrix, .e4m3(tile, .float), for: .buffers, dequantised: numbers.matrix)
    return Operand(numbers: TensorView(numbers), codes: codes)
  }

  /// An operand of a weight gradient: under FP8 in 128 × 1 tiles, as the sum runs over tokens. What
  /// was kept in other tiles is loaded and quantised again.
  func weightGradientOperand(_ kept: KeptMatrix) -> Operand {
    guard isFP8 else { return Operand(numbers: kept.load(), codes: nil) }
    if case .codes(let stored) = kept, case .e4m3(let tile, _) = stored.code, tile != .row {
      return Operand(numbers: TensorView(stored.load()), codes: stored)
    }
    let numbers = kept.load()
    let codes = StoredMatrix(
      numbers.matrix, .e4m3(tile(.column), .float), for: .emulation, dequantised: numbers.matrix)
    return Operand(numbers: numbers, codes: codes)
  }

  // MARK: Operands in place

  /// Makes numbers what their codes in the forward stand for.
  func quantise(_ x: Matrix) { quantise(x, tile(.row)) }

  /// The same, of an output's gradient, for the gradient of the input.
  func quantiseGradient(_ dy: Matrix) {
    quantise(dy, tile(numerics.gradientTiles == .blocks ? .block : .row))
  }

  /// The same, for the gradient of the weight.
  func quantiseForWeights(_ x: Matrix) { quantise(x, tile(.column)) }

  private func quantise(_ x: Matrix, _ tile: ScaleTile) {
    guard isFP8 else { return }
    _ = StoredMatrix(x, .e4m3(tile, .float), for: .emulation, dequantised: x)
  }

  // MARK: Keeping

  /// Keeps what is BF16 on a GPU: the residual stream, latents, queries, keys and values.
  func keep(_ x: TensorView) -> KeptMatrix { isLow ? store(x, .bf16) : numbers(x) }

  func keep(_ x: Tensor) -> KeptMatrix { keep(TensorView(x)) }

  /// Keeps the input of linear layers as they took it.
  func keep(_ operand: Operand) -> KeptMatrix {
    guard let codes = operand.codes else { return keep(operand.numbers) }
    codes.count(as: .activations)
    return .codes(codes)
  }

  /// Keeps an operand for the weight gradient alone.
  func keepForWeights(_ x: TensorView, isGradient: Bool) -> KeptMatrix {
    isFP8 ? keepForWeights(x.matrix, isGradient: isGradient) : keep(x)
  }

  /// The same under FP8.
  func keepForWeights(_ x: Matrix, isGradient: Bool) -> KeptMatrix {
    let blocks = isGradient && numerics.gradientTiles == .blocks
    return store(x, .e4m3(tile(blocks ? .block : .column), .float))
  }

  /// The output of the attention core; for E5M6 see report section 3.3.3.
  func keepAttentionOutput(_ x: Tensor) -> KeptMatrix {
    saves(.e5m6AttentionOutput) ? store(TensorView(x), .e5m6) : keep(x)
  }

  /// Tokens on their way to experts, and their gradients: under FP8 with powers of two as scales
  /// (report section 3.3.3). They are activations once somebody keeps them.
  func message(_ x: Tensor) -> KeptMatrix {
    guard isLow else { return .numbers(TensorView(x)) }
    let code: StorageCode = isFP8 ? .e4m3(.row, .powerOfTwo) : .bf16
    return .codes(StoredMatrix(x.matrix, code, for: .buffers))
  }

  func keepSwiGLUInput(_ x: Tensor) -> KeptMatrix {
    swiGLUInputCode.map { store(TensorView(x), $0) } ?? keep(x)
  }

  /// How operands of linear layers are kept, in runs of rows; nil: as the numbers they are.
  var operandCode: StorageCode? {
    guard isLow else { return nil }
    return isFP8 && numerics.scaling == .tiles ? .e4m3(.row, .float) : .bf16
  }

  /// How the inputs of SwiGLU are kept; nil: as the numbers they are.
  var swiGLUInputCode: StorageCode? {
    guard isLow else { return nil }
    return saves(.fp8SwiGLUInputs) ? .e4m3(.row, .float) : .bf16
  }

  private func store(_ x: TensorView, _ code: StorageCode) -> KeptMatrix { store(x.matrix, code) }

  func store(_ x: Matrix, _ code: StorageCode) -> KeptMatrix {
    .codes(StoredMatrix(x, code, for: .activations))
  }

  private func numbers(_ x: TensorView) -> KeptMatrix {
    x.owner.count(as: .activations)
    return .numbers(x)
  }
}
