// What a micro-batch leaves behind in one transformer block, tensor by tensor: the tensors that the
// backward of MLA and DeepSeekMoE reads (report section 2.1), less what is computed again.

package import ModelSpec

/// The sizes that the tensors of a micro-batch follow from.
package struct BlockActivations: Sendable {
  let spec: ModelSpec
  let layout: Layout
  let plan: MemoryPlan
  /// Positions of a micro-batch.
  let tokens: Int
  let rows: BalancedRows

  /// `tokens`: of a micro-batch; `rows`: of each layer with experts.
  package init(
    spec: ModelSpec, layout: Layout, plan: MemoryPlan, tokens: Int, rows: BalancedRows
  ) {
    self.spec = spec
    self.layout = layout
    self.plan = plan
    self.tokens = tokens
    self.rows = rows
  }

  /// Bytes of [tokens, columns].
  func bytes(_ columns: Int, _ format: StorageFormat) -> Int {
    format.bytes(rows: tokens, columns: columns)
  }

  /// Where the output of a norm lives: from the forward, or made again in the input half.
  var normed: TensorLifetime {
    plan.savings.contains(.recomputeNorms) ? .inputToWeight : .forwardToWeight
  }

  /// MLA with the norm before it.
  package func attention() -> SavedTensors {
    let hidden = spec.hiddenSize
    let queries = spec.heads * spec.queryHeadDim
    let values = spec.heads * spec.valueHeadDim
    let keyValues = spec.heads * (spec.nopeHeadDim + spec.valueHeadDim)
    let down = (spec.queryCompression ?? queries) + spec.keyValueCompression + spec.ropeHeadDim
    var part = SavedTensors()
    part.keep("block input", bytes(hidden, plan.stream), .forwardToInput)
    part.keep("1 / rms of input and latents", 3 * bytes(1, .fp32), .forwardToInput)
    part.keep("normed input", bytes(hidden, plan.operand), normed)
    part.keep("latents and rotary key", bytes(down, plan.stream), .forwardToInput)
    if let rank = spec.queryCompression {
      part.keep("normed query latent", bytes(rank, plan.operand), normed)
      keepUpProjected("queries", queries, in: &part)
      part.keep("query gradient", bytes(queries, plan.operand), .inputToWeight)
    }
    part.keep(
      "normed key-value latent", bytes(spec.keyValueCompression, plan.operand), normed)
    keepUpProjected("keys and values", keyValues, in: &part)
    keepUpProjected("keys with rotary part", queries, in: &part)
    part.keep("attention output", bytes(values, plan.attentionOutput), .forwardToWeight)
    part.keep("log-sum-exp", bytes(spec.heads, .fp32), .forwardToInput)
    part.keep("key-value gradient", bytes(keyValues, plan.operand), .inputToWeight)
    part.keep("latent gradient", bytes(down, plan.operand), .inputToWeight)
    part.keep("attention's output gradient", bytes(hidden, plan.operand), .inputToWeight)
    // The gradients of the core's output and of the block's input.
    part.work(bytes(values, plan.stream) + bytes(hidden, plan.stream))
    return part
  }

  /// Kept from the forward to the input half, or made again there.
  private func keepUpProjected(_ name: String, _ columns: Int, in part: inout SavedTensors) {
    let size = bytes(columns, plan.stream)
    if plan.savings.contains(.recomputeUpProjections) {
      part.work(size)
    } else {
      part.keep(name, size, .forwardToInput)
    }
  }

  /// Dense FFN, or router, shared and routed experts, with the norm before them.
  package func mlp(hasExperts: Bool) -> SavedTensors {
    let hidden = spec.hiddenSize
    var part = SavedTensors()
    part.keep("residual", bytes(hidden, plan.stream), .forwardToInput)
    part.keep("1 / rms of the residual", bytes(1, .fp32), .forwardToInput)
    // The router takes it in BF16.
    part.keep("normed residual", bytes(hidden, hasExperts ? plan.stream : plan.operand), normed)
    part.work(bytes(hidden, plan.stream))
    let width =
      hasExperts ? spec.sharedExperts * spec.expertIntermediateSize : spec.denseIntermediateSize
    if width > 0 {
      keepSwiGLU(hasExperts ? "shared" : "dense", rows: tokens, width: width, in: &part)
    }
    if width > 0 || layout.expert == 1 {
      part.keep("block's output gradient", bytes(hidden, plan.operand), .inputToWeight)
    }
    if hasExperts { keepRouted(in: &part) }
    return part
  }

  private func keepRouted(in part: inout SavedTensors) {
    let (hidden, perToken) = (spec.hiddenSize, spec.expertsPerToken)
    part.keep("affinities", bytes(spec.routedExperts, .fp32), .forwardToInput)
    part.keep("chosen experts and gates", 2 * bytes(perToken, .fp32), .forwardToInput)
    part.keep("logit gradient of the router", bytes(spec.routedExperts, .fp32), .inputToWeight)
    func received(_ format: StorageFormat) -> Int {
      format.bytes(rows: rows.received, columns: hidden)
    }
    // Alone in its group, a rank's experts read the normed residual and the block's output gradient
    // where they are.
    if layout.expert > 1 {
      part.keep("dispatched rows", received(plan.operand), .forwardToWeight)
      part.keep("output gradient of the rows", received(plan.operand), .inputToWeight)
    }
    // Expert and gate of each slot of a received row; row, slot and gate of each pair.
    part.keep(
      "routes of the rows", 4 * (2 * rows.received * perToken + 3 * rows.pairs),
      .forwardToWeight)
    keepSwiGLU("routed", rows: rows.pairs, width: spec.expertIntermediateSize, in: &part)
    part.work(received(plan.stream))
  }

  private func keepSwiGLU(_ name: String, rows: Int, width: Int, in part: inout SavedTensors) {
    let inputs = plan.swiGLUInput.bytes(rows: rows, columns: 2 * width)
    if plan.swiGLUInput == plan.operand {
      // The gradient takes its place.
      part.keep("\(name) SwiGLU inputs", inputs, .forwardToWeight)
    } else {
      part.keep("\(name) SwiGLU inputs", inputs, .forwardToInput)
      part.keep(
        "\(name) SwiGLU input gradient",
        plan.operand.bytes(rows: rows, columns: 2 * width), .inputToWeight)
    }
    part.keep(
      "\(name) SwiGLU outputs", plan.operand.bytes(rows: rows, columns: width),
      plan.savings.contains(.recomputeSwiGLU) ? .inputToWeight : .forwardToWeight)
    part.work(plan.stream.bytes(rows: rows, columns: width))
  }
}
