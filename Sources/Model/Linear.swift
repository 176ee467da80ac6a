// A linear layer: forward, input gradient, weight gradient, each one product in the precision of
// its weight.

internal import Kernels
internal import ModelSpec

/// Y = X Wᵀ, W [out, in], with its gradient buffer.
package struct Linear {
  let gradient: Matrix
  let parameters: [Parameter]
  let arithmetic: Arithmetic
  /// Under delayed scaling.
  let scales: LayerScales?
  package let outputs: Int
  package let inputs: Int

  /// Of weights that share their input and whose gradients stand side by side.
  init(_ parts: [Parameter], _ arithmetic: Arithmetic) {
    parameters = parts
    self.arithmetic = arithmetic
    scales = arithmetic.numerics.scaling == .delayed ? LayerScales() : nil
    inputs = parts[0].shape.columns
    var rows = 0
    for part in parts {
      precondition(
        part.gradient.base == parts[0].gradient.base + rows * inputs,
        "fused weights stand side by side: \(parts.map(\.name))")
      rows += part.shape.rows
    }
    outputs = rows
    gradient = Matrix(parts[0].gradient.base, rows, inputs)
  }

  /// W [out, in] in FP32: where it is, or loaded from its codes.
  private func withWeight(_ body: (Matrix) -> Void) {
    if parameters[0].working == nil {
      body(Matrix(parameters[0].value.base, outputs, inputs))
      return
    }
    let loaded = Tensor(outputs, inputs, for: .emulation)
    var row = 0
    for part in parameters {
      part.working?.load(into: loaded.matrix.rows(row..<row + part.shape.rows))
      row += part.shape.rows
    }
    withExtendedLifetime(loaded) { body(loaded.matrix) }
  }

  /// Y [tokens, out] = X Wᵀ, in BF16 if activations are.
  func forward(_ x: Operand) -> Tensor {
    let y = Tensor(x.matrix.rows, outputs)
    forward(x.matrix, into: y.matrix)
    arithmetic.round(y)
    return y
  }

  /// Not rounded. `x` are numbers that the layer's products take.
  func forward(_ x: Matrix, into y: Matrix) {
    if let sums { return emulatedForward(x, into: y, sums) }
    withWeight { multiplyTransposed(x, $0, into: y) }
  }

  /// dX [tokens, in] = dY W, in BF16 if activations are.
  func inputGradient(_ dy: Operand) -> Tensor {
    let dx = Tensor(dy.matrix.rows, inputs)
    inputGradient(dy.matrix, into: dx.matrix)
    arithmetic.round(dx)
    return dx
  }

  /// Not rounded. `dy` are numbers that the layer's products take.
  func inputGradient(_ dy: Matrix, into dx: Matrix, beta: Float = 0) {
    if let sums, beta == 0 { return emulatedInputGradient(dy, into: dx, sums) }
    withWeight { multiply(dy, $0, into: dx, beta: beta) }
  }

  /// dW += dYᵀ X, for operands that the product takes.
  func addGradient(_ dy: Matrix, _ x: Matrix) {
    if x.rows == 0 { return }
    let first = !parameters[0].hasGradient
    if let sums {
      emulatedWeightGradient(dy, x, adding: !first, sums)
    } else {
      transposedMultiply(dy, x, into: gradient, beta: first ? 0 : 1)
    }
    if first { for part in parameters { part.markGradient() } }
  }

  /// dW += dYᵀ X, for what was kept.
  func addGradient(_ dy: KeptMatrix, _ x: KeptMatrix) {
    func operand(_ kept: KeptMatrix) -> Operand {
      isFP8 ? arithmetic.weightGradientOperand(kept) : Operand(numbers: kept.load(), codes: nil)
    }
    let (gradients, inputs) = (operand(dy), operand(x))
    addGradient(gradients.matrix, inputs.matrix)
    withExtendedLifetime((gradients, inputs)) {}
  }

  // MARK: What the layer's products take

  /// Whether they are FP8.
  var isFP8: Bool {
    if case .e4m3 = parameters[0].working?.code { true } else { false }
  }

  /// The input of the forward.
  func operand(_ x: Tensor) -> Operand {
    isFP8
      ? arithmetic.operand(TensorView(x), scales?.input)
      : Operand(numbers: TensorView(x), codes: nil)
  }

  /// The gradient of the output, for that of the input.
  func gradientOperand(_ dy: TensorView) -> Operand {
    isFP8 ? arithmetic.gradientOperand(dy, scales?.gradient) : Operand(numbers: dy, codes: nil)
  }

  /// Keeps the gradient of the output for that of the weight.
  func keepGradient(_ dy: TensorView) -> KeptMatrix {
    isFP8 ? arithmetic.keepForWeights(dy, isGradient: true) : arithmetic.keep(dy)
  }

  /// The same, of numbers that somebody else keeps alive for now; never under FP32.
  func keepGradient(_ dy: Matrix) -> KeptMatrix {
    isFP8
      ? arithmetic.keepForWeights(dy, isGradient: true) : arithmetic.store(dy, .bf16)
  }

  /// Keeps an input that was computed again for the gradient of the weight alone. It is quantised
  /// first as the forward quantised it: computing again changes no bit.
  func keepInput(_ x: Tensor) -> KeptMatrix {
    guard isFP8 else { return arithmetic.keep(x) }
    arithmetic.quantise(x.matrix)
    return arithmetic.keepForWeights(TensorView(x), isGradient: false)
  }

  /// Keeps an input that stands for the forward's codes already; never under FP32.
  func keepQuantisedInput(_ x: Matrix) -> KeptMatrix {
    isFP8
      ? arithmetic.keepForWeights(x, isGradient: false) : arithmetic.store(x, .bf16)
  }

  /// Keeps an input, of which BF16 numbers are kept for others, for the gradient of the weight.
  func keepInput(sharing kept: KeptMatrix) -> KeptMatrix {
    isFP8 ? keepInput(kept.load().owner) : kept
  }
}
