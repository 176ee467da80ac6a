// The SwiGLU feed-forward of dense layers and of the shared experts.

internal import Kernels
internal import ModelSpec

/// What a SwiGLU forward leaves for its backward.
final class FeedForwardActivations {
  let input: KeptMatrix?
  /// [tokens, 2·width]: gate and up. As numbers, the backward overwrites them with their gradients.
  let gateUp: KeptMatrix
  /// nil: computed again.
  let activated: KeptMatrix?

  init(input: KeptMatrix?, gateUp: KeptMatrix, activated: KeptMatrix?) {
    self.input = input
    self.gateUp = gateUp
    self.activated = activated
  }
}

final class FeedForward {
  let gateUp: Linear
  let down: Linear
  let arithmetic: Arithmetic

  init(prefix: String, store: ParameterStore) {
    gateUp = store.linear(prefix + "gate_proj.weight", prefix + "up_proj.weight")
    down = store.linear(prefix + "down_proj.weight")
    arithmetic = store.arithmetic
  }

  /// y [tokens, hidden] = (silu(x Wgᵀ) · x Wuᵀ) Wdᵀ. The input is kept unless `keepsInput` is
  /// false: the backward is then given it.
  func forward(_ x: consuming Tensor, keepsInput: Bool) -> (Tensor, FeedForwardActivations) {
    let (activated, saved) = inner(x, keepsInput: keepsInput)
    return (down.forward(activated), saved)
  }

  /// Up to the input of the last product. What it only needed on the way is let go.
  private func inner(_ x: Tensor, keepsInput: Bool) -> (Operand, FeedForwardActivations) {
    let input = gateUp.operand(x)
    let hidden = gateUp.forward(input)
    let activated = down.operand(activate(hidden.matrix))
    let saved = FeedForwardActivations(
      input: keepsInput ? arithmetic.keep(input) : nil, gateUp: arithmetic.keepSwiGLUInput(hidden),
      activated: arithmetic.saves(.recomputeSwiGLU) ? nil : arithmetic.keep(activated))
    return (activated, saved)
  }

  private func activate(_ gateUp: Matrix) -> Tensor {
    let activated = Tensor(gateUp.rows, down.inputs)
    swiGLU(gateUp, gates: nil, into: activated.matrix)
    arithmetic.round(activated)
    return activated
  }

  /// The input half: dx [tokens, hidden]; leaves the weight half in `weights`. `input` is the
  /// forward's where it was not kept.
  func backward(
    _ dy: Tensor, _ saved: FeedForwardActivations, input: @autoclosure () -> KeptMatrix,
    weights: WeightGradients
  ) -> Tensor {
    let hidden = saved.gateUp.load()
    weights.linear(
      down, TensorView(dy), saved.activated ?? down.keepInput(activate(hidden.matrix)))
    let dActivated = down.inputGradient(down.gradientOperand(TensorView(dy)))
    swiGLUGradient(dActivated.matrix, gates: nil, gateUp: hidden.matrix, gateGradients: nil)
    arithmetic.round(hidden.matrix)
    weights.linear(gateUp, hidden, saved.input ?? input())
    return gateUp.inputGradient(gateUp.gradientOperand(hidden))
  }
}
