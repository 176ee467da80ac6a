// What a run must share with a checkpoint to go on from it, and what it does otherwise if it does.
// What differs is named by its key of cluster.yaml.

package import Checkpoints
internal import JSON
internal import Model
internal import ModelSpec
internal import Schedules

/// A checkpoint of another run: settings that can't differ do.
package struct CheckpointMismatch: Error, Equatable, CustomStringConvertible {
  package struct Difference: Equatable, Sendable {
    /// Dotted path in cluster.yaml.
    package var key: String
    package var checkpoint: String
    package var run: String
  }

  package var file: String
  package var differences: [Difference]
  /// What would be right.
  package var remedy: String
  package var exitCode: Int32 { 78 }

  package var description: String {
    let list = differences.map {
      "\($0.key) is \($0.checkpoint) in the checkpoint and \($0.run) in this run"
    }
    return "\(file): \(list.joined(separator: "; ")): \(remedy)"
  }
}

extension CheckpointState {
  /// The state of a trainer that has done `stepsDone` steps.
  init(
    _ setup: TrainerSetup, placement: Placement, stepsDone: Int, progress: TrainingProgress,
    averageUpdates: Double
  ) {
    let settings = Self.settings(setup) + Self.arrangement(setup, schedule: placement.schedule)
    self.init(
      stepsDone: stepsDone, totalSteps: setup.plan.steps, worldSize: setup.layout.worldSize,
      globalBatch: setup.globalBatch, sequences: progress.sequences(before: stepsDone),
      averageUpdates: averageUpdates, text: Self.fingerprint(of: setup.tokens),
      settings: Dictionary(uniqueKeysWithValues: settings))
  }

  // MARK: What has to agree

  /// Keys in the order of cluster.yaml with a run's values: those that every leg of a run shares.
  static func settings(_ setup: TrainerSetup) -> [(String, JSONValue)] {
    let plan = setup.plan
    return modelSettings(setup.spec) + [
      ("model.mtp.convention", .string(plan.mtpConvention.rawValue)),
      ("training.sequence", .integer(plan.sequenceLength)),
      ("training.seed", Int(exactly: plan.seed).map { .integer($0) } ?? .string("\(plan.seed)")),
    ]
  }

  /// How the work is spread over ranks and micro-batches, which may change from leg to leg.
  static func arrangement(
    _ setup: TrainerSetup, schedule: Schedule
  ) -> [(String, JSONValue)] {
    let (layout, plan) = (setup.layout, setup.plan)
    let isNamed = ScheduleCatalog.names.contains(schedule.name)
    return [
      ("layout.pipeline", .integer(layout.pipeline)), ("layout.data", .integer(layout.data)),
      ("layout.expert", .integer(layout.expert)),
      ("layout.stages", .array(setup.stages.map { .integer($0.count) })),
      (isNamed ? "schedule.name" : "schedule.file", .string(schedule.name)),
      ("schedule.microbatches", .integer(plan.microBatches)),
      ("training.micro_batch", .integer(plan.microBatch)),
    ]
  }

  private static func modelSettings(_ spec: ModelSpec) -> [(String, JSONValue)] {
    let sizes: [(String, Int)] = [
      ("hidden", spec.hiddenSize), ("layers", spec.layers), ("dense_layers", spec.denseLayers),
      ("heads", spec.heads), ("kv_compression", spec.keyValueCompression),
      ("nope_head_dim", spec.nopeHeadDim), ("rope_head_dim", spec.ropeHeadDim),
      ("value_head_dim", spec.valueHeadDim), ("dense_width", spec.denseIntermediateSize),
      ("experts", spec.routedExperts), ("shared_experts", spec.sharedExperts),
      ("expert_width", spec.expertIntermediateSize),
      ("experts_per_token", spec.expertsPerToken), ("groups", spec.expertGroups),
      ("groups_per_token", spec.groupsPerToken),
    ]
    let query = spec.queryCompression.map { JSONValue.integer($0) } ?? .string("none")
    return [
      ("model.vocabulary", .integer(spec.vocabularySize)),
      ("model.mtp.depth", .integer(spec.mtpDepth)),
    ] + sizes.map { ("model.dimensions." + $0, .integer($1)) } + [
      ("model.dimensions.query_compression", query)
    ]
  }

  /// Compares with a run that would go on from this state.
  /// - Throws: `CheckpointMismatch` with every setting that differs.
  package func check(_ setup: TrainerSetup, at checkpoint: String) throws {
    let file = "\(checkpoint)/\(Self.file)"
    var differences = Self.settings(setup).compactMap { key, value in
      settings[key] == value
        ? nil
        : CheckpointMismatch.Difference(
          key: key, checkpoint: Self.shown(settings[key]), run: Self.shown(value))
    }
    if differences.isEmpty {
      differences = try Self.differences(from: setup.spec, in: "\(checkpoint)/config.json")
    }
    guard differences.isEmpty else {
      let options = differences.filter { settings[$0.key] != nil }.map {
        "--set '\($0.key)=\($0.checkpoint)'"
      }
      let way =
        options.isEmpty
        ? "give the model of the checkpoint" : "go on with \(options.joined(separator: " "))"
      throw CheckpointMismatch(
        file: file, differences: differences, remedy: way + ", or start anew without --resume")
    }
    try checkBatch(setup, file: file)
    try checkLength(setup, file: file)
  }

  /// The same sequences in each step, however they are divided over ranks and micro-batches.
  private func checkBatch(_ setup: TrainerSetup, file: String) throws(CheckpointMismatch) {
    guard setup.globalBatch != globalBatch else { return }
    let (parts, rest) = globalBatch.quotientAndRemainder(
      dividingBy: setup.layout.data * setup.plan.microBatch)
    throw CheckpointMismatch(
      file: file,
      differences: [
        .init(
          key: "schedule.microbatches × training.micro_batch × layout.data",
          checkpoint: "\(globalBatch)", run: "\(setup.globalBatch)")
      ],
      remedy: (rest == 0
        ? "go on with --set schedule.microbatches=\(parts)"
        : "give a layout that can divide \(globalBatch) sequences evenly")
        + ", or start anew without --resume")
  }

  /// Keys of config.json that are not settings, such as the rotary base, and differ.
  private static func differences(
    from spec: ModelSpec, in file: String
  ) throws -> [CheckpointMismatch.Difference] {
    let stored = try ModelSpec(configFile: file).configJSON()
    guard case .object(let old) = try JSONValue(parsing: stored),
      case .object(let new) = try JSONValue(parsing: spec.configJSON())
    else { preconditionFailure("a config.json is an object") }
    // The spread of new weights means nothing to a model that has its weights.
    return Set(old.keys).union(new.keys).subtracting(["initializer_range"]).sorted()
      .filter { old[$0] != new[$0] }.map { key in
        .init(
          key: "\(key) of config.json", checkpoint: shown(old[key]), run: shown(new[key]))
      }
  }

  /// The run must not end before the checkpoint, and must have gone the same way through the data:
  /// with a growing batch that depends on the length of the run.
  private func checkLength(_ setup: TrainerSetup, file: String) throws(CheckpointMismatch) {
    func mismatch(_ key: String, _ checkpoint: Int, _ run: Int) -> CheckpointMismatch {
      CheckpointMismatch(
        file: file,
        differences: [.init(key: key, checkpoint: "\(checkpoint)", run: "\(run)")],
        remedy: "go on with --steps \(totalSteps), or start anew without --resume")
    }
    guard stepsDone <= setup.plan.steps else {
      throw mismatch("training.steps (those done)", stepsDone, setup.plan.steps)
    }
    let expected = setup.progress.sequences(before: stepsDone)
    guard sequences == expected else {
      throw mismatch(
        "the number of sequences in \(stepsDone) steps (training.batch_schedule)", sequences,
        expected)
    }
  }

  /// What a run that goes on does otherwise than one that never stopped, a sentence each.
  package func notes(_ setup: TrainerSetup) -> [String] {
    var notes: [String] = []
    if setup.plan.steps != totalSteps {
      notes.append(
        "training.steps was \(totalSteps) and is \(setup.plan.steps): learning rate and the other "
          + "schedules are from here on those of a run of \(setup.plan.steps) steps")
    }
    if text != Self.fingerprint(of: setup.tokens) {
      notes.append(
        "the text of data.sources is not the checkpoint's: the order of the data is another, and "
          + "held-out text may have been trained on")
    }
    if setup.plan.emaDecay > 0, averageUpdates == 0 {
      notes.append(
        "the checkpoint has no mean of the weights (training.ema_decay was 0): the mean begins "
          + "with the weights after the next step")
    }
    if setup.plan.emaDecay == 0, averageUpdates > 0 {
      notes.append(
        "training.ema_decay is 0: the checkpoint's mean of the weights is not gone on with")
    }
    return notes
  }

  private static func shown(_ value: JSONValue?) -> String {
    switch value {
    case nil: "not there"
    case .string(let text)?: text
    case .array(let values)?: "[" + values.map { shown($0) }.joined(separator: ", ") + "]"
    case let value?: value.description
    }
  }

  /// FNV-1a over the tokens to train on and those held out, in hexadecimal.
  static func fingerprint(of tokens: TokenStream) -> String {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for part in [tokens.training, tokens.heldOut] {
      for token in part {
        hash = (hash ^ UInt64(UInt32(bitPattern: token))) &* 0x100_0000_01b3
      }
      hash = (hash ^ UInt64(part.count)) &* 0x100_0000_01b3
    }
    return String(hash, radix: 16)
  }
}

extension TrainerSetup {
  /// Sequences of one step at its largest, over all data ranks.
  var globalBatch: Int { plan.microBatches * plan.microBatch * layout.data }

  /// All steps of the run.
  var progress: TrainingProgress {
    TrainingProgress(
      plan: plan, dataRanks: layout.data, granularity: microbatchRule.multiple,
      minimum: microbatchRule.minimum)
  }
}
