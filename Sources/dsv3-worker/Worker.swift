// From options to a run: configuration, model, schedule, text, trainer, each in a phase of its own
// whose failure all ranks learn of.

import CSystem
import Checkpoints
import Glibc
import MessagePassing
import Model
import ModelSpec
import RunConfiguration
import RunFiles
import Schedules
import Training

/// Returns the exit code.
func runWorker(_ options: ParsedOptions, _ job: Job) throws -> Int32 {
  let world = job.world
  let configuration = try job.agreed { try loadConfiguration(options) }
  let (spec, schedule) = try job.agreed {
    let resolved = try configuration.resolve()
    try configuration.checkWorld(size: world.size, spec: resolved.model)
    return resolved
  }
  let corpus = try broadcastCorpus(configuration, job)
  let setup = try job.agreed { try trainerSetup(configuration, spec, schedule, corpus) }
  let directory = try runDirectory(configuration, world)
  let resumption = try options.has("resume") ? Resumption(directory, setup, job) : nil
  let notes = try openRunDirectory(directory, configuration, resumption, job)
  let trainer = try job.everywhere { try Trainer(setup, world: world) }
  trainer.clock.beat = job.beat
  try job.agreed {
    try job.log?.write(description(of: trainer))
    if let resumption {
      try resumption.restore(trainer)
      try job.log?.write("went on from \(resumption.checkpoint.path)\n")
    } else if let path = configuration.modelPath {
      try trainer.model.load(try HuggingFaceDirectory(path: path))
    }
  }
  if !options.has("quiet"), world.rank == 0 {
    print(greeting(configuration, setup, directory, world.size), to: dsv3_stdout())
  }
  if world.rank == 0 { for note in notes { print("note: \(note)", to: dsv3_stdout()) } }
  let faults = FaultMaker(configuration, directory, rank: world.rank, log: job.log)
  trainer.disturbances = { try faults.disturbance(step: $0, actions: $1) }
  let virtualClock = VirtualClock(configuration, directory)
  let pricing: StepPricing = { try virtualClock.price($0, $1, isLast: $2) }
  var run = TrainingRun(
    trainer, directory: directory, options: runOptions(options, configuration), log: job.log,
    phase: { try job.agreed($0) }, price: pricing, requests: Signals.listen(),
    say: { print($0, to: dsv3_stdout()) })
  let end = try job.everywhere { try run.perform() }
  job.beat?.enter(.finished)
  guard case .stopped(let step) = end else { return 0 }
  let message =
    "stopped on request after step \(step): --resume --run-dir \(directory.path) goes on"
  try job.agreed { try job.log?.write(message + "\n") }
  if world.rank == 0 { print(message, to: dsv3_stdout()) }
  return exitCodeOfStop
}

/// EX_TEMPFAIL of sysexits: come again.
private let exitCodeOfStop: Int32 = 75

private func loadConfiguration(_ options: ParsedOptions) throws -> RunConfiguration {
  if let operand = options.operands.first {
    throw options.usageError("unexpected argument '\(operand)'")
  }
  var overrides = options.values("set")
  if let steps = try options.integer("steps", in: 1...1_000_000_000) {
    overrides.append("training.steps=\(steps)")
  }
  var path = options.value("config")
  if options.has("resume") {
    guard let directory = options.value("run-dir") else {
      throw options.usageError("--resume needs --run-dir, the run to go on with")
    }
    // A run that isn't there is missing, whatever else may be wrong.
    let run = RunDirectory(path: directory)
    _ = try CheckpointFolder(path: run.checkpoints).candidates()
    path = path ?? Resumption.configuration(of: run)
  }
  var configuration = try RunConfiguration.load(path: path, overrides: overrides)
  if let directory = options.value("run-dir") { configuration.runDirectory = directory }
  return configuration
}

private func runOptions(
  _ options: ParsedOptions, _ configuration: RunConfiguration
) -> RunOptions {
  var result = RunOptions()
  result.quiet = options.has("quiet")
  result.checkpointEvery = configuration.checkpointEvery
  result.checkpointKeep = configuration.checkpointKeep
  result.compareHolders = configuration.supervision.compareHolders
  return result
}

/// Rank 0 reads and tokenizes the sources; everyone gets the tokens.
private func broadcastCorpus(_ configuration: RunConfiguration, _ job: Job) throws -> Corpus {
  let world = job.world
  var words = try job.agreed { () throws -> [Int32] in
    guard world.rank == 0 else { return [] }
    return try Corpus(sources: configuration.dataSources, tokenizer: ByteTokenizer()).serialised()
  }
  var length = [words.count]
  try world.broadcast(&length, root: 0)
  if world.rank != 0 { words = [Int32](repeating: 0, count: length[0]) }
  try world.broadcast(&words, root: 0)
  return try job.agreed { try Corpus(serialised: words) }
}

/// Rank 0 chooses the directory's name; all ranks learn it.
private func runDirectory(
  _ configuration: RunConfiguration, _ world: Communicator
) throws -> RunDirectory {
  let wanted = configuration.runDirectory ?? RunDirectory.defaultPath()
  let name = try world.broadcast(bytes: Array(wanted.utf8), root: 0)
  return RunDirectory(path: String(decoding: name, as: UTF8.self))
}

/// Rank 0 makes the directory and writes config.yaml, every rank opens its log and its beat.
/// Returns what rank 0 has to tell about it.
private func openRunDirectory(
  _ directory: RunDirectory, _ configuration: RunConfiguration, _ resumption: Resumption?,
  _ job: Job
) throws -> [String] {
  var notes = resumption?.notes ?? []
  try job.agreed {
    guard job.world.rank == 0 else { return }
    try directory.create()
    if let resumption {
      notes += resumption.changes(to: configuration)
    } else {
      let folder = CheckpointFolder(path: directory.checkpoints)
      if try !folder.steps().isEmpty {
        notes.append(
          "\(directory.path) has checkpoints of an earlier run, which this run replaces by its "
            + "own; --resume would have gone on from them")
      }
      try folder.forgetLatest()
      // A job that failed before its first checkpoint starts anew in the same run.
      let record = try? RunRecord(path: directory.record)
      if record.map({ $0.restarts == 0 && $0.state != .restarting }) ?? true {
        try FaultFolder(path: directory.faults).clear()
      }
    }
    try RunDirectory.write(configuration.resolvedYAML(), to: directory.path + "/config.yaml")
  }
  try job.agreed {
    job.log = try LogFile(
      path: directory.rankLog(job.world.rank), append: resumption != nil)
    job.beat = try BeatWriter(
      path: directory.rankBeat(job.world.rank), rank: job.world.rank)
  }
  return notes
}

private func name(ofLayers layers: Range<Int>) -> String {
  layers.isEmpty ? "none" : "\(layers.lowerBound)–\(layers.upperBound - 1)"
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
    stages \(setup.stages.map(name(ofLayers:)).joined(separator: " "))
    text: \(setup.tokens.training.count) tokens to train on, \(setup.tokens.heldOut.count) held out
    run directory \(directory.path)

    """
}
