// Drawn routing against what it should be like: exact where it is (pairs, limits, determinism),
// within statistical error where it is chance, with an independent draw as the oracle.
import Glibc
import ModelSpec
import Testing
import Workload

@Suite struct SampledRoutingTests {
  static let layout = Layout(pipeline: 16, data: 128, expert: 64, gpusPerNode: 8)

  static func draw(
    _ spec: ModelSpec = ModelPreset.deepseekV3.spec, layout: Layout = layout, tokens: Int = 1024,
    seed: UInt64 = 1, skew: Double = 0, draws: Int = 4
  ) -> SampledRouting {
    SampledRouting(
      spec: spec, layout: layout,
      shape: StepShape(spec, sequenceLength: tokens, sequences: 1, microbatches: 4), seed: seed,
      skew: skew, draws: draws)
  }

  /// The different rows that a layer's sources take.
  static func pool(_ routing: SampledRouting, layer: Int) -> [RoutedRows] {
    var found: [Int: RoutedRows] = [:]
    for dataRank in 0..<1000 where found.count < routing.draws {
      let number = routing.draw(layer: layer, microbatch: 0, dataRank: dataRank)
      found[number] = routing.rows(layer: layer, microbatch: 0, dataRank: dataRank)
    }
    return found.sorted { $0.key < $1.key }.map(\.value)
  }

  @Test func theSameSeedGivesTheSameAndAnotherDoesNot() {
    let (one, same, other) = (Self.draw(), Self.draw(), Self.draw(seed: 2))
    #expect(one == same)
    #expect(one != other)
    #expect(Self.pool(one, layer: 7) == Self.pool(same, layer: 7))
    #expect(Self.pool(one, layer: 7) != Self.pool(other, layer: 7))
    #expect(Self.pool(one, layer: 7) != Self.pool(one, layer: 8))
  }

  @Test(arguments: [
    (4, 2, 2, 1), (8, 2, 4, 2), (16, 4, 4, 2), (64, 6, 1, 1), (160, 6, 10, 3), (256, 8, 8, 4),
    (24, 5, 12, 4), (12, 3, 3, 3),
  ])
  func pairsAndLimitsHold(experts: Int, perToken: Int, groups: Int, limit: Int) throws {
    let spec = ModelSpec.tiny(
      layers: 3, dense: 1, mtp: 1, experts: experts, perToken: perToken, groups: groups,
      groupsPerToken: limit)
    try spec.validate()
    // A rank for each expert, a node for each group.
    let layout = Layout(
      pipeline: 1, data: experts, expert: experts, gpusPerNode: experts / groups)
    let routing = Self.draw(spec, layout: layout, tokens: 100, skew: 0.5)
    for layer in 1..<4 {
      let tokens = layer == 3 ? 99 : 100  // the MTP module has one position less
      for rows in Self.pool(routing, layer: layer) {
        #expect(rows.pairs.reduce(0) { $0 + Int($1) } == tokens * perToken)
        #expect(rows.pairs == rows.toRank)  // an expert a rank: no token comes twice
        #expect(rows.toNode.reduce(0) { $0 + Int($1) } <= tokens * limit)
        #expect(rows.toNode.allSatisfy { $0 <= tokens })
      }
    }
  }

  /// Ranks and nodes of one token by the textbook: 256 Gumbel keys, sigmoids, the sum of the two
  /// highest of each group of 32, four groups, the eight best.
  private func textbook(tokens: Int) -> (ranks: Double, nodes: Double) {
    var random = TestRandom(state: 99)
    var (ranks, nodes) = (0, 0)
    for _ in 0..<tokens {
      let keys = (0..<256).map { _ in -log(-log(random.unit())) }
      let scores = (0..<8).map { group in
        keys[group * 32..<group * 32 + 32].sorted(by: >).prefix(2)
          .reduce(0) { $0 + 1 / (1 + exp(-$1)) }
      }
      let best = Set((0..<8).sorted { scores[$0] > scores[$1] }.prefix(4))
      let chosen = (0..<256).filter { best.contains($0 / 32) }.sorted { keys[$0] > keys[$1] }
        .prefix(8)
      ranks += Set(chosen.map { $0 / 4 }).count
      nodes += Set(chosen.map { $0 / 32 }).count
    }
    return (Double(ranks) / Double(tokens), Double(nodes) / Double(tokens))
  }

  /// DeepSeek-V3 at EP 64 without skew: 7.48 ranks and 3.96 nodes a token. Deviation of one
  /// token: about 0.65 ranks and 0.2 nodes; of the mean of 4096, below 0.011 and 0.004.
  @Test func aTokenOfDeepSeekV3MeetsSevenAndAHalfRanksOnFourNodes() {
    let routing = Self.draw()
    let pool = Self.pool(routing, layer: 30)
    let tokens = Double(1024 * pool.count)
    let ranks = pool.reduce(0.0) { $0 + $1.toRank.reduce(0.0) { $0 + Double($1) } } / tokens
    let nodes = pool.reduce(0.0) { $0 + $1.toNode.reduce(0.0) { $0 + Double($1) } } / tokens
    let oracle = textbook(tokens: 4096)
    #expect(abs(ranks - oracle.ranks) < 0.06)
    #expect(abs(nodes - oracle.nodes) < 0.02)
    #expect(abs(ranks - 7.48) < 0.05)
    #expect(abs(nodes - 3.96) < 0.015)
  }

  /// 4 draws of 1024 tokens: a rank of four experts expects 512 pairs, with a deviation below
  /// that of 512 independent ones, 22.6; none of 64 should be beyond five of these.
  @Test func withoutSkewAllRanksAreAlikeWithinChance() {
    let pool = Self.pool(Self.draw(), layer: 12)
    for rank in 0..<64 {
      let pairs = pool.reduce(0) { $0 + Int($1.pairs[rank]) }
      #expect(abs(pairs - 512) < 113)
    }
  }

  /// A rank for each of 256 experts without limit on groups: the load of an expert goes with its
  /// popularity, somewhat less at the top since a token takes an expert once. 8 × 16384 / 256 =
  /// 512 pairs an expert add a deviation of 1/√512 = 0.044 by chance.
  @Test(arguments: [0.0, 0.2, 0.4, 0.8])
  func loadsVaryAsMuchAsTheSkewSays(skew: Double) {
    let spec = ModelSpec.tiny(
      layers: 1, experts: 256, perToken: 8, groups: 8, groupsPerToken: 8)
    let layout = Layout(pipeline: 1, data: 256, expert: 256, gpusPerNode: 8)
    var variations: [Double] = []
    for seed in 1...4 {
      let pool = Self.pool(
        Self.draw(spec, layout: layout, tokens: 4096, seed: UInt64(seed), skew: skew), layer: 0)
      let loads = (0..<256).map { rank in pool.reduce(0.0) { $0 + Double($1.pairs[rank]) } }
      let mean = loads.reduce(0, +) / 256
      #expect(mean == 512)
      let variance = loads.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 256
      variations.append(variance.squareRoot() / mean)
    }
    let variation = variations.reduce(0, +) / 4
    let expected = (skew * skew + 1 / 512).squareRoot()
    #expect(variation > 0.85 * expected && variation < 1.1 * expected, "\(variations)")
  }

  /// Sources of an exchange take different draws, spread evenly.
  @Test func sourcesTakeAllDraws() {
    let routing = Self.draw(tokens: 16, draws: 8)
    var counts = [Int](repeating: 0, count: 8)
    for dataRank in 0..<128 {
      for microbatch in 0..<10 {
        counts[routing.draw(layer: 5, microbatch: microbatch, dataRank: dataRank)] += 1
      }
    }
    // 1280 in 8: 160 each, deviation 11.8.
    #expect(counts.allSatisfy { abs($0 - 160) < 60 })
  }
}
