// The memory of a training step: what the first steps asked of the system is enough for all later
// ones. Counts the blocks of `TensorMemory`, not the process's size, which the system rounds.

import Kernels
import MPITestSupport
import MessagePassing
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
