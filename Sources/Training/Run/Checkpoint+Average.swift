// The mean of the weights in a checkpoint: a file of each rank beside its optimizer's, with the
// rank's shards. state.json says how many updates the mean stands for.

internal import Kernels
internal import MessagePassing
internal import Model

extension Checkpoint {
  private func averageFile(_ rank: Int) -> String {
    "\(path)/average-\(CheckpointShards.digits(rank)).safetensors"
  }

  private static func name(_ group: GroupOptimizer) -> String { group.group.label + ".mean" }

  func writeAverage(_ trainer: Trainer) throws(CheckpointError) {
    guard let average = trainer.average else { return }
    let groups = trainer.optimizer.groups
    try Self.writeShards(
      groups.enumerated().map { (Self.name($1), average.mean(group: $0)) }, of: groups,
      to: averageFile(trainer.world.rank), stepsDone: trainer.stepsDone)
  }

  /// Goes on with the checkpoint's mean; begins anew where it has none.
  func readAverage(_ trainer: Trainer, _ state: CheckpointState) throws(CheckpointError) {
    guard let average = trainer.average else { return }
    if state.averageUpdates > 0 {
      let file = try openShards(averageFile(trainer.world.rank), state)
      for (number, group) in trainer.optimizer.groups.enumerated() {
        try Self.read(Self.name(group), of: group, into: average.mean(group: number), from: file)
      }
    }
    average.restore(effectiveUpdates: state.averageUpdates)
  }
}
