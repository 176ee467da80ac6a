// What the trainer tells of itself while it runs, and what happens to a step that is disturbed.

import Glibc
import MPITestSupport
import MessagePassing
import ModelSpec
import RunFiles
import Schedules
import Testing
import Training

@MainActor @Suite(.serialized, needs(ranks: 4)) struct MPIDisturbanceTests {
  /// A small run on the first four ranks; nil on the others.
  private func trainer(
    _ layout: Layout, _ schedule: String, tag: Int, precision: Precision = .fp32
  ) throws -> Trainer? {
    let world = try MPITestWorld.world()
    guard world.rank < 4 else { return nil }
    let ranks = try world.subgroup(worldRanks: Array(0..<4), tag: 7700 + tag)
    let setup = try SmallTraining.setup(layout, schedule: schedule) {
      $0.microBatches = 4
      $0.numerics.precision = precision
    }
    return try Trainer(setup, world: ranks)
  }

  /// A directory that all ranks know, with a beat of each.
  private func openBeats(_ trainer: Trainer) throws -> (RunDirectory, TestDirectory) {
    let files = TestDirectory()
    let path = try trainer.world.broadcast(bytes: Array(files.path.utf8), root: 0)
    let run = RunDirectory(path: String(decoding: path, as: UTF8.self))
    if trainer.world.rank == 0 { try run.create() }
    try trainer.world.barrier()
    trainer.clock.beat = try BeatWriter(
      path: run.rankBeat(trainer.world.rank), rank: trainer.world.rank)
    return (run, files)
  }

  /// A pipeline of four under 1F1B, whose rank 1 stops before its first forward: rank 0 has sent
  /// what it may and waits for its first gradient, ranks 2 and 3 for activations of the one before.
  @Test func beatsSayWhoWaitsForWhom() throws {
    guard
      let trainer = try trainer(
        Layout(pipeline: 4, data: 1, expert: 1, gpusPerNode: 1), "1f1b", tag: 0)
    else { return }
    let (run, files) = try openBeats(trainer)
    let rank = trainer.world.rank
    var seen: [RankBeat] = []
    var own: RankBeat?
    if rank == 1 {
      trainer.disturbances = { _, _ in
        var disturbance = Disturbance()
        // The list begins with the receive of the first activation.
        disturbance.interruption = (
          1,
          {
            own = RankBeat(path: run.rankBeat(1))
            for _ in 0..<100 where seen.filter({ $0.wait != .nothing }).count < 3 {
              usleep(20_000)
              seen = [0, 2, 3].compactMap { RankBeat(path: run.rankBeat($0)) }
            }
          }
        )
        return disturbance
      }
    }
    _ = try trainer.step()
    try trainer.world.barrier()
    if rank == 1 {
      #expect(seen.map(\.wait) == [.gradient, .activation, .activation])
      #expect(seen.map(\.peer) == [1, 1, 2])
      #expect(seen.allSatisfy { $0.phase == .schedule && $0.step == 1 })
      #expect(own?.actionsDone == 1 && own?.phase == .schedule)
    }
    let beat = try #require(RankBeat(path: run.rankBeat(rank)))
    let plan = try SchedulePlan(
      lowering: ScheduleCatalog.make(name: "1f1b", ranks: 4, microbatches: 4))
    #expect(beat.step == 1 && beat.actionsDone == plan.actions[rank].count)
    #expect(beat.wait == .nothing && beat.phase == .balance && beat.pid == getpid())
    #expect(beat.tensorBytes == trainer.memory.total)
    // The process holds more than the tensors, and less than a machine has.
    #expect(beat.residentBytes > beat.tensorBytes && beat.residentBytes < 1 << 38)
    trainer.clock.beat = nil
    try trainer.world.barrier()
    withExtendedLifetime(files) {}
  }

  /// DualPipe on two pipeline ranks with two data ranks: dense weights have four holders, so the
  /// one that differs is known. The gather heals the weight, so the weights as they are say
  /// nothing two steps later; what was noted of each step does.
  @Test(arguments: [Precision.fp32, .fp8])
  func aFlippedBitIsFoundAndItsRankNamed(precision: Precision) throws {
    let layout = Layout(pipeline: 2, data: 2, expert: 1, gpusPerNode: 2)
    guard let trainer = try trainer(layout, "dualpipe", tag: 1, precision: precision) else {
      return
    }
    let rank = trainer.world.rank
    func flip(inStep wanted: Int) {
      trainer.disturbances = { step, _ in
        var disturbance = Disturbance()
        if rank == 2 && step == wanted { disturbance.flipsBit = 5 }
        return disturbance
      }
    }
    trainer.notesWeights = true
    _ = try trainer.step()
    try trainer.checkHolders()
    flip(inStep: 2)
    for _ in 0..<2 { _ = try trainer.step() }
    do {
      try trainer.checkHolders()
      Issue.record("the flip was not found")
    } catch TrainingError.holdersDiffer(let step, let since, let difference) {
      #expect(step == 3 && since == 1)
      #expect(difference.holders == [0, 1, 2, 3] && difference.minority == [2])
    }
    // Found once, and healed.
    try trainer.checkHolders()
    trainer.notesWeights = false
    flip(inStep: 4)
    _ = try trainer.step()
    try trainer.checkHolders()
  }

  @Test func aGradientThatIsNotANumberEndsTheStepOnAllRanks() throws {
    let layout = Layout(pipeline: 2, data: 2, expert: 2, gpusPerNode: 2)
    guard let trainer = try trainer(layout, "dualpipe", tag: 2) else { return }
    let rank = trainer.world.rank
    trainer.disturbances = { step, _ in
      var disturbance = Disturbance()
      if rank == 3 && step == 2 { disturbance.spoilsGradient = 9 }
      return disturbance
    }
    _ = try trainer.step()
    do {
      _ = try trainer.step()
      Issue.record("the NaN was not seen")
    } catch TrainingError.notFinite(let step, let loss, let norm, _) {
      #expect(step == 2 && loss.isFinite && norm.isNaN)
    }
  }

  /// A rank that is slow changes no number.
  @Test func aSlowRankTakesLongerAndComputesTheSame() throws {
    let layout = Layout(pipeline: 2, data: 2, expert: 2, gpusPerNode: 2)
    var losses: [[Double]] = []
    for slowness in [1.0, 3.0] {
      guard let trainer = try trainer(layout, "dualpipe", tag: 3 + Int(slowness)) else { return }
      let rank = trainer.world.rank
      trainer.disturbances = { _, _ in
        var disturbance = Disturbance()
        if rank == 1 { disturbance.slowness = slowness }
        return disturbance
      }
      losses.append([try trainer.step().loss, try trainer.step().loss])
    }
    #expect(losses[0] == losses[1])
  }
}
