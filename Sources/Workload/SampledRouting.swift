// Routing that nobody has run: tokens choose experts by skewed popularity, limited to groups as in
// training. Token-level draws are made once, for a pool of source ranks; each exchange then takes
// one draw of the pool for each of its sources.

package import ModelSpec

/// Rows drawn from skewed expert popularity, the same for the same seed.
package struct SampledRouting: Hashable, Sendable {
  package let seed: UInt64
  /// Coefficient of variation of an expert's popularity within its layer; 0: all alike.
  package let skew: Double
  package let expert: Int
  package let draws: Int
  /// By layer × draws + draw.
  private let pool: [RoutedRows]

  /// Source draws of a layer's pool.
  package static let standardDraws = 64

  package init(
    spec: ModelSpec, layout: Layout, tokens: Int, seed: UInt64, skew: Double,
    draws: Int = SampledRouting.standardDraws
  ) {
    self.seed = seed
    self.skew = skew
    self.draws = draws
    expert = layout.expert
    pool = RoutingDraws(spec: spec, layout: layout, tokens: tokens, seed: seed, skew: skew)
      .pool(draws: draws)
  }

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

/// The finaliser of SplitMix64.
func mixed(_ word: UInt64) -> UInt64 {
  var z = word &+ 0x9E37_79B9_7F4A_7C15
  z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
  z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
  return z ^ (z >> 31)
}
