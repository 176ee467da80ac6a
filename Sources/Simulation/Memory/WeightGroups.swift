// The weights of a pipeline rank, grouped by who holds them too: the same grouping as the trainer
// makes (Training.Placement), as ZeRO-1 shards the optimizer of a group over its holders.

internal import ModelSpec
internal import Schedules

/// Numbers of weights.
struct WeightCount: Hashable, Sendable {
  /// Of linear layers whose products may be FP8.
  var linear = 0
  /// Embedding, head, router, norms.
  var other = 0

  var all: Int { linear + other }

  static func += (left: inout WeightCount, right: WeightCount) {
    left.linear += right.linear
    left.other += right.other
  }
}

/// Weights that the same ranks hold, seen from one pipeline rank.
struct WeightGroup: Hashable, Sendable {
  var weights: WeightCount
  /// World ranks that hold them.
  var holders: Int
  /// Place of the pipeline rank's first data rank among the holders, ascending.
  var place: Int

  /// Weights of the shard of that data rank, which is the largest of the pipeline rank: equal
  /// parts in multiples of 16 weights, the last ones maybe shorter.
  var shard: Int {
    let part = ((weights.all + holders - 1) / holders + 15) / 16 * 16
    return min((place + 1) * part, weights.all) - min(place * part, weights.all)
  }
}

/// Counts the weights of a model's stages.
struct WeightGroups: Sendable {
  private let spec: ModelSpec
  private let layout: Layout
  private let schedule: Schedule
  private let stages: [Range<Int>]
  private let census: ParameterCensus

  init(_ spec: ModelSpec, _ layout: Layout, _ schedule: Schedule, stages: [Range<Int>]) {
    self.spec = spec
    self.layout = layout
    self.schedule = schedule
    self.stages = stages
    // Parameters are the same at any length.
    census = ParameterCensus(spec, sequenceLength: 1)
  }

  /// The groups of the first data rank of `rank`.
  func groups(ofPipelineRank rank: Int) -> [WeightGroup] {
    var dense: [[Int]: WeightCount] = [:]
    var experts: [[Int]: WeightCount] = [:]
    let held = schedule.stages(onRank: rank)
    for stage in held {
      let holders = schedule.ranks(holding: stage)
      dense[holders, default: WeightCount()] += denseWeights(stage)
      experts[holders, default: WeightCount()] += expertWeights(stage)
    }
    if held.contains(where: needsEmbedding) {
      let holders = Set(
        stages.indices.filter(needsEmbedding).flatMap { schedule.ranks(holding: $0) }
      ).sorted()
      dense[holders, default: WeightCount()].other += census.embedding.parameters
    }
    func group(_ entry: ([Int], WeightCount), replicas: Int) -> WeightGroup {
      WeightGroup(
        weights: entry.1, holders: entry.0.count * replicas,
        place: (entry.0.firstIndex(of: rank) ?? 0) * replicas)
    }
    return dense.map { group(($0.key, $0.value), replicas: layout.data) }
      + experts.map { group(($0.key, $0.value), replicas: layout.data / layout.expert) }
  }

  /// Layers of a stage, MTP blocks with the last.
  func blockLayers(_ stage: Int) -> [Int] {
    let range = stages[stage]
    return Array(range)
      + (range.upperBound == spec.layers ? Array(spec.layers..<spec.layers + spec.mtpDepth) : [])
  }

  func needsEmbedding(_ stage: Int) -> Bool {
    stage == 0 || (stage == stages.count - 1 && spec.mtpDepth > 0)
  }

  private static let linearLayers: [ModelComponent] = [
    .queryDown, .queryUp, .keyValueDown, .keyValueUp, .outputProjection, .denseMLP,
    .sharedExpert, .mtpProjection,
  ]

  private func denseWeights(_ stage: Int) -> WeightCount {
    var weights = WeightCount()
    for layer in blockLayers(stage) {
      for component in Self.linearLayers {
        weights.linear += census.count(component, layer: layer).parameters
      }
      weights.other += census.count(.norms, layer: layer).parameters
      if spec.hasExperts(layer: layer) {
        // Without the selection bias, which has no gradient.
        weights.other += spec.hiddenSize * spec.routedExperts
      }
    }
    if stage == stages.count - 1 {
      weights.other += census.finalNorm.parameters + census.head.parameters
    }
    return weights
  }

  private func expertWeights(_ stage: Int) -> WeightCount {
    let all = blockLayers(stage).reduce(0) {
      $0 + census.count(.routedExperts, layer: $1).parameters
    }
    return WeightCount(linear: all / layout.expert)
  }
}

extension [WeightGroup] {
  var weights: WeightCount {
    reduce(into: WeightCount()) { $0 += $1.weights }
  }

  /// Weights of the optimizer shards.
  var shards: Int { reduce(0) { $0 + $1.shard } }
}
