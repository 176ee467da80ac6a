// The end of the main model and of each MTP module: norm, output head, cross-entropy. The loss
// gradient is made in the forward, in place of the logits, because its scale is known there.

internal import Kernels

/// What a head's forward leaves for its backward.
final class HeadPass {
  let input: Tensor
  let normed: Tensor
  let inverse: Tensor
  /// (softmax − one-hot) · scale [tokens, vocabulary]
  var logitGradient: Tensor?
  /// Kept when asked for.
  var logits: Tensor?
  /// Cross-entropy summed over the tokens, not scaled.
  var lossSum = 0.0

  init(input: Tensor, normed: Tensor, inverse: Tensor) {
    self.input = input
    self.normed = normed
    self.inverse = inverse
  }
}

final class LanguageModelHead {
  let norm: Parameter
  let output: Linear
  let epsilon: Float

  init(norm: Parameter, output: Linear, epsilon: Double) {
    self.norm = norm
    self.output = output
    self.epsilon = Float(epsilon)
  }

  /// x [tokens, hidden], targets [tokens] (negative: ignored). `scale` nil: no gradient is made.
  func forward(_ x: Tensor, targets: [Int32], scale: Float?, keepLogits: Bool) -> HeadPass {
    let pass = HeadPass(
      input: x, normed: Tensor(x.rows, x.columns), inverse: Tensor(1, x.rows))
    rmsNorm(
      x.matrix, weight: norm.value.base, epsilon: epsilon, into: pass.normed.matrix,
      inverse: pass.inverse.base)
    let logits = output.forward(pass.normed.matrix)
    if keepLogits { pass.logits = logits.copy() }
    targets.withUnsafeBufferPointer { targets in
      guard let base = targets.baseAddress else { return }
      pass.lossSum = crossEntropy(logits.matrix, targets: base, gradientScale: scale)
    }
    if scale != nil { pass.logitGradient = logits }
    return pass
  }

  /// The gradient of x; `normedGradient` and `inputGradient` are what a following MTP module
  /// already asks of the normed and of the plain hidden state.
  func backward(
    _ pass: HeadPass, normedGradient: Tensor?, inputGradient: Tensor?, weights: WeightGradients
  ) -> Tensor {
    guard let dLogits = take(&pass.logitGradient) else {
      preconditionFailure("a head's backward comes once, after its forward")
    }
    let dNormed = output.inputGradient(dLogits.matrix)
    weights.linear(output, TensorView(dLogits), TensorView(pass.normed))
    if let normedGradient { add(normedGradient.base, to: dNormed.base, count: dNormed.count) }
    let dx = inputGradient ?? .zeros(pass.input.rows, pass.input.columns)
    rmsNormInputGradient(
      dNormed.matrix, x: pass.input.matrix, weight: norm.value.base, inverse: pass.inverse.base,
      into: dx.matrix, residual: dx.matrix)
    weights.norm(norm, dNormed.matrix, pass.input.matrix, pass.inverse)
    return dx
  }
}
