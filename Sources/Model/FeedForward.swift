// The SwiGLU feed-forward of dense layers and of the shared experts.

internal import Kernels

/// What a SwiGLU forward leaves for its backward.
final class FeedForwardActivations {
  let input: Tensor
  /// [tokens, 2·width]: gate and up; the backward overwrites them with their gradients.
  let gateUp: Tensor
  let activated: Tensor

  init(input: Tensor, gateUp: Tensor, activated: Tensor) {
    self.input = input
    self.gateUp = gateUp
    self.activated = activated
  }
}

final class FeedForward {
  let gateUp: Linear
  let down: Linear

  init(prefix: String, store: ParameterStore) {
    gateUp = store.linear(prefix + "gate_proj.weight", prefix + "up_proj.weight")
    down = store.linear(prefix + "down_proj.weight")
  }

  /// y [tokens, hidden] = (silu(x Wgᵀ) · x Wuᵀ) Wdᵀ
  func forward(_ x: Tensor) -> (Tensor, FeedForwardActivations) {
    let hidden = gateUp.forward(x.matrix)
    let activated = Tensor(x.rows, down.inputs)
    swiGLU(hidden.matrix, gates: nil, into: activated.matrix)
    let saved = FeedForwardActivations(input: x, gateUp: hidden, activated: activated)
    return (down.forward(activated.matrix), saved)
  }

  /// The input half: dx [tokens, hidden]; leaves the weight half in `weights`.
  func backward(_ dy: Tensor, _ saved: FeedForwardActivations, weights: WeightGradients) -> Tensor {
    let dActivated = down.inputGradient(dy.matrix)
    weights.linear(down, TensorView(dy), TensorView(saved.activated))
    swiGLUGradient(
      dActivated.matrix, gates: nil, gateUp: saved.gateUp.matrix, gateGradients: nil)
    weights.linear(gateUp, TensorView(saved.gateUp), TensorView(saved.input))
    return gateUp.inputGradient(saved.gateUp.matrix)
  }
}
