// Every tensor of a model by the name it has in the released checkpoint: what a checkpoint holds,
// a stage owns and an optimizer steps.

/// What a tensor does.
package enum ParameterRole: Hashable, Sendable {
  case embedding
  case head
  /// RMSNorm weights: of blocks, of latents, of MTP's inputs, the final one.
  case norm
  /// Projections of multi-head latent attention.
  case attention
  case denseMLP
  /// The gate's matrix and its selection-only bias.
  case router
  case sharedExpert
  /// With the expert's number in its layer.
  case routedExpert(Int)
  /// `eh_proj`, which joins hidden state and embedding (M_k of eq. 21).
  case mtpProjection
}

/// One tensor of the model.
package struct ParameterSpec: Equatable, Sendable {
  /// Name in the released checkpoint.
  package var name: String
  /// `[outputs, inputs]` of a matrix (the embedding: `[vocabulary, hidden]`), `[n]` of a vector.
  package var shape: [Int]
  package var role: ParameterRole
  /// Layer, 0-based; MTP blocks are the layers after the main model's. Nil for embedding, final
  /// norm and head.
  package var layer: Int?
  /// Whether no gradient is taken: the selection-only bias, which is updated from loads.
  package var isBuffer: Bool = false

  package var elements: Int { shape.reduce(1, *) }
}

extension ModelSpec {
  /// All tensors, in the order of the forward pass: embedding, layers, final norm, head, then MTP
  /// blocks. MTP's embedding and head are the main model's and are not repeated.
  package func parameters() -> [ParameterSpec] {
    [embeddingParameter]
      + (0..<layers).flatMap { layerParameters($0) }
      + [finalNormParameter, headParameter]
      + (layers..<(layers + mtpDepth)).flatMap { mtpParameters($0) }
  }

  package var embeddingParameter: ParameterSpec {
    ParameterSpec(
      name: "model.embed_tokens.weight", shape: [vocabularySize, hiddenSize], role: .embedding)
  }

  package var finalNormParameter: ParameterSpec {
    ParameterSpec(name: "model.norm.weight", shape: [hiddenSize], role: .norm)
  }

  package var headParameter: ParameterSpec {
    ParameterSpec(name: "lm_head.weight", shape: [vocabularySize, hiddenSize], role: .head)
  }

  /// The tensors of one transformer block: attention, then FFN or experts.
  package func layerParameters(_ layer: Int) -> [ParameterSpec] {
    var list = ParameterList(layer: layer)
    list.norm("input_layernorm", hiddenSize)
    if let queryCompression {
      list.matrix("self_attn.q_a_proj", queryCompression, hiddenSize, .attention)
      list.norm("self_attn.q_a_layernorm", queryCompression)
      list.matrix("self_attn.q_b_proj", heads * queryHeadDim, queryCompression, .attention)
    } else {
      list.matrix("self_attn.q_proj", heads * queryHeadDim, hiddenSize, .attention)
    }
    list.matrix(
      "self_attn.kv_a_proj_with_mqa", keyValueCompression + ropeHeadDim, hiddenSize, .attention)
    list.norm("self_attn.kv_a_layernorm", keyValueCompression)
    list.matrix(
      "self_attn.kv_b_proj", heads * (nopeHeadDim + valueHeadDim), keyValueCompression,
      .attention)
    list.matrix("self_attn.o_proj", hiddenSize, heads * valueHeadDim, .attention)
    list.norm("post_attention_layernorm", hiddenSize)
    guard hasExperts(layer: layer) else {
      list.gatedMLP("mlp", width: denseIntermediateSize, hidden: hiddenSize, .denseMLP)
      return list.parameters
    }
    list.matrix("mlp.gate", routedExperts, hiddenSize, .router)
    list.parameters.append(
      ParameterSpec(
        name: list.prefix + "mlp.gate.e_score_correction_bias", shape: [routedExperts],
        role: .router, layer: layer, isBuffer: true))
    if sharedExperts > 0 {
      list.gatedMLP(
        "mlp.shared_experts", width: sharedExperts * expertIntermediateSize, hidden: hiddenSize,
        .sharedExpert)
    }
    for expert in 0..<routedExperts {
      list.gatedMLP(
        "mlp.experts.\(expert)", width: expertIntermediateSize, hidden: hiddenSize,
        .routedExpert(expert))
    }
    return list.parameters
  }

  /// The tensors of MTP block `layer` (≥ `layers`): its own norms and projection around a
  /// transformer block.
  package func mtpParameters(_ layer: Int) -> [ParameterSpec] {
    var list = ParameterList(layer: layer)
    list.norm("enorm", hiddenSize)
    list.norm("hnorm", hiddenSize)
    list.matrix("eh_proj", hiddenSize, 2 * hiddenSize, .mtpProjection)
    list.parameters += layerParameters(layer)
    list.norm("shared_head.norm", hiddenSize)
    return list.parameters
  }

  /// Copies of the shared embedding and head that the released file has in an MTP block.
  package func repeatedParameters() -> [ParameterSpec] {
    (layers..<(layers + mtpDepth)).flatMap { layer in
      var list = ParameterList(layer: layer)
      list.matrix("embed_tokens", vocabularySize, hiddenSize, .embedding)
      list.matrix("shared_head.head", vocabularySize, hiddenSize, .head)
      return list.parameters
    }
  }
}

/// Collects the tensors of one layer.
private struct ParameterList {
  var layer: Int
  var parameters: [ParameterSpec] = []

  init(layer: Int) { self.layer = layer }

  var prefix: String { "model.layers.\(layer)." }

  mutating func norm(_ name: String, _ size: Int) {
    add(name, [size], .norm)
  }

  mutating func matrix(_ name: String, _ outputs: Int, _ inputs: Int, _ role: ParameterRole) {
    add(name, [outputs, inputs], role)
  }

  mutating func gatedMLP(_ name: String, width: Int, hidden: Int, _ role: ParameterRole) {
    matrix(name + ".gate_proj", width, hidden, role)
    matrix(name + ".up_proj", width, hidden, role)
    matrix(name + ".down_proj", hidden, width, role)
  }

  private mutating func add(_ name: String, _ shape: [Int], _ role: ParameterRole) {
    parameters.append(
      ParameterSpec(name: prefix + name + ".weight", shape: shape, role: role, layer: layer))
  }
}
