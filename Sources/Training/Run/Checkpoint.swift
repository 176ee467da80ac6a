// Writing and reading a checkpoint. It is a Hugging Face directory (config.json, sharded weights
// and their index) with the optimizer's shards and state.json beside; every rank writes its own
// files from where the numbers are, so that memory is not doubled.

internal import Kernels
internal import MessagePassing
package import Model
internal import ModelSpec
internal import RunFiles

/// Runs `body` on every rank; when it throws on any, throws on all. `body` is not collective.
package typealias Phase = (_ body: () throws -> Void) throws -> Void

/// A checkpoint of a trainer, at a path.
package struct Checkpoint {
  package let path: String

  package init(path: String) { self.path = path }

  /// Writes the trainer's state to `checkpoints/step-N` and moves `latest` to it. Collective.
  /// - Parameters:
  ///   - keep: checkpoints that are kept, this one among them.
  ///   - phase: how ranks agree on a failure.
  /// - Throws: what `phase` throws for `CheckpointError` and `RunFileError`; `latest` is then as
  ///   before.
  @discardableResult
  package static func write(
    _ trainer: Trainer, to folder: CheckpointFolder, keep: Int, phase: Phase
  ) throws -> Checkpoint {
    let step = trainer.stepsDone
    let isFirst = trainer.world.rank == 0
    let partial = Checkpoint(path: folder.partial(step: step))
    try phase { if isFirst { try folder.begin(step: step) } }
    try trainer.optimizer.withMasters {
      try phase {
        let shards = CheckpointShards(trainer.model.placement)
        try partial.writeWeights(trainer, shards)
        try partial.writeOptimizer(trainer)
        try partial.writeAverage(trainer)
        if isFirst { try partial.writeCommon(trainer, shards) }
      }
    }
    try phase { if isFirst { try folder.complete(step: step, keep: keep) } }
    return Checkpoint(path: folder.checkpoint(step: step))
  }

  /// Makes `trainer` what it was when the checkpoint was written; `state` is that of the
  /// checkpoint and was compared with the trainer's setup. Not collective.
  /// - Throws: `CheckpointError` for a file that is missing, truncated or of another checkpoint.
  package func restore(_ trainer: Trainer, state: CheckpointState) throws(CheckpointError) {
    trainer.average?.finish()
    let directory = try HuggingFaceDirectory(path: path)
    for shard in directory.shards { try Self.checkSteps(shard, state) }
    trainer.optimizer.expandValues()
    try trainer.model.load(directory)
    var sums: [String: [String: String]] = [:]
    for (name, values) in trainer.model.tensors.sorted(by: { $0.key < $1.key }) {
      guard let shard = directory.shard(of: name) else { continue }
      let expected = sums[shard.source] ?? Self.checksums(of: shard)
      sums[shard.source] = expected
      try Self.compare(UnsafeBufferPointer(values), name, with: expected, in: shard)
    }
    trainer.optimizer.adoptValues()
    try readOptimizer(trainer, state)
    try readAverage(trainer, state)
    trainer.stepsDone = state.stepsDone
  }

  private func optimizerFile(_ rank: Int) -> String {
    "\(path)/optimizer-\(CheckpointShards.digits(rank)).safetensors"
  }

  /// In the metadata of every file of tensors: which step it is of.
  private static let stepsKey = "steps_done"

  private static func checkSteps(
    _ file: SafeTensors, _ state: CheckpointState
  ) throws(CheckpointError) {
    guard let steps = file.metadata[stepsKey], steps != "\(state.stepsDone)" else { return }
    throw CheckpointError(
      .badData, file: file.source,
      message: "was written after \(steps) steps, the checkpoint after \(state.stepsDone)")
  }
}

// MARK: - Checksums

extension Checkpoint {
  /// In the metadata of every file of tensors: "NAME=SUM" of each, a blank between.
  private static let checksumsKey = "checksums"

  /// FNV-1a over the values' bits, in hexadecimal. One damaged value always changes it.
  package static func checksum(_ values: UnsafeBufferPointer<Float>) -> String {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for value in values { hash = (hash ^ UInt64(value.bitPattern)) &* 0x100_0000_01b3 }
    return String(hash, radix: 16)
  }

  /// Metadata of a file of these tensors.
  private static func metadata(
    _ tensors: [(name: String, values: UnsafeBufferPointer<Float>)], stepsDone: Int
  ) -> [String: String] {
    let sums = tensors.map { "\($0.name)=\(checksum($0.values))" }
    return [stepsKey: "\(stepsDone)", checksumsKey: sums.joined(separator: " ")]
  }

  private static func checksums(of file: SafeTensors) -> [String: String] {
    var sums: [String: String] = [:]
    for pair in (file.metadata[checksumsKey] ?? "").split(separator: " ") {
      let parts = pair.split(separator: "=")
      if parts.count == 2 { sums[String(parts[0])] = String(parts[1]) }
    }
    return sums
  }

  private static func compare(
    _ values: UnsafeBufferPointer<Float>, _ name: String, with sums: [String: String],
    in file: SafeTensors
  ) throws(CheckpointError) {
    let found = checksum(values)
    let written = sums[name] ?? "missing"
    guard found != written else { return }
    throw CheckpointError(
      .badData, file: file.source, tensor: name,
      message: "its \(values.count * 4) bytes are damaged: their checksum is \(found), that of "
        + "those written is \(written)")
  }
}

// MARK: - Weights

extension Checkpoint {
  private func writeWeights(_ trainer: Trainer, _ shards: CheckpointShards) throws(CheckpointError)
  {
    let rank = trainer.world.rank
    guard let file = shards.files[rank] else { return }
    let memory = trainer.model.tensors
    let tensors = shards.tensors[rank].map { name in
      guard let values = memory[name] else {
        preconditionFailure("rank \(rank) writes \(name) and does not hold it")
      }
      return (name: name, values: UnsafeBufferPointer(values))
    }
    var metadata = Self.metadata(tensors, stepsDone: trainer.stepsDone)
    metadata["format"] = "pt"
    try SafeTensors.write(
      tensors.map { name, values in
        .init(name, shape: shards.shapes[name] ?? [values.count], .buffer(values))
      }, to: "\(path)/\(file)", metadata: metadata)
  }

  private func writeCommon(_ trainer: Trainer, _ shards: CheckpointShards) throws(RunFileError) {
    let state = CheckpointState(
      trainer.setup, placement: trainer.model.placement, stepsDone: trainer.stepsDone,
      progress: trainer.progress, averageUpdates: trainer.average?.effectiveUpdates ?? 0)
    let files = [
      ("config.json", trainer.setup.spec.configJSON()), (CheckpointShards.index, shards.indexJSON),
      (CheckpointState.file, state.json),
    ]
    for (name, bytes) in files {
      try RunDirectory.write(String(decoding: bytes, as: UTF8.self), to: "\(path)/\(name)")
    }
  }
}

// MARK: - Optimizer

extension Checkpoint {
  /// A group's two moments under the names they have in the file.
  private static func moments(_ group: GroupOptimizer) -> [(name: String, values: Tensor)] {
    let names = [".first_moment", ".second_moment"]
    return zip(names, group.loadedMoments).map { (group.group.label + $0, $1) }
  }

  private static func rangeKey(_ group: GroupOptimizer) -> String { group.group.label + ".range" }

  /// The part of the group's flat buffer that this rank's optimizer has.
  private static func range(_ group: GroupOptimizer) -> String {
    "\(group.own.lowerBound)..<\(group.own.upperBound) of \(group.group.count)"
  }

  private func writeOptimizer(_ trainer: Trainer) throws(CheckpointError) {
    let groups = trainer.optimizer.groups
    try Self.writeShards(
      groups.flatMap(Self.moments), of: groups, to: optimizerFile(trainer.world.rank),
      stepsDone: trainer.stepsDone)
  }

  private func readOptimizer(
    _ trainer: Trainer, _ state: CheckpointState
  ) throws(CheckpointError) {
    let file = try openShards(optimizerFile(trainer.world.rank), state)
    for group in trainer.optimizer.groups {
      let moments = Self.moments(group)
      for (name, values) in moments {
        try Self.read(name, of: group, into: values, from: file)
      }
      group.setMoments(first: moments[0].values, second: moments[1].values)
    }
  }

  /// Writes a file of tensors for this rank's shards.
  static func writeShards(
    _ shards: [(name: String, values: Tensor)], of groups: [GroupOptimizer], to path: String,
    stepsDone: Int
  ) throws(CheckpointError) {
    let tensors = shards.map { name, values in
      (name: name, values: UnsafeBufferPointer(values.buffer))
    }
    var metadata = Self.metadata(tensors, stepsDone: stepsDone)
    for group in groups { metadata[Self.rangeKey(group)] = Self.range(group) }
    try SafeTensors.write(
      tensors.map { name, values in .init(name, shape: [values.count], .buffer(values)) },
      to: path, metadata: metadata)
  }

  /// Opens what `writeShards` wrote.
  func openShards(_ path: String, _ state: CheckpointState) throws(CheckpointError) -> ShardFile {
    let file = try SafeTensors(path: path)
    try Self.checkSteps(file, state)
    return ShardFile(tensors: file, checksums: Self.checksums(of: file))
  }

  /// A file of `writeShards`, open.
  struct ShardFile {
    let tensors: SafeTensors
    let checksums: [String: String]
  }

  /// Reads a tensor for the group's shard on this rank.
  static func read(
    _ name: String, of group: GroupOptimizer, into values: Tensor, from shards: ShardFile
  ) throws(CheckpointError) {
    let file = shards.tensors
    let found = try file.info(name)
    guard found.type == .f32, found.elements == values.count else {
      throw CheckpointError(
        .badData, file: file.source, tensor: name,
        message: "\(found.bytes.count) bytes of \(found.type.rawValue) where this rank's "
          + "shard takes \(values.count * 4) of F32")
    }
    let range = file.metadata[Self.rangeKey(group)] ?? "nowhere"
    guard range == Self.range(group) else {
      throw CheckpointError(
        .badData, file: file.source, tensor: name,
        message: "is for the weights \(range) where this rank has \(Self.range(group))")
    }
    try file.copy(name, into: values.buffer)
    try Self.compare(
      UnsafeBufferPointer(values.buffer), name, with: shards.checksums, in: file)
  }
}
