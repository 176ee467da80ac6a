// Names and shapes of the weights, as in the released checkpoint, in the order in which they lie
// in memory: weights that share their input (gate and up, the two down-projections of MLA) side by
// side, so that they can be multiplied as one.

package import Kernels
package import ModelSpec
internal import NumberFormats

package enum ModelParameters {
  package static let embedding = "model.embed_tokens.weight"

  package static func embeddingShape(_ spec: ModelSpec) -> ParameterShape {
    ParameterShape(embedding, spec.vocabularySize, spec.hiddenSize)
  }

  /// Final norm and output head.
  package static func headShapes(_ spec: ModelSpec) -> [ParameterShape] {
    [
      ParameterShape("model.norm.weight", 1, spec.hiddenSize),
      ParameterShape("lm_head.weight", spec.vocabularySize, spec.hiddenSize),
    ]
  }

  /// Everything of a block that each data rank holds: attention, norms, router, dense or shared.
  package static func blockShapes(_ spec: ModelSpec, layer: Int) -> [ParameterShape] {
    let prefix = "model.layers.\(layer)."
    let hidden = spec.hiddenSize
    var shapes = [ParameterShape(prefix + "input_layernorm.weight", 1, hidden)]
    shapes += attentionShapes(spec, prefix + "self_attn.")
    shapes.append(ParameterShape(prefix + "post_attention_layernorm.weight", 1, hidden))
    if spec.hasExperts(layer: layer) {
      shapes.append(ParameterShape(prefix + "mlp.gate.weight", spec.routedExperts, hidden))
      if spec.sharedExperts > 0 {
        shapes += feedForwardShapes(
          prefix + "mlp.shared_experts.", hidden,
          spec.sharedExperts * spec.expertIntermediateSize)
      }
    } else {
      shapes += feedForwardShapes(prefix + "mlp.", hidden, spec.denseIntermediateSize)
    }
    return shapes
  }

  /// The routed experts of a block that one expert rank holds.
  package static func expertShapes(_ spec: ModelSpec, layer: Int, experts: Range<Int>)
    -> [ParameterShape]
  {
    guard spec.hasExperts(layer: layer) else { return [] }
    return experts.flatMap {
      feedForwardShapes(
        "model.layers.\(layer).mlp.experts.\($0).", spec.hiddenSize, spec.expertIntermediateSize)
    }
  }

  /// What MTP module `depth` (1-based) has besides its block and the shared embedding and head.
  package static func moduleShapes(_ spec: ModelSpec, depth: Int) -> [ParameterShape] {
    let prefix = "model.layers.\(spec.layers + depth - 1)."
    let hidden = spec.hiddenSize
    return [
      ParameterShape(prefix + "enorm.weight", 1, hidden),
      ParameterShape(prefix + "hnorm.weight", 1, hidden),
      ParameterShape(prefix + "eh_proj.weight", hidden, 2 * hidden),
      ParameterShape(prefix + "shared_head.norm.weight", 1, hidden),
    ]
  }

  /// Layer numbers of a stage: its main layers, then the MTP blocks when it is the last.
  package static func blockLayers(_ spec: ModelSpec, stage layers: Range<Int>) -> [Int] {
    Array(layers)
      + (layers.upperBound == spec.layers
        ? Array(spec.layers..<spec.layers + spec.mtpDepth) : [])
  }

  /// Weights of a stage that are the same on every expert rank, the embedding table left out.
  package static func denseShapes(_ spec: ModelSpec, stage layers: Range<Int>) -> [ParameterShape] {
    var shapes = blockLayers(spec, stage: layers).flatMap { blockShapes(spec, layer: $0) }
    if layers.upperBound == spec.layers {
      shapes += headShapes(spec)
      for depth in 0..<spec.mtpDepth { shapes += moduleShapes(spec, depth: depth + 1) }
    }
    return shapes
  }

  /// Whether a stage looks tokens up: the first one, and the last when it has MTP modules.
  package static func needsEmbedding(_ spec: ModelSpec, stage layers: Range<Int>) -> Bool {
    layers.lowerBound == 0 || (layers.upperBound == spec.layers && spec.mtpDepth > 0)
  }

  /// Name of the router bias of a layer in a checkpoint.
  package static func biasName(layer: Int) -> String {
    "model.layers.\(layer).mlp.gate.e_score_correction_bias"
  }

  /// How a rank works with a weight: as the FP32 number it is (nil: norms, and all under FP32), in
  /// BF16 (embedding, head and router), or as the precision has it (report section 3.3.1).
  package static func workingCode(of shape: ParameterShape, _ numerics: Numerics) -> StorageCode? {
    guard shape.isMatrix, numerics.precision != .fp32 else { return nil }
    let staysHigh =
      shape.name == embedding || shape.name == "lm_head.weight"
      || shape.name.hasSuffix(".mlp.gate.weight")
    if staysHigh || numerics.precision == .bf16 { return .bf16 }
    return .e4m3(numerics.scaling == .tiles ? .block : .tensor, .float)
  }

  private static func attentionShapes(_ spec: ModelSpec, _ prefix: String) -> [ParameterShape] {
    let hidden = spec.hiddenSize
    let queries = spec.heads * spec.queryHeadDim
    let latent = spec.keyValueCompression
    var shapes: [ParameterShape] = []
    if let rank = spec.queryCompression {
      shapes.append(ParameterShape(prefix + "q_a_proj.weight", rank, hidden))
    } else {
      shapes.append(ParameterShape(prefix + "q_proj.weight", queries, hidden))
    }
    shapes.append(
      ParameterShape(prefix + "kv_a_proj_with_mqa.weight", latent + spec.ropeHeadDim, hidden))
    if let rank = spec.queryCompression {
      shapes.append(ParameterShape(prefix + "q_a_layernorm.weight", 1, rank))
      shapes.append(ParameterShape(prefix + "q_b_proj.weight", queries, rank))
    }
    return shapes + [
      ParameterShape(prefix + "kv_a_layernorm.weight", 1, latent),
      ParameterShape(
        prefix + "kv_b_proj.weight", spec.heads * (spec.nopeHeadDim + spec.valueHeadDim), latent),
      ParameterShape(prefix + "o_proj.weight", hidden, spec.heads * spec.valueHeadDim),
    ]
  }

  private static func feedForwardShapes(_ prefix: String, _ hidden: Int, _ width: Int)
    -> [ParameterShape]
  {
    [
      ParameterShape(prefix + "gate_proj.weight", width, hidden),
      ParameterShape(prefix + "up_proj.weight", width, hidden),
      ParameterShape(prefix + "down_proj.weight", hidden, width),
    ]
  }
}
