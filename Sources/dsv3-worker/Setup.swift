// What a trainer is given, out of the configuration: the model, the schedule, the stages, the
// text in sequences. Nothing here is collective; every rank comes to the same.

import MessagePassing
import ModelSpec
import RunConfiguration
import Schedules
import Training

/// The model of the configuration, checked against layout and ranks.
func modelSpec(_ configuration: RunConfiguration, ranks: Int) throws -> ModelSpec {
  let spec = try configuration.resolvedModel()
  try configuration.checkWorld(size: ranks, spec: spec)
  return spec
}

func trainerSetup(
  _ configuration: RunConfiguration, _ spec: ModelSpec, _ corpus: Corpus
) throws -> TrainerSetup {
  let layout = configuration.layout
  let plan = configuration.plan
  let schedule = try configuration.resolvedSchedule()
  try configuration.validate(spec: spec, stages: schedule.stages)
  let partition =
    try configuration.stageLayers.map {
      try StagePartition(spec, stages: schedule.stages, layerCounts: $0)
    }
    ?? StagePartition(
      spec, stages: schedule.stages, sequenceLength: plan.sequenceLength)
  let tokens = try TokenStream(
    corpus: corpus, endOfDocument: ByteTokenizer().endOfDocument,
    sequenceLength: plan.sequenceLength, seed: plan.seed,
    heldOutShare: configuration.heldOutShare,
    sequencesPerStep: plan.microBatches * layout.data * plan.microBatch)
  return TrainerSetup(
    spec: spec, layout: layout, plan: plan, stages: partition.stages,
    route: configuration.exchange == .twoHop ? .twoHop : .direct,
    schedule: scheduleMaker(configuration, schedule),
    microbatchRule: try microbatchRule(configuration), tokens: tokens)
}

/// The schedule for a number of micro-batches: of a file, the one it has.
private func scheduleMaker(
  _ configuration: RunConfiguration, _ schedule: Schedule
) -> (Int) throws -> Schedule {
  guard let name = configuration.scheduleName else { return { _ in schedule } }
  let ranks = configuration.layout.pipeline
  return { try ScheduleCatalog.make(name: name, ranks: ranks, microbatches: $0) }
}

/// The numbers of micro-batches that a schedule takes: a file has only its own.
private func microbatchRule(_ configuration: RunConfiguration) throws -> MicrobatchRule {
  guard let name = configuration.scheduleName else {
    return MicrobatchRule(minimum: configuration.plan.microBatches, multiple: 1)
  }
  return try ScheduleCatalog.microbatchRule(name: name, ranks: configuration.layout.pipeline)
}
