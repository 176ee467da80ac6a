// Checkpoints on ranks: going on from one gives the bits of never having stopped under every
// schedule, and the numbers in every other layout.

import Checkpoints
import Kernels
import MPITestSupport
import MessagePassing
import Model
import ModelSpec
import Schedules
import Testing
import Training

@MainActor @Suite(.serialized, needs(ranks: 4)) struct MPICheckpointTests {
  private static let layout = Layout(pipeline: 2, data: 2, expert: 2, gpusPerNode: 1)

  /// All that a step leaves on this rank.
  private func state(_ trainer: Trainer) throws -> [[UInt32]] {
    let count = trainer.optimizer.groups.map(\.own.count).max() ?? 0
    var values: [[UInt32]] = []
    let first = UnsafeMutablePointer<Float>.allocate(capacity: count)
    let second = UnsafeMutablePointer<Float>.allocate(capacity: count)
    defer {
      first.deallocate()
      second.deallocate()
    }
    for (number, group) in trainer.optimizer.groups.enumerated() {
      group.copyMoments(first: first, second: second)
      let mean = try #require(trainer.average).mean(group: number)
      values += [
        group.masters.map(\.bitPattern), mean.array.map(\.bitPattern),
        (0..<group.own.count).map { first[$0].bitPattern },
        (0..<group.own.count).map { second[$0].bitPattern },
      ]
    }
    for stage in trainer.model.stageNumbers {
      values += trainer.model.routers(stage: stage).map { $1.bias.array.map(\.bitPattern) }
    }
    return values
  }

  @Test(arguments: ScheduleCatalog.names)
  func resumedRunEqualsOneThatNeverStopped(schedule: String) throws {
    let world = try MPITestWorld.world()
    guard world.rank < 4 else { return }
    let group = try world.subgroup(worldRanks: Array(0..<4), tag: 41)
    let setup = try SmallTraining.setup(Self.layout, schedule: schedule) { $0.emaDecay = 0.75 }
    let whole = try Trainer(setup, world: group)
    let files = try SharedDirectory(group)
    for _ in 0..<2 { _ = try whole.step() }
    // The next step runs while the checkpoint is written.
    let writer = CheckpointWriter(whole, to: files.folder, keep: 1) { try files.agreed($0) }
    try writer.prepare(isResumed: false)
    try writer.begin(whole)
    var records = [try whole.step(), try whole.step()]
    try writer.finish()

    let resumed = try Trainer(setup, world: group)
    let path = try files.folder.newest()
    #expect(CheckpointManifest.damage(in: path) == nil)
    try Checkpoint(path: path).restore(resumed, state: CheckpointState(checkpoint: path))
    for number in records.indices {
      var record = try resumed.step()
      (record.wallSeconds, record.memory) = (0, CountedMemory())
      (records[number].wallSeconds, records[number].memory) = (0, CountedMemory())
      #expect(record == records[number])
    }
    #expect(try state(resumed) == state(whole))
    try files.remove()
  }

  /// Moments and codes of BF16 go through FP32 and come back as they were.
  @Test(arguments: [Precision.bf16, .fp8]) func resumedLowPrecisionIsBitIdentical(
    precision: Precision
  ) throws {
    let world = try MPITestWorld.world()
    guard world.rank < 4 else { return }
    let group = try world.subgroup(worldRanks: Array(0..<4), tag: 42)
    let setup = try SmallTraining.setup(Self.layout, schedule: "dualpipe") {
      $0.numerics.precision = precision
      $0.emaDecay = 0.5
    }
    let whole = try Trainer(setup, world: group)
    let files = try SharedDirectory(group)
    for _ in 0..<2 { _ = try whole.step() }
    let checkpoint = try Checkpoint.write(whole, to: files.folder, keep: 1) {
      try files.agreed($0)
    }
    let resumed = try Trainer(setup, world: group)
    try checkpoint.restore(resumed, state: CheckpointState(checkpoint: checkpoint.path))
    #expect(try state(resumed) == state(whole))
    #expect(try resumed.step().loss == whole.step().loss)
    #expect(try state(resumed) == state(whole))
    try files.remove()
  }
}

/// Part of the suite that also runs on 16 ranks.
extension MPILayoutTests {
  @MainActor @Suite(.serialized, needs(ranks: 4)) struct Relayout {
    private struct Leg {
      var layout: Layout
      var schedule: String
    }

    /// 16, 4, 8, 1 and 16 ranks, as far as there are so many.
    private static let legs = [
      Leg(layout: .init(pipeline: 4, data: 4, expert: 4, gpusPerNode: 2), schedule: "dualpipe"),
      Leg(layout: .init(pipeline: 2, data: 2, expert: 2, gpusPerNode: 1), schedule: "1f1b"),
      Leg(layout: .init(pipeline: 4, data: 2, expert: 1, gpusPerNode: 2), schedule: "zb-v"),
      Leg(layout: .init(pipeline: 1, data: 1, expert: 1, gpusPerNode: 1), schedule: "gpipe"),
      Leg(layout: .init(pipeline: 1, data: 4, expert: 4, gpusPerNode: 2), schedule: "1f1b"),
    ].filter { $0.layout.worldSize <= MPITestWorld.size }

    private func trainer(_ leg: Leg, _ tag: Int) throws -> Trainer? {
      let world = try MPITestWorld.world()
      guard world.rank < leg.layout.worldSize else { return nil }
      let group = try world.subgroup(
        worldRanks: Array(0..<leg.layout.worldSize), tag: tag)
      // A large ε: where a gradient is 0 but for rounding, AdamW would make a whole step of it.
      return try Trainer(
        try SmallTraining.setup(leg.layout, schedule: leg.schedule) {
          $0.emaDecay = 0.75
          $0.epsilon = 1e-4
        }, world: group)
    }

    /// The oracle of the losses is a run that stays in the first layout; that of the state, what
    /// stands in the checkpoint before.
    @Test func runGoesOnFromLayoutToLayout() throws {
      let world = try MPITestWorld.world()
      let files = try SharedDirectory(world)
      let stepsOfLeg = 2
      var expected: [Double] = []
      if let trainer = try trainer(Self.legs[0], 51) {
        for _ in 0..<Self.legs.count * stepsOfLeg { expected.append(try trainer.step().loss) }
        if let loss = try trainer.heldOutLossOfAverage() { expected.append(loss) }
      }
      var losses: [Double] = []
      for (number, leg) in Self.legs.enumerated() {
        if let trainer = try trainer(leg, 52 + number) {
          let agreed = SharedDirectory.agreed(trainer.world)
          if number > 0 {
            let checkpoint = Checkpoint(
              path: files.path("\(number - 1)/step-\(number * stepsOfLeg)"))
            let state = try CheckpointState(checkpoint: checkpoint.path)
            try state.check(trainer.setup, at: checkpoint.path)
            #expect(state.notes(trainer.setup).isEmpty)
            try checkpoint.restore(trainer, state: state)
            // Written again as it is, it is the same to the bit.
            let again = try Checkpoint.write(
              trainer, to: .init(path: files.path("again-\(number)")), keep: 1, phase: agreed)
            if world.rank == 0 { try compare(again.path, checkpoint.path) }
          }
          for _ in 0..<stepsOfLeg { losses.append(try trainer.step().loss) }
          try trainer.checkHolders()
          try Checkpoint.write(
            trainer, to: .init(path: files.path("\(number)")), keep: 1, phase: agreed)
          if number == Self.legs.count - 1, let loss = try trainer.heldOutLossOfAverage() {
            losses.append(loss)
          }
        }
        try world.barrier()
      }
      if world.rank == 0 {
        // Rank 0 is in every leg.
        #expect(losses.count == expected.count)
        for (a, b) in zip(losses, expected) { #expect(abs(a - b) <= 1e-5 * b) }
      }
      try files.remove()
    }

    /// Weights, moments and means of two checkpoints, bit for bit.
    private func compare(_ a: String, _ b: String) throws {
      let models = try [a, b].map { try HuggingFaceDirectory(path: $0) }
      #expect(models[0].names == models[1].names)
      for parameter in models[0].spec.parameters() {
        let weights = try models.map { try $0.floats(parameter.name).map(\.bitPattern) }
        #expect(weights[0] == weights[1], "\(parameter.name)")
        if parameter.isBuffer { continue }
        for kind in ShardPiece.Kind.allCases {
          let values = try [a, b].map { path in
            let shards = try ShardFiles(
              directory: path, prefix: kind == .mean ? "average" : "optimizer", rank: 3)
            var values = [Float](repeating: .nan, count: parameter.elements)
            try values.withUnsafeMutableBufferPointer { buffer in
              guard let base = buffer.baseAddress else { return }
              try shards.read(kind, of: parameter.name, 0..<parameter.elements, into: base)
            }
            return values.map(\.bitPattern)
          }
          #expect(values[0] == values[1], "\(kind) of \(parameter.name)")
        }
      }
    }
  }
}

/// A directory of rank 0 that all ranks of a group know.
@MainActor private struct SharedDirectory {
  private let group: Communicator
  private let own: TestDirectory?
  private let root: String

  init(_ group: Communicator) throws {
    self.group = group
    own = group.rank == 0 ? TestDirectory() : nil
    root = String(
      decoding: try group.broadcast(bytes: Array((own?.path ?? "").utf8), root: 0), as: UTF8.self)
  }

  var folder: CheckpointFolder { CheckpointFolder(path: root + "/checkpoints") }

  func path(_ name: String) -> String { "\(root)/\(name)" }

  /// As the worker's phases: what fails on one rank fails on all.
  func agreed(_ body: () throws -> Void) throws { try Self.agreed(group)(body) }

  static func agreed(_ group: Communicator) -> Phase {
    { body in
      let result = Result { try body() }
      let failure = try group.agree(failure: (try? result.get()) == nil ? 1 : nil)
      try result.get()
      if let failure { throw SharedFailure(rank: failure.rank) }
    }
  }

  /// The directory goes when all ranks are done with it. Collective.
  func remove() throws { try group.barrier() }
}

private struct SharedFailure: Error {
  let rank: Int
}
