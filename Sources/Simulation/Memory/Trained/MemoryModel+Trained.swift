// The memory of a rank of dsv3's own trainer: the same categories as on a GPU, but counted as it
// allocates, so that the figures can be held against what a run counted.

internal import ModelSpec
internal import Schedules
internal import Units

extension MemoryModel {
  /// What each pipeline rank of a training run takes. O(actions × blocks).
  static func trained(
    _ spec: ModelSpec, _ layout: Layout, _ plan: SchedulePlan, stages: [Range<Int>], tokens: Int,
    sequenceLength: Int, numerics: Numerics, joinsNormed: Bool
  ) -> [RankMemory] {
    let weights = WeightGroups(spec, layout, plan.schedule, stages: stages)
    let shapes = TrainedWeights(spec: spec, numerics: numerics, layout: layout)
    func sizes(_ tokens: Int, _ length: Int) -> TrainedSizes {
      TrainedSizes(
        spec: spec, numerics: numerics, tokens: tokens, length: length,
        rows: TrainedRows(spec, layout, tokens: tokens), isAlone: layout.expert == 1)
    }
    let main = sizes(tokens, sequenceLength)
    // The model sees one token more than it has positions, so the first module has one less.
    let module = sizes(tokens - tokens / sequenceLength, sequenceLength - 1)
    let all = stages.indices.map { stage in
      TrainedStage(
        main: main, module: module,
        hasExperts: weights.blockLayers(stage).map { spec.hasExperts(layer: $0) },
        blocks: stages[stage].count, isFirst: stage == 0, isLast: stage == stages.count - 1,
        joinsNormed: joinsNormed)
    }
    return (0..<plan.schedule.ranks).map { rank in
      let held = plan.schedule.stages(onRank: rank)
      let step = TrainedStep(
        of: plan.actions[rank],
        stages: Dictionary(uniqueKeysWithValues: held.map { ($0, all[$0]) }),
        stageCount: stages.count)
      let groups = weights.groups(ofPipelineRank: rank)
      let layers = held.flatMap { weights.blockLayers($0) }
      let low = numerics.precision != .fp32
      let optimizer = (low ? 4 : 0) + (numerics.moments == .fp32 ? 8 : 4)
      // A rank without a block has no tables.
      let tables =
        (layers.isEmpty ? 0 : 4 * sequenceLength * spec.ropeHeadDim)
        + 4 * spec.routedExperts * layers.count { spec.hasExperts(layer: $0) }
      let bytes = MemoryBytes(
        parameters: ByteCount(
          shapes.bytes(
            layers: layers, hasHead: held.contains(stages.count - 1),
            hasEmbedding: held.contains { weights.needsEmbedding($0) })),
        gradients: ByteCount(4 * groups.weights.all),
        optimizer: ByteCount(optimizer * groups.shards), activations: ByteCount(step.activations),
        buffers: ByteCount(step.buffers + tables))
      return RankMemory(
        bytes: bytes,
        peak: HeldPeak(
          bytes: step.activations, workingSpace: step.buffers, microbatches: step.microbatches),
        weights: groups.weights)
    }
  }
}
