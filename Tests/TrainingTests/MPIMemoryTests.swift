// The memory of a training step: what the first steps asked of the system is enough for all later
// ones. Counts the blocks of `TensorMemory`, not the process's size, which the system rounds.

import Kernels
import MPITestSupport
import MessagePassing
import Model
import ModelSpec
import Testing
import Training

/// Run under mpirun only: there the tests of a process come one after the other, while in one
/// process other suites take blocks of the same memory at the same time.
@MainActor @Suite(.serialized, needs(ranks: 2)) struct MPIMemoryTests {
  /// A trainer of one rank, apart on each rank of the world. Every token passes all experts, so
  /// that no size depends on the router's choice.
  @Test(arguments: ["gpipe", "1f1b"])
  func noTensorMemoryIsAllocatedAfterTheFirstSteps(_ schedule: String) throws {
    let trainer = try trainer(schedule) {
      $0.expertsPerToken = $0.routedExperts
      $0.groupsPerToken = $0.expertGroups
    }
    for _ in 0..<2 { _ = try trainer.step() }
    let before = TensorMemory.usage
    for _ in 2..<30 { _ = try trainer.step() }
    let after = TensorMemory.usage
    #expect(after.blocksAllocated == before.blocksAllocated)
    #expect(after.live == before.live)
  }

  /// Where tokens choose, an expert that gets more of them than ever may want a block of the next
  /// size: a few of thousands, and no more live bytes.
  @Test(arguments: ["gpipe", "1f1b"])
  func routingAddsFewBlocksAfterTheFirstSteps(_ schedule: String) throws {
    let trainer = try trainer(schedule) { _ in }
    for _ in 0..<2 { _ = try trainer.step() }
    let before = TensorMemory.usage
    for _ in 2..<30 { _ = try trainer.step() }
    let after = TensorMemory.usage
    #expect(after.blocksAllocated - before.blocksAllocated <= before.blocksAllocated / 200)
    #expect(after.live == before.live)
  }

  /// A split backward keeps the inputs and output gradients of the matrices for its weight half.
  /// That is less than the forward left, although it takes the gradients in; after the weight half
  /// nothing is held.
  @Test func theInputHalfLetsGoOfWhatTheWeightHalfDoesNotNeed() throws {
    let spec = SmallTraining.spec
    let experts = (1..<3).flatMap {
      ModelParameters.expertShapes(spec, layer: $0, experts: 0..<spec.routedExperts)
    }
    let shapes = ModelParameters.denseShapes(spec, stage: 1..<3) + experts
    let store = ParameterStore(groups: [ParameterGroup(label: "stage", shapes: shapes)])
    Initialiser.fill(store, seed: 4, deviation: 0.1)
    let stage = Stage(
      spec, layers: 1..<3, convention: .released, store: store,
      rotary: RotaryEmbedding(spec, positions: 24),
      transport: LocalTransport(experts: spec.routedExperts))
    let batch = MicroBatch(sequences: 1, length: 24, tokens: Array(repeating: 3, count: 26))
    let before = TensorMemory.usage.live
    let weights = WeightGradients()
    let forward: Int
    do {
      let pass = StagePass(stage, batch, scales: LossScales(main: 1, mtp: 0, balance: 0))
      func hidden(_ value: Float) -> Tensor {
        Tensor(24, spec.hiddenSize, Array(repeating: value, count: 24 * spec.hiddenSize))
      }
      try StageForward(pass, input: hidden(0.5)).run()
      forward = TensorMemory.usage.live - before
      try StageBackward(pass, gradient: hidden(0.1), weights: weights).run {}
    }
    let pending = TensorMemory.usage.live - before
    #expect(pending > 0 && pending < forward, "\(pending) of \(forward) bytes")
    weights.perform()
    #expect(TensorMemory.usage.live == before)
  }

  private func trainer(
    _ schedule: String, change: (inout ModelSpec) -> Void
  ) throws -> Trainer {
    let world = try MPITestWorld.world()
    let alone = try world.subgroup(worldRanks: [world.rank], tag: 9700 + world.rank)
    let layout = Layout(pipeline: 1, data: 1, expert: 1, gpusPerNode: 1)
    var setup = try SmallTraining.setup(layout, schedule: schedule)
    change(&setup.spec)
    return try Trainer(setup, world: alone)
  }
}
