// The weight half of a split backward. The input half leaves here what each matrix's gradient
// needs; performing the list adds the gradients. A full backward performs it at once, `I` and `W`
// of a schedule perform it later: the same products in the same order, so the same bits. Norms and
// the embedding have no product worth waiting for: theirs are added at once, in either case.

internal import Kernels

/// Weight gradients that are still to be computed for one micro-batch of one stage.
package final class WeightGradients {
  enum Work {
    /// dW += dYᵀ X
    case linear(Linear, outputGradient: KeptMatrix, input: KeptMatrix)
    case experts(RoutedExperts, ExpertActivations)
    /// What follows belongs to this component; only where somebody observes.
    case component(StageComponent, layer: Int, tokens: Int)
  }

  private var pending: [Work] = []
  /// Told when a component's weight gradients are computed.
  var observer: (any PassObserver)?

  package init() {}

  package var isEmpty: Bool { pending.isEmpty }

  /// A component's backward begins: what is left from now on is its.
  func leave(_ component: StageComponent, layer: Int, tokens: Int) {
    if observer != nil { pending.append(.component(component, layer: layer, tokens: tokens)) }
  }

  /// Keeps the gradient of a layer's output and its input, which may be kept already.
  func linear(_ layer: Linear, _ outputGradient: TensorView, _ input: KeptMatrix) {
    let kept = layer.keepGradient(outputGradient)
    pending.append(.linear(layer, outputGradient: kept, input: input))
  }

  /// The same with an output's gradient that is kept already.
  func linear(_ layer: Linear, kept outputGradient: KeptMatrix, _ input: KeptMatrix) {
    pending.append(.linear(layer, outputGradient: outputGradient, input: input))
  }

  func experts(_ experts: RoutedExperts, _ activations: ExpertActivations) {
    pending.append(.experts(experts, activations))
  }

  /// Added at once.
  func norm(_ weight: Parameter, _ outputGradient: Matrix, _ input: Matrix, _ inverse: Tensor) {
    rmsNormWeightGradient(
      outputGradient, x: input, inverse: inverse.base, into: weight.accumulation().base)
  }

  /// Row t of the table += row i of the gradient, t = tokens[i]. Added at once.
  func embedding(_ table: Parameter, _ gradient: Tensor, tokens: [Int32]) {
    scatterAddRows(gradient.matrix, tokens[...], into: table.accumulation())
  }

  /// Adds every pending gradient to its buffer, and lets go of its tensors before the next.
  package func perform() {
    pending.reverse()
    while let work = pending.popLast() { perform(work) }
  }

  private func perform(_ work: Work) {
    switch work {
    case .linear(let layer, let dy, let x):
      layer.addGradient(dy, x)
    case .experts(let experts, let activations):
      experts.weightGradients(activations)
    case .component(let component, let layer, let tokens):
      observer?.computes(component, .weight, layer: layer, tokens: tokens)
    }
  }
}
