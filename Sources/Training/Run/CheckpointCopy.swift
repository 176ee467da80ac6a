// What one rank writes of a checkpoint, in memory of its own: a copy holds the training up for as
// long as it takes, and the files are written from it while the training goes on.

internal import Checkpoints
internal import Kernels
internal import MessagePassing
internal import Model
internal import ModelSpec

/// The memory for a rank's part of a checkpoint, kept from one to the next. It counts as the
/// host's.
package final class CheckpointCopy {
  /// A file of tensors; their memory is this object's.
  private struct File {
    var name: String
    var tensors: [SafeTensors.Tensor]
    var metadata: [String: String] = [:]
  }

  /// Steps done when it was taken.
  private(set) var step = 0
  private var files: [File] = []
  /// Small files of rank 0: names and contents.
  private var texts: [(name: String, bytes: [UInt8])] = []
  /// The weights that the rank writes, by name.
  private var weights: [(name: String, memory: Tensor)] = []
  private var moments: [(first: Tensor, second: Tensor)] = []
  private var means: [Tensor] = []
  private let shards: CheckpointShards

  /// Makes room for the part of `trainer`'s rank.
  package init(_ trainer: Trainer) {
    let (rank, groups) = (trainer.world.rank, trainer.optimizer.groups)
    shards = CheckpointShards(trainer.model.placement)
    func room(_ count: Int) -> Tensor { Tensor(1, count, for: .host) }
    if let name = shards.files[rank] {
      var tensors: [SafeTensors.Tensor] = []
      for weight in shards.tensors[rank] {
        let shape = shards.shapes[weight] ?? []
        let memory = room(shape.reduce(1, *))
        weights.append((weight, memory))
        tensors.append(.init(weight, shape: shape, .buffer(UnsafeBufferPointer(memory.buffer))))
      }
      files.append(File(name: name, tensors: tensors, metadata: ["format": "pt"]))
    }
    moments = groups.map { (room($0.own.count), room($0.own.count)) }
    let optimizer =
      Self.pieces(.firstMoment, groups, moments.map(\.first))
      + Self.pieces(.secondMoment, groups, moments.map(\.second))
    files.append(File(name: ShardFiles.file("optimizer", rank: rank), tensors: optimizer))
    guard trainer.average != nil else { return }
    means = groups.map { room($0.own.count) }
    files.append(
      File(
        name: ShardFiles.file("average", rank: rank), tensors: Self.pieces(.mean, groups, means)))
  }

  /// The tensors of a shard of each group, a piece for each weight.
  private static func pieces(
    _ kind: ShardPiece.Kind, _ groups: [GroupOptimizer], _ memory: [Tensor]
  ) -> [SafeTensors.Tensor] {
    zip(groups, memory).flatMap { group, shard in
      group.ownParts.map { part in
        let values = UnsafeBufferPointer(
          rebasing: UnsafeBufferPointer(shard.buffer)[part.start..<part.start + part.elements.count]
        )
        return .init(
          ShardPiece(kind, of: part.weight, part.elements).name, shape: [values.count],
          .buffer(values))
      }
    }
  }

  /// Takes the trainer's state as it is now; the groups' values must be the masters. Not
  /// collective.
  func take(_ trainer: Trainer) {
    step = trainer.stepsDone
    let memory = trainer.model.tensors
    for (name, copy) in weights {
      guard let values = memory[name]?.baseAddress else {
        preconditionFailure("rank \(trainer.world.rank) writes \(name) and does not hold it")
      }
      copy.base.update(from: values, count: copy.count)
    }
    for (group, copy) in zip(trainer.optimizer.groups, moments) {
      group.copyMoments(first: copy.first.base, second: copy.second.base)
    }
    if let average = trainer.average {
      for (number, copy) in means.enumerated() {
        copy.base.update(from: average.mean(group: number).base, count: copy.count)
      }
    }
    guard trainer.world.rank == 0 else { return }
    let state = CheckpointState(
      trainer.setup, placement: trainer.model.placement, stepsDone: step,
      progress: trainer.progress, averageUpdates: trainer.average?.effectiveUpdates ?? 0)
    texts = [
      ("config.json", trainer.setup.spec.configJSON()),
      (CheckpointShards.index, shards.indexJSON), (CheckpointState.file, state.json),
    ]
  }

  /// Writes the files to `directory`, onto the disk, and returns what the manifest says of them.
  func write(to directory: String) throws -> [CheckpointManifest.File] {
    var written: [CheckpointManifest.File] = []
    for file in files {
      let checksum = FileChecksum()
      try SafeTensors.write(
        file.tensors, to: "\(directory)/\(file.name)", metadata: file.metadata, isDurable: true
      ) { checksum.add($0) }
      written.append(
        .init(name: file.name, bytes: checksum.bytes, checksum: checksum.digits))
    }
    for (name, bytes) in texts {
      written.append(try CheckpointManifest.write(bytes, to: directory, name: name))
    }
    return written
  }
}
