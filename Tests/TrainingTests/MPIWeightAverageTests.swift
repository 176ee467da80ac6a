// The running mean of the weights: against one that is taken slowly beside the training, against
// its definition, on ranks against one process, and over a checkpoint.

import Checkpoints
import Kernels
import MPITestSupport
import MessagePassing
import Model
import ModelSpec
import Testing
import Training

@MainActor @Suite(.serialized) struct MPIWeightAverageTests {
  nonisolated private static let alone = Layout(pipeline: 1, data: 1, expert: 1, gpusPerNode: 1)
  nonisolated private static let spread = Layout(pipeline: 2, data: 2, expert: 2, gpusPerNode: 1)

  /// A trainer on the first ranks of the world, nil on the others; `tag` 0: on each rank alone.
  private func trainer(
    _ layout: Layout, decay: Double, tag: Int, change: (inout TrainingPlan) -> Void = { _ in }
  ) throws -> Trainer? {
    let world = try MPITestWorld.world()
    let ranks = tag == 0 ? [world.rank] : Array(0..<layout.worldSize)
    guard world.size >= layout.worldSize, ranks.contains(world.rank) else { return nil }
    let group = try world.subgroup(worldRanks: ranks, tag: tag == 0 ? 9800 + world.rank : tag)
    let setup = try SmallTraining.setup(
      layout, schedule: layout.pipeline == 1 ? "gpipe" : "dualpipe"
    ) {
      $0.emaDecay = decay
      change(&$0)
    }
    return try Trainer(setup, world: group)
  }

  private func weights(_ trainer: Trainer) -> [[Float]] {
    trainer.optimizer.groups.map { Array($0.masters) }
  }

  private func means(_ trainer: Trainer) throws -> [[Float]] {
    let average = try #require(trainer.average)
    return trainer.optimizer.groups.indices.map { average.mean(group: $0).array }
  }

  private func bits(_ values: [[Float]]) -> [[UInt32]] { values.map { $0.map(\.bitPattern) } }

  @Test(arguments: [alone, spread])
  func meanIsThatOfASlowTwinAndOfItsDefinition(_ layout: Layout) throws {
    let decay = 0.75
    guard let trainer = try trainer(layout, decay: decay, tag: 31) else { return }
    var twin = weights(trainer).map { $0.map { _ in Float(0) } }
    var updates = 0.0
    var history: [[[Float]]] = []
    for _ in 0..<10 {
      _ = try trainer.step()
      history.append(weights(trainer))
      updates = updates * decay + 1
      let share = Float(1 / updates)
      for (group, values) in weights(trainer).enumerated() {
        for (i, value) in values.enumerated() {
          let way = value - twin[group][i]
          twin[group][i] += way * share
        }
      }
    }
    let own = try means(trainer)
    #expect(bits(own) == bits(twin))
    // Σ decayᵃ · weights / Σ decayᵃ over the updates, a: how many came after. The initial weights
    // are none of them.
    var worst = 0.0
    for (group, values) in own.enumerated() {
      for (i, value) in values.enumerated() {
        var (sum, total) = (0.0, 0.0)
        for step in history {
          sum = sum * decay + Double(step[group][i])
          total = total * decay + 1
        }
        worst = max(worst, abs(Double(value) - sum / total))
      }
    }
    // Ten roundings to 2⁻²⁴ of numbers up to 1 (norm weights), each faded by the next.
    #expect(worst < 4e-7)
    #expect(abs(try #require(trainer.average).effectiveUpdates - updates) == 0)
  }

  /// A large ε, because AdamW divides the gradient by its own size: where that is 0 but for
  /// rounding, ranks and one process would differ by a whole step.
  @Test func ranksHaveTheMeanAndItsLossOfOneProcess() throws {
    guard let many = try trainer(Self.spread, decay: 0.75, tag: 32, change: { $0.epsilon = 1e-2 }),
      let one = try trainer(Self.alone, decay: 0.75, tag: 0, change: { $0.epsilon = 1e-2 })
    else { return }
    for _ in 0..<10 { _ = (try many.step(), try one.step()) }
    var expected: [String: ArraySlice<Float>] = [:]
    let whole = try means(one)
    for (number, part) in one.optimizer.groups.enumerated() {
      for parameter in part.group.parameters {
        let range = parameter.offset..<parameter.offset + parameter.shape.count
        expected[parameter.name] = whole[number][range]
      }
    }
    var (worst, compared) = (Float(0), 0)
    let shards = try means(many)
    for (number, part) in many.optimizer.groups.enumerated() {
      for parameter in part.group.parameters {
        let range = parameter.offset..<parameter.offset + parameter.shape.count
        let values = try #require(expected[parameter.name])
        for place in range.clamped(to: part.own) {
          let difference = abs(
            shards[number][place - part.own.lowerBound]
              - values[values.startIndex + place - parameter.offset])
          worst = max(worst, difference.isNaN ? .infinity : difference)
          compared += 1
        }
      }
    }
    #expect(compared == shards.reduce(0) { $0 + $1.count } && compared > 0)
    #expect(worst <= 1e-6)

    let before = (bits(weights(many)), bits(try means(many)))
    let plain = try many.heldOutLoss()
    let loss = try #require(try many.heldOutLossOfAverage())
    let lossOfOne = try #require(try one.heldOutLossOfAverage())
    #expect(abs(loss - lossOfOne) <= 1e-5 * lossOfOne)
    #expect(loss != plain)
    // Everything is as it was, on every holder.
    #expect(bits(weights(many)) == before.0)
    #expect(bits(try means(many)) == before.1)
    try many.checkHolders()
    #expect(try many.heldOutLoss() == plain)
  }

  @Test func meanIsKeptOutsideTheGPU() throws {
    // Other suites allocate at the same time when they share the process.
    guard MPITestWorld.size > 1 else { return }
    let before = TensorMemory.usage
    let trainer = try #require(try trainer(Self.alone, decay: 0.5, tag: 0))
    let host = MemoryCategory.host.rawValue
    let bytes = trainer.optimizer.groups.reduce(0) { $0 + 4 * $1.own.count }
    #expect(TensorMemory.usage.byCategory[host] - before.byCategory[host] == bytes)
    let live = TensorMemory.usage.live
    let tensor = Tensor(64, 64, for: .host)
    #expect(TensorMemory.usage.live == live && tensor.count == 4096)
  }

  @Test func resumedMeanIsThatOfARunThatNeverStopped() throws {
    let files = TestDirectory()
    let folder = CheckpointFolder(path: files("checkpoints"))
    let whole = try #require(try trainer(Self.alone, decay: 0.75, tag: 0))
    for _ in 0..<3 { _ = try whole.step() }
    let checkpoint = try Checkpoint.write(whole, to: folder, keep: 2) { try $0() }
    for _ in 0..<2 { _ = try whole.step() }

    let resumed = try #require(try trainer(Self.alone, decay: 0.75, tag: 0))
    try checkpoint.restore(resumed, state: CheckpointState(checkpoint: checkpoint.path))
    for _ in 0..<2 { _ = try resumed.step() }
    #expect(bits(try means(resumed)) == bits(try means(whole)))
    #expect(resumed.average?.effectiveUpdates == whole.average?.effectiveUpdates)
    #expect(try CheckpointState(checkpoint: checkpoint.path).notes(whole.setup).isEmpty)
  }

  @Test func withoutAMeanInTheCheckpointItBeginsAnew() throws {
    let files = TestDirectory()
    let folder = CheckpointFolder(path: files("checkpoints"))
    let first = try #require(try trainer(Self.alone, decay: 0.75, tag: 0))
    _ = try first.step()
    let with = try Checkpoint.write(first, to: folder, keep: 9) { try $0() }

    // To 0: what the checkpoint has is left.
    let off = try #require(try trainer(Self.alone, decay: 0, tag: 0))
    var state = try CheckpointState(checkpoint: with.path)
    #expect(state.averageUpdates == 1)
    #expect(state.notes(off.setup).map { $0.prefix(24) } == ["training.ema_decay is 0:"])
    try with.restore(off, state: state)
    #expect(off.average == nil)
    #expect(try off.heldOutLossOfAverage() == nil)
    _ = try off.step()
    let without = try Checkpoint.write(off, to: folder, keep: 9) { try $0() }

    // From 0, onto a trainer whose mean has been elsewhere: one update, which is the weights.
    state = try CheckpointState(checkpoint: without.path)
    #expect(state.averageUpdates == 0 && state.notes(off.setup).isEmpty)
    let note = "the checkpoint has no mean of the weights"
    #expect(state.notes(first.setup).map { $0.prefix(note.count) } == [note[...]])
    try without.restore(first, state: state)
    #expect(try first.heldOutLossOfAverage() == nil)
    _ = try first.step()
    #expect(bits(try means(first)) == bits(weights(first)))
  }
}
