// Going on with a run: which checkpoint, whether this run may go on from it, and what will be
// otherwise than if it had never stopped.

import Checkpoints
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

  /// Finds the newest checkpoint that is whole and compares its settings with the setup.
  /// Collective.
  init(_ directory: RunDirectory, _ setup: TrainerSetup, _ job: Job) throws {
    let (path, damages) = try Self.newestWhole(CheckpointFolder(path: directory.checkpoints), job)
    let checkpoint = Checkpoint(path: path)
    state = try job.agreed {
      let state = try CheckpointState(checkpoint: path)
      try state.check(setup, at: path)
      return state
    }
    self.checkpoint = checkpoint
    var notes: [String] = []
    if let damage = damages.first {
      let message = "\(damage); going on from \(path), the newest that is whole"
      notes.append(message)
      let step = state.stepsDone
      try job.agreed {
        guard job.world.rank == 0 else { return }
        try RunEvent(
          time: RunFile.now, kind: .fallback, message: message, step: step, details: damages
        ).append(to: directory.events)
      }
    }
    self.notes = job.world.rank == 0 ? notes + state.notes(setup) : []
    before = Self.configuration(of: directory).flatMap { try? RunConfiguration.load(path: $0) }
  }

  /// The newest checkpoint whose files are as they were written, and what is wrong with those that
  /// are newer. Each rank looks at a share of the files. Collective.
  private static func newestWhole(
    _ folder: CheckpointFolder, _ job: Job
  ) throws -> (path: String, damages: [String]) {
    // One rank lists: `latest` may move while the others are still on their way.
    let listed = try job.agreed {
      job.world.rank == 0 ? try folder.candidates().joined(separator: "\n") : ""
    }
    let bytes = try job.world.broadcast(bytes: Array(listed.utf8), root: 0)
    var damages: [String] = []
    for candidate in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
      let damage = CheckpointManifest.damage(
        in: String(candidate), part: job.world.rank, of: job.world.size)
      guard let first = try job.world.agree(failure: damage?.exitCode) else {
        return (String(candidate), damages)
      }
      let message = try job.world.broadcast(
        bytes: Array((damage?.description ?? "").utf8), root: first.rank)
      damages.append(String(decoding: message, as: UTF8.self))
    }
    return try job.agreed {
      throw CheckpointError(
        .badData, file: folder.path,
        message: "no checkpoint is whole: " + damages.joined(separator: "; ")
          + "; start anew without --resume")
    }
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
