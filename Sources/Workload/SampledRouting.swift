// Routing that nobody has run: tokens choose experts by skewed popularity, limited to groups as in
// training. Token-level draws are made once, for a pool of source ranks; each exchange then takes
// one draw of the pool for each of its sources.

package import ModelSpec

/// Rows drawn from skewed expert popularity, the same for the same seed. For layouts whose expert
/// groups lie alike on nodes.
package struct SampledRouting: Sendable {
  /// What the pool is drawn from; it follows from this.
  let source: RoutingDraws
  /// By layer × draws + draw.
  private let pool: [RoutedRows]

  /// Source draws of a layer's pool.
  package static let standardDraws = 64

  /// - Parameters:
  ///   - shape: of a step of `spec`.
  ///   - skew: coefficient of variation of an expert's popularity within its layer; 0: all alike.
  package init(
    spec: ModelSpec, layout: Layout, shape: StepShape, seed: UInt64, skew: Double,
    draws: Int = SampledRouting.standardDraws
  ) {
    self.init(
      RoutingDraws(
        layout: layout, shape: shape, denseLayers: spec.denseLayers,
        expertGroups: spec.expertGroups, groupsPerToken: spec.groupsPerToken, seed: seed,
        skew: skew, draws: draws))
  }

  init(_ source: RoutingDraws) {
    self.source = source
    pool = source.pool()
  }

  package var seed: UInt64 { source.seed }
  package var skew: Double { source.skew }
  package var expert: Int { source.layout.expert }
  package var draws: Int { source.draws }

  /// The rows of one source.
  package func rows(layer: Int, microbatch: Int, dataRank: Int) -> RoutedRows {
    pool[layer * draws + draw(layer: layer, microbatch: microbatch, dataRank: dataRank)]
  }

  /// Which draw of its layer's pool a source takes.
  package func draw(layer: Int, microbatch: Int, dataRank: Int) -> Int {
    var word = seed &+ UInt64(layer) &* 0x9E37_79B9_7F4A_7C15
    word = mixed(word ^ UInt64(microbatch) &* 0xBF58_476D_1CE4_E5B9)
    word = mixed(word ^ UInt64(dataRank) &* 0x94D0_49BB_1331_11EB)
    return Int(word % UInt64(draws))
  }
}

extension SampledRouting: Hashable {
  package static func == (left: Self, right: Self) -> Bool { left.source == right.source }
  package func hash(into hasher: inout Hasher) { hasher.combine(source) }
}
