// What a trainer is given, out of the configuration: the model, the schedule, the stages, the
// text in sequences. Nothing here is collective; every rank comes to the same.

import Glibc
import MessagePassing
import Model
import ModelSpec
import RunConfiguration
import Schedules
import Training

/// The model of the configuration, checked against layout and ranks.
func modelSpec(_ configuration: RunConfiguration, ranks: Int) throws -> ModelSpec {
  var base: ModelSpec
  switch configuration.modelSource {
  case .preset(let name):
    try configuration.check("model.preset", names: "model", known: ModelPreset.names)
    base = try ModelPreset.named(name).spec
  case .path(let path):
    base = try ModelSpec(configFile: path + "/config.json")
  }
  let spec = configuration.applyOverrides(to: base)
  try spec.validate(source: "model")
  let vocabulary = ByteTokenizer().vocabularySize
  guard spec.vocabularySize >= vocabulary else {
    throw configuration.error(
      at: "model.vocabulary",
      "the model has \(spec.vocabularySize) tokens, but the tokenizer 'bytes' needs \(vocabulary)")
  }
  try configuration.checkWorld(size: ranks, spec: spec)
  return spec
}

func trainerSetup(
  _ configuration: RunConfiguration, _ spec: ModelSpec, _ corpus: Corpus
) throws -> TrainerSetup {
  let layout = configuration.layout
  let plan = configuration.plan
  let make = try scheduleMaker(configuration)
  let schedule: Schedule
  do {
    schedule = try make.make(plan.microBatches)
  } catch let error as ScheduleError {
    throw configuration.error(
      at: "schedule.name",
      "\(error.description); choose schedule.microbatches, layout.pipeline or another schedule")
  }
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
    schedule: make.make, microbatchRule: make.rule, tokens: tokens)
}

/// The schedule for a number of micro-batches, and which numbers it takes: a file has only its own.
private func scheduleMaker(_ configuration: RunConfiguration) throws
  -> (make: (Int) throws -> Schedule, rule: MicrobatchRule)
{
  let ranks = configuration.layout.pipeline
  switch configuration.schedule {
  case .named(let name):
    return (
      { try ScheduleCatalog.make(name: name, ranks: ranks, microbatches: $0) },
      try ScheduleCatalog.microbatchRule(name: name, ranks: ranks)
    )
  case .file(let path):
    let bytes = try readFile(path, configuration)
    let count = configuration.plan.microBatches
    do {
      let plan = try ScheduleCSV.read(
        bytes, name: path, expecting: .init(ranks: ranks, microbatches: count))
      return ({ _ in plan.schedule }, MicrobatchRule(minimum: count, multiple: 1))
    } catch {
      throw configuration.error(at: "schedule.file", "\(path): \(error.description)")
    }
  }
}

private func readFile(_ path: String, _ configuration: RunConfiguration) throws -> [UInt8] {
  guard let stream = fopen(path, "r") else {
    var error = configuration.error(
      at: "schedule.file", "cannot read '\(path)': \(String(cString: strerror(errno)))")
    error.kind = .missingInput
    throw error
  }
  defer { fclose(stream) }
  var bytes: [UInt8] = []
  var chunk = [UInt8](repeating: 0, count: 1 << 16)
  while true {
    let count = fread(&chunk, 1, chunk.count, stream)
    if count == 0 { return bytes }
    bytes += chunk[..<count]
  }
}
