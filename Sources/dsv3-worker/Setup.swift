// What a trainer is given, out of the configuration: the model, the schedule, the stages, the
// text in sequences. Nothing here is collective; every rank comes to the same.

import MessagePassing
import ModelSpec
import RunConfiguration
import Schedules
import Training

func trainerSetup(
  _ configuration: RunConfiguration, _ spec: ModelSpec, _ schedule: Schedule, _ corpus: Corpus
) throws -> TrainerSetup {
  let layout = configuration.layout
  let plan = configuration.plan
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
    // A file of a schedule is not needed again: it may be gone when the run is long.
    schedule: { count in
      count == plan.microBatches
        ? schedule : try configuration.resolvedSchedule(microbatches: count)
    },
    microbatchRule: try configuration.microbatchRule(), tokens: tokens,
    balancedRouting: configuration.routing == .balanced)
}
