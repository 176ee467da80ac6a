// Parameters and FLOPs of a model by component, in closed form (the report's 671 B, 37 B
// activated and 250 GFLOPs per token follow from it). Norms, rotary embedding, SwiGLU, softmax
// and the choice of experts count no FLOPs; a multiplication with its addition counts two.

/// A part of the model that is counted by itself.
package enum ModelComponent: String, Sendable, CaseIterable {
  case embedding, queryDown, queryUp, keyValueDown, keyValueUp, outputProjection, attentionCore
  /// The RMSNorms of a block, of its latents and, in MTP, of its inputs and output; the final one.
  case norms
  case denseMLP, routedExperts, sharedExpert, router, mtpProjection, head
}

/// Parameters, and FLOPs of the forward pass for one token.
package struct ComponentCount: Equatable, Sendable, AdditiveArithmetic {
  package var parameters: Int
  /// Parameters that one token meets. The whole embedding counts, as the report has it.
  package var activatedParameters: Int
  /// FLOPs of matrix products with weights, of one token.
  package var linearFLOPs: Int
  /// FLOPs of the products of queries with keys and of scores with values, of one token that
  /// attends to the whole sequence.
  package var attentionFLOPs: Int

  package init(
    parameters: Int = 0, activatedParameters: Int = 0, linearFLOPs: Int = 0,
    attentionFLOPs: Int = 0
  ) {
    self.parameters = parameters
    self.activatedParameters = activatedParameters
    self.linearFLOPs = linearFLOPs
    self.attentionFLOPs = attentionFLOPs
  }

  package static let zero = ComponentCount()

  package static func + (left: ComponentCount, right: ComponentCount) -> ComponentCount {
    ComponentCount(
      parameters: left.parameters + right.parameters,
      activatedParameters: left.activatedParameters + right.activatedParameters,
      linearFLOPs: left.linearFLOPs + right.linearFLOPs,
      attentionFLOPs: left.attentionFLOPs + right.attentionFLOPs)
  }

  package static func - (left: ComponentCount, right: ComponentCount) -> ComponentCount {
    ComponentCount(
      parameters: left.parameters - right.parameters,
      activatedParameters: left.activatedParameters - right.activatedParameters,
      linearFLOPs: left.linearFLOPs - right.linearFLOPs,
      attentionFLOPs: left.attentionFLOPs - right.attentionFLOPs)
  }

  /// FLOPs of the forward pass of one token; causal attention does half of the score matrix.
  package func forwardFLOPs(causal: Bool) -> Int {
    linearFLOPs + (causal ? attentionFLOPs / 2 : attentionFLOPs)
  }

  /// FLOPs of forward and backward of one token: the backward does two products for each of the
  /// forward's. Recomputation is not counted.
  package func forwardBackwardFLOPs(causal: Bool) -> Int { 3 * forwardFLOPs(causal: causal) }
}

/// The counts of one model at one sequence length.
package struct ParameterCensus: Equatable, Sendable {
  package let spec: ModelSpec
  /// Positions of a sequence, on which the attention core's FLOPs depend.
  package let sequenceLength: Int

  package init(_ spec: ModelSpec, sequenceLength: Int) {
    precondition(sequenceLength > 0, "a sequence has at least one position")
    self.spec = spec
    self.sequenceLength = sequenceLength
  }

  /// One component of layer `index`, 0-based; MTP blocks are the layers after the main model's,
  /// and each runs the shared head once more. A component that the layer lacks is zero.
  package func count(_ component: ModelComponent, layer index: Int) -> ComponentCount {
    let isMTP = index >= spec.layers
    let experts = spec.hasExperts(layer: index)
    let hidden = spec.hiddenSize
    return switch component {
    case .norms: ComponentCount.vector(blockNorms + (isMTP ? 3 * hidden : 0))
    case .denseMLP: experts ? .zero : .matrix(3 * hidden * spec.denseIntermediateSize)
    case .routedExperts: experts ? routedExperts : .zero
    case .sharedExpert:
      experts ? .matrix(3 * hidden * spec.sharedExperts * spec.expertIntermediateSize) : .zero
    case .router:
      experts ? .matrix(hidden * spec.routedExperts) + .vector(spec.routedExperts) : .zero
    case .mtpProjection: isMTP ? .matrix(2 * hidden * hidden) : .zero
    case .head: isMTP ? ComponentCount(linearFLOPs: head.linearFLOPs) : .zero
    case .embedding: .zero
    case .queryDown, .queryUp, .keyValueDown, .keyValueUp, .outputProjection, .attentionCore:
      attention(component)
    }
  }

  private func attention(_ component: ModelComponent) -> ComponentCount {
    let hidden = spec.hiddenSize
    let query = spec.heads * spec.queryHeadDim
    let rank = spec.keyValueCompression
    return switch component {
    case .queryDown: .matrix(hidden * (spec.queryCompression ?? 0))
    case .queryUp: .matrix((spec.queryCompression ?? hidden) * query)
    case .keyValueDown: .matrix(hidden * (rank + spec.ropeHeadDim))
    case .keyValueUp: .matrix(rank * spec.heads * (spec.nopeHeadDim + spec.valueHeadDim))
    case .outputProjection: .matrix(hidden * spec.heads * spec.valueHeadDim)
    case .attentionCore: ComponentCount(attentionFLOPs: attentionCore)
    default: .zero
    }
  }

  /// All of layer `index`.
  package func layer(_ index: Int) -> ComponentCount {
    ModelComponent.allCases.reduce(.zero) { $0 + count($1, layer: index) }
  }

  package var embedding: ComponentCount {
    .vector(spec.vocabularySize * spec.hiddenSize)
  }

  package var finalNorm: ComponentCount { .vector(spec.hiddenSize) }

  package var head: ComponentCount { .matrix(spec.vocabularySize * spec.hiddenSize) }

  /// Embedding, the main model's layers, final norm and head.
  package var mainModel: ComponentCount {
    (0..<spec.layers).reduce(embedding + finalNorm + head) { $0 + layer($1) }
  }

  /// The MTP blocks' own parameters, and their FLOPs with the shared head's.
  package var mtp: ComponentCount {
    (spec.layers..<(spec.layers + spec.mtpDepth)).reduce(.zero) { $0 + layer($1) }
  }

  package var total: ComponentCount { mainModel + mtp }

  /// FLOPs of one token that the backward does again in one layer when the up-projections of
  /// attention are recomputed (report, section 3.2.3).
  package var recomputedFLOPsPerLayer: Int {
    attention(.queryUp).linearFLOPs + attention(.keyValueUp).linearFLOPs
  }

  /// FLOPs of one token that a fused attention backward does in one layer beyond twice the
  /// forward's: it computes the scores again, five products for the forward's two.
  package func fusedBackwardExtraFLOPsPerLayer(causal: Bool) -> Int {
    let twice = 2 * (spec.queryHeadDim + spec.valueHeadDim)
    let executed = 3 * spec.queryHeadDim + 2 * spec.valueHeadDim
    let flops = 2 * sequenceLength * spec.heads * (executed - twice)
    return causal ? flops / 2 : flops
  }

  private var blockNorms: Int {
    2 * spec.hiddenSize + (spec.queryCompression ?? 0) + spec.keyValueCompression
  }

  private var attentionCore: Int {
    2 * sequenceLength * spec.heads * (spec.queryHeadDim + spec.valueHeadDim)
  }

  private var routedExperts: ComponentCount {
    let expert = 3 * spec.hiddenSize * spec.expertIntermediateSize
    var count = ComponentCount.matrix(expert * spec.expertsPerToken)
    count.parameters = expert * spec.routedExperts
    return count
  }
}

extension ComponentCount {
  /// A weight matrix that every token is multiplied with.
  fileprivate static func matrix(_ elements: Int) -> ComponentCount {
    ComponentCount(
      parameters: elements, activatedParameters: elements, linearFLOPs: 2 * elements)
  }

  /// Parameters that no product is counted for.
  fileprivate static func vector(_ elements: Int) -> ComponentCount {
    ComponentCount(parameters: elements, activatedParameters: elements)
  }
}
