// Going on with a run: which checkpoint, whether this run may go on from it, and what will be
// otherwise than if it had never stopped.

import Glibc
import MessagePassing
import Model
import ModelSpec
import RunConfiguration
import RunFiles
import Training

struct Resumption {
  let checkpoint: Checkpoint
  /// Sentences to tell.
  let notes: [String]
  private let state: CheckpointState
  /// The configuration that the run had until now, if it can still be read.
  private let before: RunConfiguration?

  /// The configuration of a run directory, to go on with; nil when it has none.
  static func configuration(of directory: RunDirectory) -> String? {
    let path = directory.path + "/config.yaml"
    return access(path, R_OK) == 0 ? path : nil
  }

  /// Finds the newest checkpoint and compares its settings with the setup. Collective.
  init(_ directory: RunDirectory, _ setup: TrainerSetup, _ job: Job) throws {
    let folder = CheckpointFolder(path: directory.checkpoints)
    // One rank looks: `latest` may move while the others are still on their way.
    let found = try job.agreed { job.world.rank == 0 ? try folder.newest() : "" }
    let path = try job.world.broadcast(bytes: Array(found.utf8), root: 0)
    let checkpoint = Checkpoint(path: String(decoding: path, as: UTF8.self))
    state = try job.agreed {
      let state = try CheckpointState(checkpoint: checkpoint.path)
      try state.check(setup, at: checkpoint.path)
      return state
    }
    self.checkpoint = checkpoint
    notes = job.world.rank == 0 ? state.notes(setup) : []
    before = Self.configuration(of: directory).flatMap { try? RunConfiguration.load(path: $0) }
  }

  func restore(_ trainer: Trainer) throws(CheckpointError) {
    try checkpoint.restore(trainer, state: state)
  }

  /// Settings that may change when a run goes on, and do: a sentence each.
  func changes(to configuration: RunConfiguration) -> [String] {
    guard let before else { return [] }
    let old = Dictionary(uniqueKeysWithValues: before.settings.map { ($0.key.path, $0.value) })
    return configuration.settings.compactMap { key, value in
      let section = key.path.prefix { $0 != "." }
      guard section != "run", section != "checkpoint", key.path != "training.steps",
        let earlier = old[key.path], earlier != value
      else { return nil }
      return "\(key.path) was \(earlier.yaml) and is \(value.yaml) from here on"
    }
  }
}
