// How much memory each rank of a layout needs for a step, by category: weights and their optimizer
// shards from who holds what, activations from the order of the schedule's actions, buffers by a
// rule. docs/cluster-model.md has the equations and what they ignore.

package import ModelSpec
package import Schedules
internal import Units

/// The memory of one step. A value; everything is computed when it is made.
package struct MemoryModel: Sendable {
  package let spec: ModelSpec
  package let layout: Layout
  package let schedule: Schedule
  /// Layers of each stage.
  package let stages: [Range<Int>]
  /// Positions of a micro-batch, and of a sequence.
  package let tokens: Int
  package let sequenceLength: Int
  package let plan: MemoryPlan
  package let rows: BalancedRows

  private let byRank: [RankMemory]

  /// What a pipeline rank needs.
  struct RankMemory: Sendable {
    var bytes: MemoryBytes
    var peak: HeldPeak
    var weights: WeightCount
  }

  /// O(actions).
  ///
  /// - Parameters:
  ///   - layout: with a pipeline rank for each rank of the schedule.
  ///   - schedule: of a training step.
  ///   - stages: layers of the main model for each stage of the schedule.
  ///   - tokens: positions of a micro-batch, a multiple of `sequenceLength`.
  ///   - rows: of a layer with experts; balanced routing's expectation unless given. A trainer's
  ///     are always those of `BalancedRouting`.
  package init(
    model spec: ModelSpec, layout: Layout, schedule: Schedule, stages: [Range<Int>], tokens: Int,
    sequenceLength: Int, plan: MemoryPlan, rows: BalancedRows? = nil
  ) {
    precondition(stages.count == schedule.stages, "a range of layers for each stage")
    precondition(layout.pipeline == schedule.ranks, "a pipeline rank for each of the schedule's")
    precondition(schedule.purpose == .training, "evaluation keeps nothing")
    precondition(tokens % sequenceLength == 0, "a micro-batch is whole sequences")
    precondition(
      layout.data % layout.expert == 0 && spec.routedExperts % layout.expert == 0,
      "expert groups divide the data ranks and the experts")
    self.spec = spec
    self.layout = layout
    self.schedule = schedule
    self.stages = stages
    self.tokens = tokens
    self.sequenceLength = sequenceLength
    self.plan = plan
    let rows = rows ?? .balanced(spec, layout, tokens: tokens)
    self.rows = rows
    if case .trainer(let numerics, let convention) = plan.owner {
      guard let lowered = try? SchedulePlan(lowering: schedule) else {
        preconditionFailure("a schedule is checked: it can be performed")
      }
      byRank = Self.trained(
        spec, layout, lowered, stages: stages, tokens: tokens, sequenceLength: sequenceLength,
        numerics: numerics, joinsNormed: convention == .released)
      return
    }
    let block = BlockActivations(
      spec: spec, layout: layout, plan: plan, tokens: tokens, rows: rows)
    let activations = stages.map { StageActivations(layers: $0, block) }
    let weights = WeightGroups(spec, layout, schedule, stages: stages)
    let buffers = BufferBytes(block: block, schedule: schedule, sequenceLength: sequenceLength)
    byRank = (0..<schedule.ranks).map { rank in
      let held = schedule.stages(onRank: rank)
      let peak = HeldPeak(
        of: schedule.actions[rank],
        stages: Dictionary(uniqueKeysWithValues: held.map { ($0, activations[$0]) }))
      let groups = weights.groups(ofPipelineRank: rank)
      let count = groups.weights
      let bytes = MemoryBytes(
        parameters: ByteCount(
          plan.linearWeights.bytes(weights: count.linear)
            + plan.stream.bytes(weights: count.other)),
        gradients: ByteCount(StorageFormat.fp32.bytes(weights: count.all)),
        optimizer: ByteCount(groups.shards * plan.optimizerBytesPerParameter),
        activations: ByteCount(peak.bytes),
        buffers: ByteCount(
          buffers.bytes(
            ofPipelineRank: rank, layers: held.flatMap { weights.blockLayers($0) },
            workingSpace: peak.workingSpace)))
      return RankMemory(bytes: bytes, peak: peak, weights: count)
    }
  }

  /// What the fullest data rank of `rank` needs: the first, whose optimizer shards are the largest.
  package func bytes(ofPipelineRank rank: Int) -> MemoryBytes { byRank[rank].bytes }

  /// The moment at which `rank` needs the most, and whose activations it holds then.
  package func peak(ofPipelineRank rank: Int) -> HeldPeak { byRank[rank].peak }

  /// Weights that `rank` holds.
  package func parameters(ofPipelineRank rank: Int) -> Int { byRank[rank].weights.all }

  /// The pipeline rank that needs the most; the first of equals.
  package var fullest: (rank: Int, bytes: MemoryBytes) {
    var fullest = 0
    for rank in byRank.indices
    where byRank[rank].bytes.total > byRank[fullest].bytes.total {
      fullest = rank
    }
    return (fullest, byRank[fullest].bytes)
  }

  /// The same step under another plan.
  package func with(_ plan: MemoryPlan) -> MemoryModel {
    MemoryModel(
      model: spec, layout: layout, schedule: schedule, stages: stages, tokens: tokens,
      sequenceLength: sequenceLength, plan: plan, rows: rows)
  }
}
