// Stage partitions against every split there is, and what is refused.

import ModelSpec
import Testing

@Suite struct PartitionTests {
  /// All ways to cut `layers` layers into `stages` runs, the first of at least `least` layers and
  /// the last of at least one, as layer counts in ascending order.
  private func splits(_ layers: Int, _ stages: Int, least: Int = 1) -> [[Int]] {
    if stages == 1 { return layers > 0 ? [[layers]] : [] }
    guard layers > least else { return [] }
    return (least..<layers).flatMap { first in
      splits(layers - first, stages - 1, least: 0).map { [first] + $0 }
    }
  }

  /// Also where there are more stages than layers; where there aren't, none is left empty.
  @Test(arguments: 1...7, [0, 1, 2])
  func theSplitIsTheBestOfAll(layers: Int, mtpDepth: Int) throws {
    for denseLayers in [0, 1, layers] {
      var spec = ModelPreset.mid.spec
      spec.layers = layers
      spec.denseLayers = denseLayers
      spec.mtpDepth = mtpDepth
      for stages in 1...(layers == 1 ? 1 : layers + 2) {
        let found = try StagePartition(spec, stages: stages, sequenceLength: 256)
        let scored = try splits(layers, stages).map { counts in
          let split = try StagePartition(spec, stages: stages, layerCounts: counts)
          let costs = split.forwardFLOPs(spec, sequenceLength: 256).map { UInt128($0) }
          return (costs.max() ?? 0, costs.reduce(0) { $0 + $1 * $1 }, split)
        }
        // `splits` ascends, and `min` keeps the first of equals: fewer layers first.
        let best = scored.min { ($0.0, $0.1) < ($1.0, $1.1) }
        #expect(found == best?.2)
        #expect(found.stages.contains { $0.isEmpty } == (stages > layers))
      }
    }
  }

  @Test func equalLayersSplitEvenly() throws {
    var spec = ModelPreset.mid.spec
    spec.denseLayers = 0
    spec.vocabularySize = 1
    let partition = try StagePartition(spec, stages: 4, sequenceLength: 128)
    #expect(partition.stages == [0..<2, 2..<4, 4..<6, 6..<8])
    #expect((0..<10).map { partition.stage(ofLayer: $0) } == [0, 0, 1, 1, 2, 2, 3, 3, 3, 3])
  }

  @Test func theLargeModelSplitsOverSixteenStages() throws {
    let spec = ModelPreset.deepseekV3.spec
    let partition = try StagePartition(spec, stages: 16, sequenceLength: 4096)
    let flops = partition.forwardFLOPs(spec, sequenceLength: 4096)
    let census = ParameterCensus(spec, sequenceLength: 4096)
    #expect(flops.reduce(0, +) == census.total.forwardFLOPs(causal: true))
    // Layers are nearly equal in FLOPs; head and MTP weigh as 3.9 of them. The last stage has at
    // least one layer, 4.9 in all, and the other 60 layers fill 15 stages with 4 each.
    #expect(partition.stages.map(\.count) == Array(repeating: 4, count: 15) + [1])
  }

  @Test func listedCountsAreTakenAsTheyAre() throws {
    let partition = try StagePartition(ModelPreset.mid.spec, stages: 3, layerCounts: [1, 5, 2])
    #expect(partition.stages == [0..<1, 1..<6, 6..<8])
  }

  @Test(arguments: [
    ([4, 4], "lists 2 stages where the layout has 3"), ([4, 4, 0], "each need a layer"),
    ([2, 2, 2], "adds up to 6 layers where the model has 8"), ([9, -2, 1], "outside 0 to 8"),
    ([0, 4, 4], "each need a layer"),
  ])
  func countsThatDoNotFitAreRefused(counts: [Int], message: String) {
    let error = #expect(throws: ModelSpecError.self) {
      try StagePartition(ModelPreset.mid.spec, stages: 3, layerCounts: counts)
    }
    #expect(error?.message.contains(message) == true)
    #expect(error?.exitCode == 78)
  }

  @Test(arguments: [0, 2]) func stagesThatDoNotFitAreRefused(stages: Int) {
    var spec = ModelPreset.mid.spec
    spec.layers = 1
    #expect(throws: ModelSpecError.self) {
      try StagePartition(spec, stages: stages, sequenceLength: 128)
    }
  }

  /// Six layers and head and MTP, which weigh as the largest stage: the layers behind the first
  /// stand together, one to a stage, and the tie goes to fewer layers first.
  @Test func moreStagesThanLayersLeaveStagesBetweenEmpty() throws {
    let partition = try StagePartition(ModelPreset.mini.spec, stages: 8, sequenceLength: 128)
    #expect(partition.stages == [0..<1, 1..<1, 1..<1, 1..<2, 2..<3, 3..<4, 4..<5, 5..<6])
  }
}
