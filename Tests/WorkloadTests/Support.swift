// Small models and steps for the tests of this room.
import ModelSpec
import Schedules
import Workload

extension ModelSpec {
  /// A few weights in every place. No experts when `experts` is 0; all layers dense then.
  static func tiny(
    layers: Int, dense: Int = 0, mtp: Int = 0, experts: Int = 4, perToken: Int = 2,
    groups: Int = 2, groupsPerToken: Int = 1, shared: Int = 1
  ) -> ModelSpec {
    let hasExperts = experts > 0
    var spec = ModelSpec(
      vocabularySize: 11, hiddenSize: 8, layers: layers, denseLayers: hasExperts ? dense : layers,
      denseIntermediateSize: 12, heads: 2, queryCompression: 6, keyValueCompression: 4,
      nopeHeadDim: 4, ropeHeadDim: 2, valueHeadDim: 4, routedExperts: experts,
      sharedExperts: hasExperts ? shared : 0, expertIntermediateSize: hasExperts ? 5 : 0,
      expertsPerToken: hasExperts ? perToken : 0, expertGroups: hasExperts ? groups : 1,
      groupsPerToken: hasExperts ? groupsPerToken : 1)
    spec.mtpDepth = mtp
    return spec
  }
}

extension Workload {
  /// A built step. Layers are divided by FLOPs unless `stages` says where.
  static func built(
    _ spec: ModelSpec, _ layout: Layout, _ schedule: Schedule, stages: [Range<Int>]? = nil,
    tokens: Int = 8, routing: RoutingSource? = nil, configuration: String = ""
  ) throws -> Workload {
    let partition =
      try stages
      ?? StagePartition(spec, stages: schedule.stages, sequenceLength: tokens).stages
    return WorkloadBuilder(
      spec: spec, layout: layout, plan: try SchedulePlan(lowering: schedule), stages: partition,
      sequenceLength: tokens, sequences: 1
    ).build(routing: routing, configuration: configuration)
  }

  /// One rank of the pipeline, `data` data ranks that share the experts out.
  static func onePipelineRank(
    _ spec: ModelSpec, data: Int, microbatches: Int, _ actions: [Action]
  ) throws -> Workload {
    let schedule = try Schedule(
      name: "by hand", stages: 1, microbatches: microbatches, actions: [actions])
    return try built(
      spec, Layout(pipeline: 1, data: data, expert: data, gpusPerNode: 1), schedule)
  }

  /// The operations of a rank in words, without "rank r op n".
  func words(_ rank: Int, _ range: Range<Int>? = nil) -> [String] {
    let all = programs[rank].operations.map(\.description)
    return range.map { Array(all[$0]) } ?? all
  }
}

/// The cell of the only stage.
func cell(_ microbatch: Int) -> Cell { Cell(stage: 0, microbatch: microbatch) }

/// Numbers that a seed determines, written apart from the room's own.
struct TestRandom {
  var state: UInt64

  mutating func below(_ count: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int((state >> 33) % UInt64(count))
  }

  mutating func unit() -> Double { (Double(below(1 << 30)) + 0.5) / Double(1 << 30) }
}
