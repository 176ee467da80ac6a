// The memory that a step counts against what the memory model says of it, category by category. The
// model knows shapes, formats and the schedule, and nothing of the trainer; the trainer counts what
// its tensors are given.

import Kernels
import MPITestSupport
import MessagePassing
import ModelSpec
import Schedules
import Simulation
import Testing
import Training
import Units

/// Under mpirun only: there no other test takes memory of the process meanwhile.
@MainActor @Suite(.serialized, needs(ranks: 4)) struct MPIMemoryModelTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var layout: Layout
    var schedule: String
    var numerics: Numerics
    var testDescription: String {
      "pp\(layout.pipeline) dp\(layout.data) ep\(layout.expert) \(schedule) "
        + "\(numerics.precision), \(numerics.savings.count) savings"
    }
  }

  nonisolated static let cases: [Case] = {
    let layouts = [
      (Layout(pipeline: 1, data: 1, expert: 1, gpusPerNode: 1), ["1f1b", "interleaved", "gpipe"]),
      (Layout(pipeline: 1, data: 4, expert: 4, gpusPerNode: 2), ["1f1b"]),
      (Layout(pipeline: 2, data: 2, expert: 2, gpusPerNode: 1), ["1f1b", "zb1p", "dualpipe"]),
      (Layout(pipeline: 4, data: 1, expert: 1, gpusPerNode: 2), ["1f1b", "zb-v", "dualpipev"]),
    ]
    let all = Set(MemorySaving.allCases)
    let numerics = [
      Numerics(.fp32), Numerics(.bf16), Numerics(.fp8), Numerics(.fp8, savings: all),
      Numerics(.bf16, savings: all.subtracting([.fp8SwiGLUInputs, .e5m6AttentionOutput])),
    ]
    return layouts.flatMap { layout, schedules in
      schedules.flatMap { schedule in
        numerics.map { Case(layout: layout, schedule: schedule, numerics: $0) }
      }
    }
  }()

  /// Balanced, so that no size depends on what a router learned.
  private func setup(
    _ layout: Layout, _ schedule: String, _ numerics: Numerics, microBatch: Int = 1
  ) throws -> TrainerSetup {
    var setup = try SmallTraining.setup(layout, schedule: schedule) {
      $0.numerics = numerics
      $0.microBatch = microBatch
      $0.microBatches = 8 / microBatch
    }
    setup.balancedRouting = true
    return setup
  }

  private func prediction(_ setup: TrainerSetup) throws -> MemoryModel {
    let plan = setup.plan
    return MemoryModel(
      model: setup.spec, layout: setup.layout, schedule: try setup.schedule(plan.microBatches),
      stages: setup.stages, tokens: plan.microBatch * plan.sequenceLength,
      sequenceLength: plan.sequenceLength,
      plan: MemoryPlan(training: plan.numerics, convention: plan.mtpConvention))
  }

  /// What one step counts on this rank and on the fullest; nil on ranks that the layout lacks.
  private func counted(_ setup: TrainerSetup, tag: Int) throws -> (
    own: CountedMemory, fullest: CountedMemory, rank: Int
  )? {
    let world = try MPITestWorld.world()
    guard world.rank < setup.layout.worldSize else { return nil }
    let group = try world.subgroup(
      worldRanks: Array(0..<setup.layout.worldSize), tag: tag)
    let before = TensorMemory.usage.live
    let trainer = try Trainer(setup, world: group)
    let record = try trainer.step()
    try #require(before == 0, "no other test has left anything")
    return (trainer.memory, record.memory, group.rank)
  }

  private func expectClose(
    _ counted: CountedMemory, _ predicted: MemoryBytes, within tolerance: Double, _ whose: String
  ) {
    for ((name, bytes), (_, expected)) in zip(counted.categories, predicted.categories) {
      #expect(
        abs(Double(expected.bytes - bytes)) <= tolerance * Double(bytes),
        "\(name) of \(whose): \(bytes) counted, \(expected.bytes) predicted")
    }
  }

  /// Of the fullest rank nearly to the byte, and of the first data rank of every pipeline rank.
  /// Other data ranks have smaller optimizer shards, and get none of MTP's last tokens.
  @Test(arguments: cases) func aStepTakesWhatTheModelSays(_ example: Case) throws {
    let setup = try setup(example.layout, example.schedule, example.numerics)
    guard let (own, fullest, rank) = try counted(setup, tag: 31) else { return }
    let model = try prediction(setup)
    expectClose(fullest, model.fullest.bytes, within: 0.005, "the fullest rank")
    guard setup.layout.dataRank(of: rank) == 0 else { return }
    expectClose(
      own, model.bytes(ofPipelineRank: setup.layout.pipelineRank(of: rank)), within: 0.05,
      "rank \(rank)")
  }

  @Test(arguments: [Precision.fp32, .fp8])
  func longerMicrobatchesTakeWhatTheModelSays(_ precision: Precision) throws {
    let layout = Layout(pipeline: 2, data: 2, expert: 2, gpusPerNode: 1)
    var setup = try setup(layout, "dualpipe", Numerics(precision), microBatch: 2)
    setup.plan.mtpConvention = .report
    guard let (_, fullest, _) = try counted(setup, tag: 32) else { return }
    expectClose(fullest, try prediction(setup).fullest.bytes, within: 0.005, "the fullest rank")
  }

  /// The report's section 3.2.3: with DualPipe a rank has the first stage and the last, and MTP
  /// uses the embedding and the head of the main model physically. Two ranks then hold the whole
  /// model each, every weight once; with 1F1B the second has an embedding of its own.
  @Test func embeddingAndHeadAreThereOnceWhereBothStagesAre() throws {
    let layout = Layout(pipeline: 2, data: 1, expert: 1, gpusPerNode: 2)
    let spec = SmallTraining.spec
    let census = ParameterCensus(spec, sequenceLength: 1)
    let expertLayers = (0..<spec.layers + spec.mtpDepth).count { spec.hasExperts(layer: $0) }
    // Without the routers' selection biases, which are no weights of the optimizer's.
    let whole = census.total.parameters - expertLayers * spec.routedExperts
    let embedding = spec.vocabularySize * spec.hiddenSize
    for (schedule, both) in [("dualpipe", 2 * whole), ("1f1b", whole + embedding)] {
      guard
        let (own, _, rank) = try counted(
          try setup(layout, schedule, Numerics()), tag: 33)
      else { return }
      if schedule == "dualpipe" { #expect(own.parameters == 4 * whole, "rank \(rank)") }
      let world = try MPITestWorld.world()
      let pair = try world.subgroup(worldRanks: [0, 1], tag: 34)
      #expect(try pair.allReduceSum([own.parameters])[0] == 4 * both, "\(schedule)")
      #expect(own.gradients == own.parameters)
    }
  }
}
