// The end of the main model and of each MTP module: norm, output head, cross-entropy. The loss
// gradient is made in the forward, in place of the logits, because its scale is known there.

internal import Kernels
internal import ModelSpec

/// What a head's forward leaves for its backward.
final class HeadPass {
  let input: KeptMatrix
  /// nil: computed again.
  let normed: KeptMatrix?
  let inverse: Tensor
  /// (softmax − one-hot) · scale [tokens, vocabulary]
  var logitGradient: KeptMatrix?
  /// Kept when asked for.
  var logits: Tensor?
  /// Cross-entropy summed over the tokens, not scaled.
  var lossSum = 0.0

  init(input: KeptMatrix, normed: KeptMatrix?, inverse: Tensor) {
    self.input = input
    self.normed = normed
    self.inverse = inverse
  }
}

final class LanguageModelHead {
  let norm: Parameter
  let output: Linear
  let epsilon: Float
  private var arithmetic: Arithmetic { output.arithmetic }

  init(norm: Parameter, output: Linear, epsilon: Double) {
    self.norm = norm
    self.output = output
    self.epsilon = Float(epsilon)
  }

  /// x [tokens, hidden], targets [tokens] (negative: ignored). `scale` nil: no gradient is made.
  func forward(_ x: Tensor, targets: [Int32], scale: Float?, keepLogits: Bool) -> HeadPass {
    let inverse = Tensor(1, x.rows, for: .activations)
    let normed = norm(x.matrix, inverse)
    let pass = HeadPass(
      input: arithmetic.keep(x),
      normed: arithmetic.saves(.recomputeNorms) ? nil : arithmetic.keep(normed),
      inverse: inverse)
    let logits = Tensor(x.rows, output.outputs)
    output.forward(normed.matrix, into: logits.matrix)
    if keepLogits { pass.logits = logits.copy() }
    targets.withUnsafeBufferPointer { targets in
      guard let base = targets.baseAddress else { return }
      pass.lossSum = crossEntropy(logits.matrix, targets: base, gradientScale: scale)
    }
    if scale != nil {
      arithmetic.round(logits)
      pass.logitGradient = arithmetic.keep(logits)
    }
    return pass
  }

  private func norm(_ x: Matrix, _ inverse: Tensor) -> Tensor {
    let normed = Tensor(x.rows, x.columns)
    rmsNorm(
      x, weight: norm.value.base, epsilon: epsilon, into: normed.matrix, inverse: inverse.base)
    arithmetic.round(normed)
    return normed
  }

  /// The output of the norm [tokens, hidden], of a pass whose backward has not come.
  func normed(_ pass: HeadPass) -> TensorView {
    if let normed = pass.normed { return normed.load() }
    let input = pass.input.load()
    return TensorView(norm(input.matrix, Tensor(1, pass.input.rows)))
  }

  /// The gradient of x; `normedGradient` and `inputGradient` are what a following MTP module
  /// already asks of the normed and of the plain hidden state.
  func backward(
    _ pass: HeadPass, normedGradient: Tensor?, inputGradient: Tensor?, weights: WeightGradients
  ) -> Tensor {
    guard let kept = take(&pass.logitGradient) else {
      preconditionFailure("a head's backward comes once, after its forward")
    }
    let dLogits = kept.load()
    let dNormed = output.inputGradient(Operand(numbers: dLogits, codes: nil))
    weights.linear(
      output, kept: kept, pass.normed ?? output.keepInput(normed(pass).owner))
    if let normedGradient { add(normedGradient.base, to: dNormed.base, count: dNormed.count) }
    let input = pass.input.load()
    let dx = inputGradient ?? .zeros(pass.input.rows, pass.input.columns)
    rmsNormInputGradient(
      dNormed.matrix, x: input.matrix, weight: norm.value.base, inverse: pass.inverse.base,
      into: dx.matrix, residual: dx.matrix)
    arithmetic.round(dx)
    weights.norm(norm, dNormed.matrix, input.matrix, pass.inverse)
    return dx
  }
}
