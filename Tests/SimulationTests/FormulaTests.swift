// With uniform times and free communication nothing is left but the schedule: the engine's busy
// times and bubbles are those of `schedule analyze`, for every schedule.

import Fabric
import ModelSpec
import Schedules
import Simulation
import Testing
import Units
import Workload

@Suite struct FormulaTests {
  /// A model with a layer for each stage, so that every chunk has an attention to charge.
  static func model(layers: Int) -> ModelSpec {
    ModelSpec(
      vocabularySize: 64, hiddenSize: 16, layers: layers, denseLayers: 1,
      denseIntermediateSize: 32, heads: 2, queryCompression: 8, keyValueCompression: 8,
      nopeHeadDim: 8, ropeHeadDim: 4, valueHeadDim: 8, routedExperts: 8, sharedExperts: 1,
      expertIntermediateSize: 16, expertsPerToken: 2, expertGroups: 2, groupsPerToken: 2)
  }

  @Test(arguments: ScheduleCatalog.names, [(2, 4), (4, 8), (4, 16), (8, 16)])
  func bubblesAreTheSchedulesOwn(name: String, shape: (ranks: Int, microbatches: Int)) throws {
    guard
      let schedule = try? ScheduleCatalog.make(
        name: name, ranks: shape.ranks, microbatches: shape.microbatches)
    else { return }
    let (f, i, w) = (7, 5, 3)
    let layout = Layout(pipeline: shape.ranks, data: 2, expert: 2, gpusPerNode: 2)
    let spec = Self.model(layers: schedule.stages)
    let builder = WorkloadBuilder(
      spec: spec, layout: layout, plan: try SchedulePlan(lowering: schedule),
      stages: (0..<schedule.stages).map { $0..<$0 + 1 }, sequenceLength: 8, sequences: 1)
    let costs = UniformCosts(
      forward: Int64(f), input: Int64(i), weight: Int64(w),
      firstLayers: Set(0..<schedule.stages))
    let cluster = try #require(ClusterPreset.named("h800")).spec
    let analysis = ScheduleAnalysis(
      of: try SchedulePlan(lowering: schedule),
      times: ChunkTimes(forward: .uniform(f), input: .uniform(i), weight: .uniform(w)))
    for isFolded in [true, false] {
      let outcome = simulateStep(
        builder.build(), costs: costs, cluster: cluster, isFolded: isFolded)
      #expect(outcome.end.picoseconds == Int64(analysis.makespan))
      for index in 0..<outcome.places.count {
        let rank = index / outcome.places.dataRanks
        #expect(outcome.bubbles[index].picoseconds == Int64(analysis.bubble[rank]))
        #expect(outcome.computing[index].picoseconds == Int64(analysis.busy[rank]))
      }
    }
  }
}
