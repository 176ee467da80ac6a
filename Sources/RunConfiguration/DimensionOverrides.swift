// Dimensions of the model that a configuration changes: each is the preset's or config.json's
// unless given under `model.dimensions`.

package import ModelSpec

/// How the query is projected, when a configuration says so.
package enum QueryProjection: Equatable, Sendable {
  /// Directly, without a compressed latent.
  case direct
  /// Through a latent of this rank.
  case compressed(Int)
}

/// Replacements for single dimensions of a `ModelSpec`; nil keeps the model's own.
package struct DimensionOverrides: Equatable, Sendable {
  package var hidden: Int?
  package var layers: Int?
  package var denseLayers: Int?
  package var heads: Int?
  package var queryProjection: QueryProjection?
  package var keyValueCompression: Int?
  package var nopeHeadDim: Int?
  package var ropeHeadDim: Int?
  package var valueHeadDim: Int?
  package var denseWidth: Int?
  package var experts: Int?
  package var sharedExperts: Int?
  package var expertWidth: Int?
  package var expertsPerToken: Int?
  package var groups: Int?
  package var groupsPerToken: Int?
  package var routedScalingFactor: Double?

  package init() {}
}

extension RunConfiguration {
  /// `spec`, the preset's or config.json's, with the vocabulary, initializer range, MTP depth
  /// and dimensions that this configuration gives.
  package func applyOverrides(to spec: ModelSpec) -> ModelSpec {
    var result = spec
    func replace<Value>(_ target: WritableKeyPath<ModelSpec, Value>, _ value: Value?) {
      if let value { result[keyPath: target] = value }
    }
    replace(\.vocabularySize, vocabularySize)
    replace(\.initializerRange, initializerRange)
    replace(\.mtpDepth, mtpDepth)
    replace(\.hiddenSize, dimensions.hidden)
    replace(\.layers, dimensions.layers)
    replace(\.denseLayers, dimensions.denseLayers)
    replace(\.heads, dimensions.heads)
    replace(\.keyValueCompression, dimensions.keyValueCompression)
    replace(\.nopeHeadDim, dimensions.nopeHeadDim)
    replace(\.ropeHeadDim, dimensions.ropeHeadDim)
    replace(\.valueHeadDim, dimensions.valueHeadDim)
    replace(\.denseIntermediateSize, dimensions.denseWidth)
    replace(\.routedExperts, dimensions.experts)
    replace(\.sharedExperts, dimensions.sharedExperts)
    replace(\.expertIntermediateSize, dimensions.expertWidth)
    replace(\.expertsPerToken, dimensions.expertsPerToken)
    replace(\.expertGroups, dimensions.groups)
    replace(\.groupsPerToken, dimensions.groupsPerToken)
    replace(\.routedScalingFactor, dimensions.routedScalingFactor)
    switch dimensions.queryProjection {
    case .direct: result.queryCompression = nil
    case .compressed(let rank): result.queryCompression = rank
    case nil: break
    }
    return result
  }
}
