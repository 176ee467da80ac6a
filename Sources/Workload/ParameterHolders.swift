// Which ranks share which weights: dense weights of a stage, routed experts, and the embedding,
// which the first stage and the last one with MTP look tokens up in. Weights with the same holders
// make one group.

internal import ModelSpec
internal import Schedules

/// Groups of parameters by the ranks that hold them, from the model's parameter list.
struct ParameterHolders {
  let spec: ModelSpec
  let layout: Layout
  let schedule: Schedule
  let stages: [Range<Int>]
  /// Layers of a kind are alike, so one of each is counted.
  private let denseLayer: (dense: Int, experts: Int)
  private let expertLayer: (dense: Int, experts: Int)
  private let mtpLayer: (dense: Int, experts: Int)

  init(spec: ModelSpec, layout: Layout, schedule: Schedule, stages: [Range<Int>]) {
    self.spec = spec
    self.layout = layout
    self.schedule = schedule
    self.stages = stages
    denseLayer = spec.denseLayers > 0 ? Self.count(spec.layerParameters(0)) : (0, 0)
    expertLayer = Self.count(spec.layerParameters(spec.layers - 1))
    mtpLayer = spec.mtpDepth > 0 ? Self.count(spec.mtpParameters(spec.layers)) : (0, 0)
  }

  /// The groups of any data rank of a pipeline rank, in the order of their holders.
  func groups(ofPipelineRank rank: Int) -> [ParameterGroup] {
    var groups: [ParameterGroup] = []
    func add(_ elements: Int, pipelineRanks: [Int], isExpert: Bool) {
      guard elements > 0 else { return }
      let same = isExpert && layout.expert > 1
      if let index = groups.firstIndex(where: {
        $0.pipelineRanks == pipelineRanks && $0.sameExpertPlace == same
      }) {
        groups[index].elements += elements
      } else {
        groups.append(
          ParameterGroup(
            pipelineRanks: pipelineRanks, sameExpertPlace: same, elements: elements))
      }
    }
    let held = schedule.stages(onRank: rank)
    for stage in held {
      let holders = schedule.ranks(holding: stage)
      let (dense, experts) = elements(of: stages[stage])
      add(dense, pipelineRanks: holders, isExpert: false)
      add(experts / layout.expert, pipelineRanks: holders, isExpert: true)
    }
    let embedding = stages.indices.filter { needsEmbedding(stages[$0]) }
    if held.contains(where: embedding.contains) {
      add(
        spec.embeddingParameter.elements,
        pipelineRanks: Set(embedding.flatMap(schedule.ranks(holding:))).sorted(),
        isExpert: false)
    }
    return groups.sorted { holders($0).lexicographicallyPrecedes(holders($1)) }
  }

  private func needsEmbedding(_ layers: Range<Int>) -> Bool {
    layers.lowerBound == 0 || (layers.upperBound == spec.layers && spec.mtpDepth > 0)
  }

  private typealias Weights = (dense: Int, experts: Int)

  /// Weights of a stage without the embedding: those of all ranks alike, and all routed experts'.
  private func elements(of layers: Range<Int>) -> (dense: Int, experts: Int) {
    var sum: Weights = (0, 0)
    for layer in layers { add(spec.hasExperts(layer: layer) ? expertLayer : denseLayer, to: &sum) }
    if layers.upperBound == spec.layers {
      sum.dense += spec.finalNormParameter.elements + spec.headParameter.elements
      for _ in 0..<spec.mtpDepth { add(mtpLayer, to: &sum) }
    }
    return sum
  }

  private func add(_ weights: (dense: Int, experts: Int), to sum: inout Weights) {
    sum.dense += weights.dense
    sum.experts += weights.experts
  }

  private static func count(_ parameters: [ParameterSpec]) -> (dense: Int, experts: Int) {
    var sum: Weights = (0, 0)
    for parameter in parameters where !parameter.isBuffer {
      if case .routedExpert = parameter.role {
        sum.experts += parameter.elements
      } else {
        sum.dense += parameter.elements
      }
    }
    return sum
  }

  /// World ranks that hold a group together with data rank 0, for a fixed order of groups.
  private func holders(_ group: ParameterGroup) -> [Int] {
    let step = group.sameExpertPlace ? layout.expert : 1
    return group.pipelineRanks.flatMap { pipeline in
      stride(from: 0, to: layout.data, by: step).map {
        layout.worldRank(pipeline: pipeline, data: $0)
      }
    }
  }
}
