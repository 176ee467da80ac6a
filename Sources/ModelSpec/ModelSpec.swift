// What a DeepSeek-V3 model is made of: the dimensions of Hugging Face's config.json under the
// names of the technical report (arXiv 2412.19437, section 2). No tensors here, only sizes.

/// YaRN's constants for a longer context (report section 4.3; Hugging Face's `rope_scaling`).
package struct YaRN: Equatable, Sendable {
  package var factor: Double
  package var originalMaxPositions: Int
  package var betaFast: Double = 32
  package var betaSlow: Double = 1
  package var mscale: Double = 1
  package var mscaleAllDim: Double = 0

  package init(
    factor: Double, originalMaxPositions: Int, betaFast: Double = 32, betaSlow: Double = 1,
    mscale: Double = 1, mscaleAllDim: Double = 0
  ) {
    self.factor = factor
    self.originalMaxPositions = originalMaxPositions
    self.betaFast = betaFast
    self.betaSlow = betaSlow
    self.mscale = mscale
    self.mscaleAllDim = mscaleAllDim
  }
}

/// How an MTP module joins the hidden state and the next token's embedding.
package enum MTPConvention: String, Sendable, CaseIterable {
  /// Equation 21 of the report: `[norm(h); norm(emb)]`, h before the final norm.
  case report
  /// The released checkpoint: `[norm(emb); norm(h)]`, h after the final norm.
  case released
}

/// The dimensions of one model. A plain value; `validate()` says what does not fit.
package struct ModelSpec: Equatable, Sendable {
  package var vocabularySize: Int
  package var hiddenSize: Int
  /// Transformer layers of the main model, MTP modules not counted.
  package var layers: Int
  /// The first so many layers have a dense FFN, the others experts.
  package var denseLayers: Int
  /// Inner width of a dense FFN.
  package var denseIntermediateSize: Int

  package var heads: Int
  /// Rank of the compressed query (d'_c), or nil when the query is projected directly.
  package var queryCompression: Int?
  /// Rank of the compressed key and value (d_c).
  package var keyValueCompression: Int
  /// Per-head size of the part of query and key without position.
  package var nopeHeadDim: Int
  /// Per-head size of the decoupled rotary part (d_h^R); the key's is shared by all heads.
  package var ropeHeadDim: Int
  package var valueHeadDim: Int

  package var routedExperts: Int
  package var sharedExperts: Int
  package var expertIntermediateSize: Int
  /// K_r: routed experts of a token.
  package var expertsPerToken: Int
  /// Groups the experts are divided into, and how many of them a token may use.
  package var expertGroups: Int
  package var groupsPerToken: Int
  package var normalisesGates: Bool = true
  package var routedScalingFactor: Double = 1

  /// MTP modules (D in section 2.2 of the report).
  package var mtpDepth: Int = 0

  package var rmsNormEpsilon: Double = 1e-6
  package var ropeTheta: Double = 10000
  package var maxPositions: Int = 4096
  package var yarn: YaRN?
  /// Standard deviation of a new model's weights.
  package var initializerRange: Double = 0.006

  package init(
    vocabularySize: Int, hiddenSize: Int, layers: Int, denseLayers: Int,
    denseIntermediateSize: Int, heads: Int, queryCompression: Int?, keyValueCompression: Int,
    nopeHeadDim: Int, ropeHeadDim: Int, valueHeadDim: Int, routedExperts: Int,
    sharedExperts: Int, expertIntermediateSize: Int, expertsPerToken: Int, expertGroups: Int,
    groupsPerToken: Int
  ) {
    self.vocabularySize = vocabularySize
    self.hiddenSize = hiddenSize
    self.layers = layers
    self.denseLayers = denseLayers
    self.denseIntermediateSize = denseIntermediateSize
    self.heads = heads
    self.queryCompression = queryCompression
    self.keyValueCompression = keyValueCompression
    self.nopeHeadDim = nopeHeadDim
    self.ropeHeadDim = ropeHeadDim
    self.valueHeadDim = valueHeadDim
    self.routedExperts = routedExperts
    self.sharedExperts = sharedExperts
    self.expertIntermediateSize = expertIntermediateSize
    self.expertsPerToken = expertsPerToken
    self.expertGroups = expertGroups
    self.groupsPerToken = groupsPerToken
  }
}

extension ModelSpec {
  /// Per-head size of query and key.
  package var queryHeadDim: Int { nopeHeadDim + ropeHeadDim }

  /// Whether layer `index` (0-based; MTP blocks follow the main layers) has experts.
  package func hasExperts(layer index: Int) -> Bool {
    routedExperts > 0 && index >= denseLayers
  }
}
