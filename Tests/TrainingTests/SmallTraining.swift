// A training small enough for tests: a model with every part of DeepSeek-V3, a text with a pattern
// to learn, and the setup of any layout and schedule over the same global batch.

import MessagePassing
import ModelSpec
import Schedules
import Training

enum SmallTraining {
  /// Sequences of a step, in every layout.
  static let globalBatch = 32

  static let spec: ModelSpec = {
    var spec = ModelSpec(
      vocabularySize: 64, hiddenSize: 32, layers: 4, denseLayers: 1, denseIntermediateSize: 64,
      heads: 2, queryCompression: 16, keyValueCompression: 16, nopeHeadDim: 8, ropeHeadDim: 4,
      valueHeadDim: 8, routedExperts: 8, sharedExperts: 1, expertIntermediateSize: 16,
      expertsPerToken: 3, expertGroups: 4, groupsPerToken: 2)
    spec.routedScalingFactor = 2.5
    spec.mtpDepth = 1
    spec.initializerRange = 0.08
    return spec
  }()

  static let plan: TrainingPlan = {
    var plan = TrainingPlan()
    plan.steps = 80
    plan.sequenceLength = 24
    plan.learningRate = 2e-3
    plan.warmupSteps = 5
    plan.learningRateSchedule = .constant
    plan.biasUpdateSpeed = 0.001
    plan.balanceLossWeight = 0.01
    return plan
  }()

  /// Documents in which a token mostly decides its next one.
  static let tokens: TokenStream = {
    var generator = SeededGenerator(seed: 5)
    let documents = (0..<40).map { _ in
      var token = generator.next(below: 60)
      return (0..<400).map { _ -> Int32 in
        token = generator.next(below: 10) < 8 ? (token * 7 + 3) % 60 : generator.next(below: 60)
        return Int32(token)
      }
    }
    do {
      return try TokenStream(
        corpus: Corpus(documents: documents), endOfDocument: 60, sequenceLength: 24, seed: 3,
        heldOutShare: 0.05, sequencesPerStep: globalBatch)
    } catch {
      preconditionFailure("\(error)")
    }
  }()

  static func setup(
    _ layout: Layout, schedule name: String, route: ExchangeRoute = .twoHop,
    change: (inout TrainingPlan) -> Void = { _ in }
  ) throws -> TrainerSetup {
    var plan = plan
    plan.microBatches = globalBatch / layout.data
    change(&plan)
    return try setup(
      layout, spec: spec, plan: plan, route: route,
      rule: try ScheduleCatalog.microbatchRule(name: name, ranks: layout.pipeline)
    ) {
      try ScheduleCatalog.make(name: name, ranks: layout.pipeline, microbatches: $0)
    }
  }

  /// Any model under any schedule: as many stages as the schedule has.
  static func setup(
    _ layout: Layout, spec: ModelSpec, plan: TrainingPlan, route: ExchangeRoute = .twoHop,
    rule: MicrobatchRule, schedule: @escaping (Int) throws -> Schedule
  ) throws -> TrainerSetup {
    let stages = try StagePartition(
      spec, stages: try schedule(plan.microBatches).stages, sequenceLength: plan.sequenceLength)
    return TrainerSetup(
      spec: spec, layout: layout, plan: plan, stages: stages.stages, route: route,
      schedule: schedule, microbatchRule: rule, tokens: tokens)
  }
}
