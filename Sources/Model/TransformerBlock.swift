// One transformer block, cut into the four components of the report's figure 4: attention,
// dispatch, MLP, combine, forward and backward, so that a scheduler can interleave two
// micro-batches. A dense block has nothing to exchange and its transfers are empty.

internal import Kernels
internal import ModelSpec

/// One micro-batch on its way through one block.
final class BlockPass {
  let sequences: Int
  let length: Int
  let observer: (any PassObserver)?
  var attention: AttentionActivations?
  /// x + attention(x) [tokens, hidden], and its norm, which is the MLP's input: as the forward has
  /// them, and as they are kept. No norm is kept where it is computed again.
  var residual: Tensor?
  var normed: Tensor?
  var keptResidual: KeptMatrix?
  var keptNormed: KeptMatrix?
  let inverse: Tensor
  var routing: Routing?
  var tokens: DispatchedTokens?
  var dense: FeedForwardActivations?
  var routed: ExpertActivations?
  /// The block's output while it is being made, and the routed experts' part of it.
  var output: Tensor?
  var routedOutput: Tensor?
  var transfer: ExpertTransfer?
  /// Gradients on the way back: of the output, of the MLP's input, of the routed rows.
  var outputGradient: Tensor?
  var normedGradient: Tensor?
  var receivedGradient: KeptMatrix?
  var rowGradient: Tensor?
  var gateGradient: Tensor?

  init(sequences: Int, length: Int, observer: (any PassObserver)? = nil) {
    self.sequences = sequences
    self.length = length
    self.observer = observer
    inverse = Tensor(1, sequences * length, for: .activations)
  }

  var tokenCount: Int { sequences * length }
}

package final class TransformerBlock {
  let spec: ModelSpec
  let arithmetic: Arithmetic
  /// Layer number in the checkpoint's naming; MTP blocks follow the main layers.
  package let layer: Int
  let attention: MultiHeadLatentAttention
  let mlpNorm: Parameter
  /// The dense FFN, or the shared experts.
  let feedForward: FeedForward?
  package let router: Router?
  let experts: RoutedExperts?
  let transport: any ExpertTransport

  init(
    _ spec: ModelSpec, layer: Int, store: ParameterStore, rotary: RotaryEmbedding,
    transport: any ExpertTransport
  ) {
    self.spec = spec
    self.layer = layer
    self.transport = transport
    arithmetic = store.arithmetic
    let prefix = "model.layers.\(layer)."
    attention = MultiHeadLatentAttention(spec, prefix: prefix, store: store, rotary: rotary)
    mlpNorm = store[prefix + "post_attention_layernorm.weight"]
    let mlp = prefix + "mlp."
    if spec.hasExperts(layer: layer) {
      feedForward =
        spec.sharedExperts > 0 ? FeedForward(prefix: mlp + "shared_experts.", store: store) : nil
      router = Router(
        spec, weight: store.linear(mlp + "gate.weight"), bias: .zeros(1, spec.routedExperts))
      experts = RoutedExperts(
        spec, prefix: mlp + "experts.", experts: transport.localExperts, store: store)
    } else {
      feedForward = FeedForward(prefix: mlp, store: store)
      router = nil
      experts = nil
    }
  }

  // MARK: What an observer is told

  private func computes(
    _ component: StageComponent, _ half: PassHalf, _ pass: BlockPass,
    leaving weights: WeightGradients? = nil
  ) {
    pass.observer?.computes(component, half, layer: layer, tokens: pass.tokenCount)
    weights?.leave(component, layer: layer, tokens: pass.tokenCount)
  }

  private func starts(_ exchange: TokenExchange, _ half: PassHalf, _ pass: BlockPass) {
    pass.observer?.starts(exchange, half, layer: layer, tokens: pass.tokenCount)
  }

  private func finishes(_ exchange: TokenExchange, _ half: PassHalf, _ pass: BlockPass) {
    pass.observer?.finishes(exchange, half, layer: layer)
  }

  /// The dense FFN, or the shared experts.
  private var feedForwardComponent: StageComponent {
    experts == nil ? .denseFeedForward : .sharedExperts
  }

  // MARK: Forward components

  /// ATTN(F): attention, residual, norm and the choice of experts.
  func attentionForward(_ x: Tensor, _ pass: BlockPass) {
    computes(.attention, .forward, pass)
    let (output, saved) = attention.forward(x, sequences: pass.sequences, length: pass.length)
    add(x.base, to: output.base, count: output.count)
    arithmetic.round(output)
    pass.attention = saved
    pass.keptResidual = arithmetic.keep(output)
    pass.residual = output
    let normed = norm(output.matrix, pass.inverse)
    pass.normed = normed
    if keepsNormed { pass.keptNormed = arithmetic.keep(normed) }
    guard let router else { return }
    computes(.router, .forward, pass)
    let routing = router.route(normed)
    pass.routing = routing
    pass.observer?.routed(routing, layer: layer)
  }

  /// Whether the MLP's input is kept as the norm made it: for the router, and for the experts where
  /// nothing else keeps it.
  private var keepsNormed: Bool { router != nil && !arithmetic.saves(.recomputeNorms) }

  /// The norm before the MLP.
  private func norm(_ x: Matrix, _ inverse: Tensor) -> Tensor {
    let normed = Tensor(x.rows, x.columns)
    rmsNorm(
      x, weight: mlpNorm.value.base, epsilon: Float(spec.rmsNormEpsilon), into: normed.matrix,
      inverse: inverse.base)
    arithmetic.round(normed)
    return normed
  }

  /// DISPATCH(F)
  func startDispatch(_ pass: BlockPass) throws {
    guard let routing = pass.routing, let normed = pass.normed else { return }
    starts(.dispatch, .forward, pass)
    pass.transfer = try transport.startDispatch(arithmetic.message(normed), routing)
  }

  func finishDispatch(_ pass: BlockPass) throws {
    guard let transfer = take(&pass.transfer) else { return }
    finishes(.dispatch, .forward, pass)
    pass.tokens = try transport.finishDispatch(transfer)
  }

  /// MLP(F), the part that needs no exchange: dense FFN or shared experts, on top of the residual.
  func feedForwardForward(_ pass: BlockPass) {
    guard let residual = take(&pass.residual), let normed = take(&pass.normed) else {
      preconditionFailure("the MLP comes after attention")
    }
    guard let feedForward else {
      pass.output = residual.copy()
      return
    }
    computes(feedForwardComponent, .forward, pass)
    let keepsInput = router == nil && !arithmetic.saves(.recomputeNorms)
    let (output, saved) = feedForward.forward(consume normed, keepsInput: keepsInput)
    add(residual.base, to: output.base, count: output.count)
    pass.dense = saved
    pass.output = output
  }

  /// MLP(F), the routed experts.
  func expertsForward(_ pass: BlockPass) {
    guard let tokens = pass.tokens, let experts else { return }
    computes(.routedExperts, .forward, pass)
    let (output, saved) = experts.forward(tokens)
    pass.routed = saved
    pass.routedOutput = output
  }

  /// COMBINE(F)
  func startCombine(_ pass: BlockPass) throws {
    guard let output = take(&pass.routedOutput), let tokens = pass.tokens else { return }
    starts(.combine, .forward, pass)
    pass.transfer = try transport.startCombine(output, tokens)
  }

  func finishCombine(_ pass: BlockPass) throws -> Tensor {
    guard let output = take(&pass.output) else {
      preconditionFailure("combine comes after the MLP")
    }
    if let transfer = take(&pass.transfer) {
      finishes(.combine, .forward, pass)
      let combined = try transport.finishCombine(transfer)
      add(combined.base, to: output.base, count: output.count)
    }
    arithmetic.round(output)
    return output
  }

  // MARK: Backward components

  /// COMBINE(B): the output's gradient to the experts.
  func startCombineGradient(_ gradient: Tensor, _ pass: BlockPass) throws {
    pass.outputGradient = gradient
    guard let tokens = pass.tokens else { return }
    starts(.combine, .input, pass)
    pass.transfer = try transport.startCombineGradient(arithmetic.message(gradient), tokens)
  }

  func finishCombineGradient(_ pass: BlockPass) throws {
    guard let transfer = take(&pass.transfer) else { return }
    finishes(.combine, .input, pass)
    pass.receivedGradient = try transport.finishCombineGradient(transfer)
  }

  /// MLP(B): input gradients of the dense or shared part and of the routed experts.
  func mlpBackward(_ pass: BlockPass, weights: WeightGradients) {
    guard let gradient = pass.outputGradient else {
      preconditionFailure("MLP(B) comes after COMBINE(B)")
    }
    if let feedForward, let saved = take(&pass.dense) {
      computes(feedForwardComponent, .input, pass, leaving: weights)
      pass.normedGradient = feedForward.backward(
        gradient, saved, input: normedAgain(pass, feedForward.gateUp), weights: weights)
    } else {
      pass.normedGradient = .zeros(gradient.rows, gradient.columns)
    }
    if let experts, let received = take(&pass.receivedGradient), let saved = take(&pass.routed) {
      computes(.routedExperts, .input, pass, leaving: weights)
      let (rows, gates) = experts.backward(received, saved)
      pass.rowGradient = rows
      pass.gateGradient = gates
      weights.experts(experts, saved)
    }
  }

  /// The MLP's input, as a layer's weight gradient takes it, where it was not kept so: what the
  /// router keeps, or the norm again. Layers that take it alike share it.
  private func normedAgain(_ pass: BlockPass, _ layer: Linear) -> KeptMatrix {
    if let kept = pass.keptNormed { return layer.keepInput(sharing: kept) }
    guard let residual = pass.keptResidual?.load() else {
      preconditionFailure("the residual is kept until ATTN(B)")
    }
    let kept = layer.keepInput(norm(residual.matrix, Tensor(1, residual.matrix.rows)))
    if !arithmetic.isFP8 { pass.keptNormed = kept }
    return kept
  }

  /// DISPATCH(B): the tokens' gradients back to where they came from.
  func startDispatchGradient(_ pass: BlockPass) throws {
    guard let rows = take(&pass.rowGradient), let gates = take(&pass.gateGradient),
      let tokens = take(&pass.tokens)
    else { return }
    starts(.dispatch, .input, pass)
    pass.transfer = try transport.startDispatchGradient(rows, gates: gates, tokens)
  }

  func finishDispatchGradient(_ pass: BlockPass) throws {
    guard let transfer = take(&pass.transfer), let target = pass.normedGradient else { return }
    finishes(.dispatch, .input, pass)
    let (rows, gates) = try transport.finishDispatchGradient(transfer)
    add(rows.base, to: target.base, count: target.count)
    pass.gateGradient = gates
  }

  /// ATTN(B): router, norm and attention. Returns the gradient of the block's input; `balance` is
  /// the weight of one sequence's balance loss.
  func attentionBackward(_ pass: BlockPass, balance: Double, weights: WeightGradients) -> Tensor {
    guard let saved = take(&pass.attention) else {
      preconditionFailure("ATTN(B) comes once, after ATTN(F)")
    }
    let dResidual = residualGradient(pass, balance: balance, weights: weights)
    pass.keptResidual = nil
    pass.keptNormed = nil
    return attention.backward(
      dResidual, saved, sequences: pass.sequences, length: pass.length, weights: weights)
  }

  /// Through the router and the norm: the gradient of x + attention(x).
  private func residualGradient(_ pass: BlockPass, balance: Double, weights: WeightGradients)
    -> Tensor
  {
    guard let dx = take(&pass.outputGradient), let dNormed = take(&pass.normedGradient),
      let residual = pass.keptResidual?.load()
    else { preconditionFailure("ATTN(B) comes after DISPATCH(B)") }
    if let router, let routing = take(&pass.routing), let gates = take(&pass.gateGradient) {
      computes(.router, .input, pass, leaving: weights)
      let dLogits = router.logitGradient(routing, gateGradients: gates.matrix)
      if balance != 0 {
        _ = BalanceLoss.evaluate(
          routing, sequences: pass.sequences, weight: balance, addingTo: dLogits)
      }
      router.weight.inputGradient(dLogits.matrix, into: dNormed.matrix, beta: 1)
      dLogits.count(as: .activations)
      weights.linear(
        router.weight, kept: .numbers(TensorView(dLogits)), normedAgain(pass, router.weight))
    }
    arithmetic.round(dNormed)
    computes(.attention, .input, pass, leaving: weights)
    // The output's gradient flows on through the residual; it is also the gradient that MLP
    // weights may still need, so it is not overwritten.
    let dResidual = Tensor(dx.rows, dx.columns)
    rmsNormInputGradient(
      dNormed.matrix, x: residual.matrix, weight: mlpNorm.value.base,
      inverse: pass.inverse.base, into: dResidual.matrix, residual: dx.matrix)
    arithmetic.round(dResidual)
    weights.norm(mlpNorm, dNormed.matrix, residual.matrix, pass.inverse)
    return dResidual
  }
}

/// Moves a value out of an optional.
func take<T>(_ value: inout T?) -> T? {
  defer { value = nil }
  return value
}
