// A checkpoint on disk. It is a Hugging Face directory (config.json, sharded weights and their
// index) with the optimizer's shards, state.json and a manifest beside; any layout goes on from it.

package import Checkpoints
internal import Kernels
internal import MessagePassing
package import Model

/// A checkpoint of a trainer, at a path.
package struct Checkpoint {
  package let path: String

  package init(path: String) { self.path = path }

  /// Writes the trainer's state to `checkpoints/step-N` and moves `latest` to it, and returns when
  /// that is done. Collective.
  /// - Parameters:
  ///   - keep: checkpoints that are kept, this one among them.
  ///   - phase: how ranks agree on a failure.
  /// - Throws: what `phase` throws for `CheckpointError` and `RunFileError`; `latest` is then as
  ///   before.
  @discardableResult
  package static func write(
    _ trainer: Trainer, to folder: CheckpointFolder, keep: Int, phase: @escaping Phase
  ) throws -> Checkpoint {
    let writer = CheckpointWriter(trainer, to: folder, keep: keep, phase: phase)
    try writer.prepare(isResumed: true)
    try writer.begin(trainer)
    try writer.finish()
    return Checkpoint(path: folder.checkpoint(step: trainer.stepsDone))
  }

  /// Makes `trainer` what it was when the checkpoint was written, in whichever layout that was;
  /// `state` is that of the checkpoint and was compared with the trainer's setup. The files must
  /// have been compared with the manifest. Not collective.
  /// - Throws: `CheckpointError` for a file that is missing or lacks something.
  package func restore(_ trainer: Trainer, state: CheckpointState) throws(CheckpointError) {
    trainer.average?.finish()
    trainer.optimizer.expandValues()
    try trainer.model.load(try HuggingFaceDirectory(path: path))
    trainer.optimizer.adoptValues()
    try readMoments(trainer)
    try readAverage(trainer, state)
    trainer.stepsDone = state.stepsDone
  }

  private func readMoments(_ trainer: Trainer) throws(CheckpointError) {
    let files = try ShardFiles(
      directory: path, prefix: "optimizer", rank: trainer.world.rank)
    for group in trainer.optimizer.groups {
      let moments = [ShardPiece.Kind.firstMoment, .secondMoment].map {
        (kind: $0, values: Tensor(1, group.own.count, for: .emulation))
      }
      for (kind, values) in moments {
        for part in group.ownParts {
          try files.read(kind, of: part.weight, part.elements, into: values.base + part.start)
        }
      }
      group.setMoments(first: moments[0].values, second: moments[1].values)
    }
  }

  /// Goes on with the checkpoint's mean; begins anew where it has none.
  private func readAverage(
    _ trainer: Trainer, _ state: CheckpointState
  ) throws(CheckpointError) {
    guard let average = trainer.average else { return }
    if state.averageUpdates > 0 {
      let files = try ShardFiles(
        directory: path, prefix: "average", rank: trainer.world.rank)
      for (number, group) in trainer.optimizer.groups.enumerated() {
        let mean = average.mean(group: number)
        for part in group.ownParts {
          try files.read(.mean, of: part.weight, part.elements, into: mean.base + part.start)
        }
      }
    }
    average.restore(effectiveUpdates: state.averageUpdates)
  }
}
