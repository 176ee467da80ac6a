// The one place where a configuration becomes a simulation: the model and the shapes it is charged
// at, the schedule's plan, the stages, the cluster and its memory. `dsv3 simulate`, `dsv3 replay`
// and the worker all come through here.

package import Fabric
package import ModelSpec
package import RunConfiguration
package import Schedules
package import Simulation
package import Workload

/// A configuration's step on its simulated cluster.
package struct VirtualStep: Sendable {
  package let configuration: RunConfiguration
  package let model: ModelSpec
  package let schedule: Schedule
  /// Layers of each stage.
  package let stages: [Range<Int>]
  package let cluster: ClusterSpec
  package let charged: ChargedStep
  package let memory: MemoryModel

  /// - Throws: `ConfigurationError` of whatever in the configuration does not fit together.
  package init(_ configuration: RunConfiguration) throws {
    self.configuration = configuration
    let (model, schedule) = try configuration.resolve()
    self.model = model
    self.schedule = schedule
    let plan = configuration.plan
    let partition =
      try configuration.stageLayers.map {
        try StagePartition(model, stages: schedule.stages, layerCounts: $0)
      }
      ?? StagePartition(model, stages: schedule.stages, sequenceLength: plan.sequenceLength)
    stages = partition.stages
    cluster = try configuration.clusterSpec()
    let precision: ProductPrecision = configuration.chargePrecision == .fp8 ? .fp8 : .bf16
    charged = ChargedStep(
      run: model, as: try configuration.chargedModel(),
      sequenceLength: configuration.chargedSequenceLength,
      shape: StepShape(
        model, sequenceLength: plan.sequenceLength, sequences: plan.microBatch,
        microbatches: schedule.microbatches), precision: precision)
    memory = MemoryModel(
      model: charged.model, layout: configuration.layout, schedule: schedule, stages: stages,
      tokens: charged.tokens, sequenceLength: charged.sequenceLength, plan: .charged(precision))
  }

  /// What a run of the configuration takes in this program's own memory, with balanced routing.
  package var trainedMemory: MemoryModel {
    let plan = configuration.plan
    return MemoryModel(
      model: model, layout: configuration.layout, schedule: schedule, stages: stages,
      tokens: plan.microBatch * plan.sequenceLength, sequenceLength: plan.sequenceLength,
      plan: MemoryPlan(training: plan.numerics, convention: plan.mtpConvention))
  }

  /// The step that a run of the configuration does, written without running it. Learned routing is
  /// taken as balanced: nobody has trained the router.
  package func build() throws -> Workload {
    let plan = configuration.plan
    let builder = WorkloadBuilder(
      spec: model, layout: configuration.layout, plan: try SchedulePlan(lowering: schedule),
      stages: stages, sequenceLength: plan.sequenceLength, sequences: plan.microBatch)
    return builder.build(
      routing: try sampledRouting(), configuration: configuration.resolvedYAML())
  }

  private func sampledRouting() throws -> RoutingSource? {
    let layout = configuration.layout
    guard configuration.routing == .sampled, layout.expert > 1 else { return nil }
    let groups = stride(from: 0, to: layout.worldSize, by: layout.expert)
    let geometry = ExchangeGeometry(layout, groupOf: 0)
    guard groups.allSatisfy({ ExchangeGeometry(layout, groupOf: $0) == geometry }) else {
      throw ConfigurationError(
        "routing can be sampled only where all expert groups lie alike on nodes: groups of "
          + "layout.expert \(layout.expert) don't on nodes of cluster.gpus_per_node "
          + "\(layout.gpusPerNode); let one of the two divide the other, or set "
          + "model.routing=balanced",
        kind: .invalid)
    }
    return .sampled(
      SampledRouting(
        spec: model, layout: layout, shape: charged.shape,
        seed: configuration.routingSeed, skew: configuration.routingSkew))
  }

  /// The simulation of a workload of this configuration, built or recorded.
  /// - Throws: `ConfigurationError` when the workload is of another layout or another shape.
  package func simulation(of workload: Workload) throws -> StepSimulation {
    guard workload.layout == configuration.layout else {
      throw mismatch("layout", text(workload.layout), text(configuration.layout))
    }
    guard workload.shape == charged.shape else {
      throw mismatch("shape", "\(workload.shape)", "\(charged.shape)")
    }
    return StepSimulation(workload, charged: charged, cluster: cluster, memory: memory)
  }

  private func text(_ layout: Layout) -> String {
    "pipeline \(layout.pipeline), data \(layout.data), expert \(layout.expert), "
      + "gpus_per_node \(layout.gpusPerNode)"
  }

  private func mismatch(_ what: String, _ recorded: String, _ asked: String) -> ConfigurationError {
    ConfigurationError(
      "the workload's \(what) is \(recorded), the configuration's \(asked): a replay may change "
        + "the cluster and what is charged, not what was run; to change that, simulate or run it",
      kind: .invalid)
  }
}

extension MemoryPlan {
  /// How a model of a charged precision is stored: as the report has it, or without what needs FP8.
  fileprivate static func charged(_ precision: ProductPrecision) -> MemoryPlan {
    if precision.isFP8 { return .report }
    var savings = MemoryPlan.report.savings
    savings.remove(.fp8SwiGLUInputs)
    savings.remove(.e5m6AttentionOutput)
    return MemoryPlan(precision: .bf16, savings: savings, moments: .bf16)
  }
}
