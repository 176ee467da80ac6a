// Who holds which weights. From the model, the layout and the schedule's placement of stages
// follows, for each weight, the set of ranks that hold it; weights with the same holders share a
// flat buffer and a communicator, and their optimizer state is sharded over the holders (ZeRO-1).

package import Model
package import ModelSpec
package import Schedules

/// The weights of one rank, grouped by holders. A pure function of what all ranks know.
package struct Placement: Sendable {
  /// Weights that exactly these world ranks hold.
  package struct Group: Sendable {
    /// World ranks, ascending.
    package var holders: [Int]
    package var shapes: [ParameterShape]

    /// Short name for logs and checkpoints, e.g. "ranks-0-3-12-15".
    package var label: String { "ranks-" + holders.map(String.init).joined(separator: "-") }

    /// Weights of one holder.
    var elements: Int { shapes.reduce(0) { $0 + $1.count } }
  }

  package let spec: ModelSpec
  package let layout: Layout
  package let schedule: Schedule
  /// Layers of each stage.
  package let stages: [Range<Int>]

  package init(spec: ModelSpec, layout: Layout, schedule: Schedule, stages: [Range<Int>]) {
    precondition(stages.count == schedule.stages, "a range of layers for each stage")
    self.spec = spec
    self.layout = layout
    self.schedule = schedule
    self.stages = stages
  }

  /// Experts that a world rank holds of each layer.
  package func experts(of rank: Int) -> Range<Int> {
    let count = spec.routedExperts / layout.expert
    let first = layout.expertRank(of: rank) * count
    return first..<first + count
  }

  /// The groups of a rank, in the order that all ranks agree on: by holders, those of experts by
  /// the holders of the first slice of experts, so that all data ranks go through theirs alike.
  package func groups(of rank: Int) -> [Group] {
    var byHolders: [[Int]: [ParameterShape]] = [:]
    let held = schedule.stages(onRank: layout.pipelineRank(of: rank))
    for stage in held {
      let dense = ModelParameters.denseShapes(spec, stage: stages[stage])
      if !dense.isEmpty { byHolders[holders(of: stage), default: []] += dense }
      let experts = ModelParameters.blockLayers(spec, stage: stages[stage]).flatMap {
        ModelParameters.expertShapes(spec, layer: $0, experts: self.experts(of: rank))
      }
      if !experts.isEmpty {
        byHolders[expertHolders(of: stage, like: rank), default: []] += experts
      }
    }
    if held.contains(where: { ModelParameters.needsEmbedding(spec, stage: stages[$0]) }) {
      byHolders[embeddingHolders, default: []].append(ModelParameters.embeddingShape(spec))
    }
    func order(_ holders: [Int]) -> [Int] {
      holders.map { $0 - layout.expertRank(of: holders[0]) }
    }
    return byHolders.sorted { order($0.key).lexicographicallyPrecedes(order($1.key)) }.map {
      Group(holders: $0.key, shapes: $0.value)
    }
  }

  /// World ranks that hold the dense weights of a stage.
  package func holders(of stage: Int) -> [Int] {
    worldRanks(schedule.ranks(holding: stage)) { _ in true }
  }

  /// World ranks that hold the same experts of a stage as `rank`.
  private func expertHolders(of stage: Int, like rank: Int) -> [Int] {
    let place = layout.expertRank(of: rank)
    return worldRanks(schedule.ranks(holding: stage)) { $0 % layout.expert == place }
  }

  /// World ranks that look tokens up: the first stage's, and the last's when it has MTP modules.
  private var embeddingHolders: [Int] {
    let wanting = stages.indices.filter {
      ModelParameters.needsEmbedding(spec, stage: stages[$0])
    }
    let pipelineRanks = Set(wanting.flatMap { schedule.ranks(holding: $0) }).sorted()
    return worldRanks(pipelineRanks) { _ in true }
  }

  private func worldRanks(_ pipelineRanks: [Int], where keep: (Int) -> Bool) -> [Int] {
    pipelineRanks.flatMap { pipeline in
      (0..<layout.data).filter(keep).map { layout.worldRank(pipeline: pipeline, data: $0) }
    }.sorted()
  }
}
