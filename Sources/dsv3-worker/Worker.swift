// From options to a run: configuration, model, schedule, text, trainer, each in a phase of its own
// whose failure all ranks learn of.

import CSystem
import Glibc
import MessagePassing
import Model
import ModelSpec
import RunConfiguration
import Schedules
import Training

func runWorker(_ options: ParsedOptions, _ runtime: MPIRuntime) throws {
  let world = runtime.world
  let configuration = try agreed(world) { try loadConfiguration(options, ranks: world.size) }
  let spec = try agreed(world) { try modelSpec(configuration, ranks: world.size) }
  let corpus = try broadcastCorpus(configuration, world)
  let setup = try agreed(world) { try trainerSetup(configuration, spec, corpus) }
  let directory = try openRunDirectory(configuration, world)
  let trainer = try Trainer(setup, world: world)
  try loadWeights(trainer, configuration, world)

  var runOptions = RunOptions()
  runOptions.quiet = options.has("quiet")
  if !runOptions.quiet, world.rank == 0 {
    print(greeting(configuration, setup, directory, world.size), to: dsv3_stdout())
  }
  var run = try agreed(world) {
    TrainingRun(trainer, directory: directory, options: runOptions) { text in
      print(text, to: dsv3_stdout())
    }
  }
  try everywhere(world) { try run.perform() }
}

private func loadConfiguration(_ options: ParsedOptions, ranks: Int) throws -> RunConfiguration {
  if let operand = options.operands.first {
    throw options.usageError("unexpected argument '\(operand)'")
  }
  var overrides = options.values("set")
  if let steps = try options.integer("steps", in: 1...1_000_000_000) {
    overrides.append("training.steps=\(steps)")
  }
  var configuration = try RunConfiguration.load(
    path: options.value("config"), overrides: overrides)
  if let directory = options.value("run-dir") { configuration.runDirectory = directory }
  if options.has("resume") && configuration.runDirectory == nil {
    throw options.usageError("--resume needs --run-dir, the run to go on with")
  }
  try configuration.check("schedule.name", names: "schedule", known: ScheduleCatalog.names)
  return configuration
}

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

/// Rank 0 reads and tokenizes the sources; everyone gets the tokens.
private func broadcastCorpus(_ configuration: RunConfiguration, _ world: Communicator) throws
  -> Corpus
{
  var words = try agreed(world) { () throws -> [Int32] in
    guard world.rank == 0 else { return [] }
    return try Corpus(sources: configuration.dataSources, tokenizer: ByteTokenizer()).serialised()
  }
  var length = [words.count]
  try world.broadcast(&length, root: 0)
  if world.rank != 0 { words = [Int32](repeating: 0, count: length[0]) }
  try world.broadcast(&words, root: 0)
  return try agreed(world) { try Corpus(serialised: words) }
}

private func trainerSetup(
  _ configuration: RunConfiguration, _ spec: ModelSpec, _ corpus: Corpus
) throws -> TrainerSetup {
  let layout = configuration.layout
  let plan = configuration.plan
  let make = try scheduleMaker(configuration)
  let schedule = try make.make(plan.microBatches)
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
    let plan = try ScheduleCSV.read(
      bytes, name: path, expecting: .init(ranks: ranks, microbatches: count))
    return ({ _ in plan.schedule }, MicrobatchRule(minimum: count, multiple: 1))
  }
}

private func readFile(_ path: String, _ configuration: RunConfiguration) throws -> [UInt8] {
  guard let stream = fopen(path, "r") else {
    throw configuration.error(
      at: "schedule.file", "cannot read the schedule: \(String(cString: strerror(errno)))")
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

/// Rank 0 chooses the directory's name and makes it; all ranks learn the name.
private func openRunDirectory(
  _ configuration: RunConfiguration, _ world: Communicator
) throws -> RunDirectory {
  let wanted = configuration.runDirectory ?? RunDirectory.defaultPath()
  let name = try world.broadcast(bytes: Array(wanted.utf8), root: 0)
  let directory = RunDirectory(path: String(decoding: name, as: UTF8.self))
  try agreed(world) {
    guard world.rank == 0 else { return }
    try directory.create()
    try RunDirectory.write(configuration.resolvedYAML(), to: directory.path + "/config.yaml")
  }
  return directory
}

/// Weights of `model.path`, where there are some; new ones otherwise.
private func loadWeights(
  _ trainer: Trainer, _ configuration: RunConfiguration, _ world: Communicator
) throws {
  guard let path = configuration.modelPath else { return }
  try agreed(world) {
    let directory = try HuggingFaceDirectory(path: path)
    try trainer.model.load(directory)
  }
}

private func greeting(
  _ configuration: RunConfiguration, _ setup: TrainerSetup, _ directory: RunDirectory, _ ranks: Int
) -> String {
  let (layout, plan, spec) = (setup.layout, setup.plan, setup.spec)
  let batch = plan.microBatches * layout.data * plan.microBatch
  let parameters = ParameterCensus(spec, sequenceLength: plan.sequenceLength)
    .total.parameters
  return """
    dsv3-worker 0.1: \(parameters) parameters, \(spec.layers) layers + \(spec.mtpDepth) MTP, \
    \(ranks) ranks: pipeline \(layout.pipeline), data \(layout.data), expert \(layout.expert)
    schedule \(configuration.scheduleName ?? "from file"), \(plan.microBatches) micro-batches of \
    \(plan.microBatch) × \(plan.sequenceLength) tokens, global batch \(batch) sequences, \
    seed \(plan.seed)
    stages \(setup.stages.map { "\($0.lowerBound)–\($0.upperBound - 1)" }.joined(separator: " "))
    text: \(setup.tokens.training.count) tokens to train on, \(setup.tokens.heldOut.count) held out
    run directory \(directory.path)

    """
}
