// Every schedule against one process, in layouts where it is hard: several stages of one pipe on a
// rank, first and last stage on one rank, a stage on two ranks, halves of backwards anywhere. The
// schedules are those of the catalog and files: of PyTorch, and written by hand.

import JSON
import MPITestSupport
import MessagePassing
import ModelSpec
import Schedules
import Testing
import Training

/// Part of the suite of layouts, so that it runs where that one does: the layouts of 4 ranks under
/// `mpirun -n 4`, that of 8 ranks under more.
extension MPILayoutTests {
  @MainActor @Suite(.serialized, needs(ranks: 4)) struct Schedules {
    struct Case: Sendable, CustomTestStringConvertible {
      var layout: Layout
      var schedule: ScheduleUnderTest
      /// Eight, so that eight stages have one each.
      var layers = 8
      var testDescription: String {
        "pp\(layout.pipeline)·dp\(layout.data)·ep\(layout.expert) \(schedule.name)"
          + (layers == 8 ? "" : ", \(layers) layers")
      }
    }

    nonisolated static let cases: [Case] = {
      let layouts = [
        Layout(pipeline: 4, data: 1, expert: 1, gpusPerNode: 2),
        Layout(pipeline: 2, data: 2, expert: 2, gpusPerNode: 1),
        Layout(pipeline: 4, data: 2, expert: 2, gpusPerNode: 2),
        Layout(pipeline: 8, data: 1, expert: 1, gpusPerNode: 2),
      ]
      let ranks = MPITestWorld.size >= 8 ? 8 : 4
      return layouts.filter { $0.worldSize == ranks }.flatMap { layout in
        let cases = ScheduleUnderTest.all(ranks: layout.pipeline).map {
          Case(layout: layout, schedule: $0)
        }
        // Eight stages over four layers: rank 3 of a V has none at all.
        let short = cases.filter {
          $0.schedule.name.contains("v_pp4") || $0.schedule.name.contains("zbv")
        }.map {
          Case(layout: $0.layout, schedule: $0.schedule, layers: 4)
        }
        return cases + short
      }
    }()

    private func spec(layers: Int) -> ModelSpec {
      var spec = SmallTraining.spec
      spec.layers = layers
      return spec
    }

    /// By layers: main and MTP loss of ten steps, and the held-out loss before them, of one
    /// process.
    private static var oracles: [Int: [Double]] = [:]

    /// Computed on rank 0 alone. Collective.
    private func oracle(layers: Int) throws -> [Double] {
      if let oracle = Self.oracles[layers] { return oracle }
      let world = try MPITestWorld.world()
      let alone = try world.subgroup(worldRanks: [world.rank], tag: 9800 + world.rank)
      var values = Array(repeating: 0.0, count: 21)
      if world.rank == 0 {
        var plan = SmallTraining.plan
        plan.microBatches = SmallTraining.globalBatch
        let trainer = try Trainer(
          try SmallTraining.setup(
            Layout(pipeline: 1, data: 1, expert: 1, gpusPerNode: 1), spec: spec(layers: layers),
            plan: plan,
            rule: try ScheduleCatalog.microbatchRule(name: "gpipe", ranks: 1)
          ) { try ScheduleCatalog.make(name: "gpipe", ranks: 1, microbatches: $0) },
          world: alone)
        values[20] = try trainer.heldOutLoss() ?? .nan
        for step in 0..<10 {
          let record = try trainer.step()
          (values[2 * step], values[2 * step + 1]) = (record.loss, record.mtpLoss)
        }
      }
      try world.broadcast(&values, root: 0)
      Self.oracles[layers] = values
      return values
    }

    /// The trainer of a case over the same global batch, nil on ranks it doesn't need.
    private func trainer(_ example: Case, tag: Int) throws -> Trainer? {
      let (layout, world) = (example.layout, try MPITestWorld.world())
      guard world.rank < layout.worldSize else { return nil }
      let group = try world.subgroup(worldRanks: Array(0..<layout.worldSize), tag: tag)
      let schedule = try example.schedule.make(layout.pipeline)
      var plan = SmallTraining.plan
      plan.microBatches = schedule.microbatches
      plan.microBatch = SmallTraining.globalBatch / (layout.data * schedule.microbatches)
      return try Trainer(
        try SmallTraining.setup(
          layout, spec: spec(layers: example.layers), plan: plan,
          rule: MicrobatchRule(minimum: plan.microBatches, multiple: 1)
        ) { _ in schedule }, world: group)
    }

    @Test(arguments: cases) func lossesAreThoseOfOneProcess(_ example: Case) throws {
      let expected = try oracle(layers: example.layers)
      guard let trainer = try trainer(example, tag: 21) else { return }
      for step in 0..<10 {
        let record = try trainer.step()
        let tolerance = step < 5 ? 1e-5 : 1e-4
        let (loss, mtp) = (expected[2 * step], expected[2 * step + 1])
        #expect(abs(record.loss - loss) <= tolerance * loss, "step \(step)")
        #expect(abs(record.mtpLoss - mtp) <= tolerance * mtp, "step \(step)")
      }
      try trainer.checkHolders()
    }

    /// Times are processor time and differ from run to run; that each stage has some is certain.
    @Test func actionsOfEveryStageAreTimed() throws {
      let example = try #require(Self.cases.first { $0.schedule.name.contains("dualpipe") })
      guard let trainer = try trainer(example, tag: 23) else { return }
      _ = try trainer.step()
      guard case .object(let members) = try trainer.actionTimes().json,
        case .array(let forward) = members["f"], case .array(let weight) = members["w"],
        case .number(let pair) = members["fb"]
      else {
        Issue.record("no times")
        return
      }
      #expect(pair > 0)
      for time in forward + weight {
        guard case .number(let seconds) = time else {
          Issue.record("a stage without times")
          continue
        }
        #expect(seconds > 0 && seconds < 60)
      }
    }

    /// The trainer counts objects that are alive, the analysis counts in the schedule's lists.
    @Test(arguments: cases) func peakActivationsAreThoseOfTheAnalysis(_ example: Case) throws {
      guard let trainer = try trainer(example, tag: 22) else { return }
      let schedule = try example.schedule.make(example.layout.pipeline)
      let analysis = ScheduleAnalysis(of: try SchedulePlan(lowering: schedule))
      let rank = example.layout.pipelineRank(of: trainer.world.rank)
      _ = try trainer.accumulateGradients(trainer.progress[0])
      #expect(
        trainer.peakActivations
          == ActivationPeaks(
            toInput: analysis.peakActivations[rank],
            toWeight: analysis.peakActivationsToWeight[rank]))
    }

    @Test(arguments: cases) func heldOutLossIsThatOfOneProcess(_ example: Case) throws {
      let expected = try oracle(layers: example.layers)[20]
      guard let trainer = try trainer(example, tag: 23) else { return }
      let loss = try trainer.heldOutLoss() ?? .nan
      #expect(abs(loss - expected) <= 1e-5 * expected)
    }
  }
}

/// A schedule from the catalog or from a file among the fixtures.
struct ScheduleUnderTest: Sendable {
  var name: String
  /// For a number of pipeline ranks.
  var make: @Sendable (Int) throws -> Schedule

  /// Every name of the catalog with eight micro-batches or two for each rank, what a search finds
  /// in each placement, and on four ranks the files.
  static func all(ranks: Int) -> [ScheduleUnderTest] {
    let named = ScheduleCatalog.names.map { name in
      ScheduleUnderTest(name: name) {
        try ScheduleCatalog.make(name: name, ranks: $0, microbatches: max(8, 2 * $0))
      }
    }
    let files = [
      "pytorch/loopedbfs_pp4_mb8_compute", "pytorch/interleaved1f1b_pp4_mb8_comms",
      "pytorch/zbvzerobubble_pp4_mb8_compute", "by-hand/uneven_chunks_pp4_mb4",
      "by-hand/two_ways_pp4_mb4",
    ].map { name in
      ScheduleUnderTest(name: name) {
        let path = "\(Worker.root)/Tests/Fixtures/schedules/\(name).csv"
        return try ScheduleCSV.read(
          try readSmallFile(path), name: name, expecting: .init(ranks: $0)
        ).schedule
      }
    }
    let found = SearchPlacement.allCases.map { placement in
      ScheduleUnderTest(name: "search-\(placement)") { ranks in
        let search = try ScheduleSearch(
          ranks: ranks, microbatches: max(8, 2 * ranks),
          times: ChunkTimes(forward: 2, input: 2, weight: 1, overlapped: 4),
          placements: [placement], effort: 500_000)
        return try throughCSV(search.run { _ in true }.schedule)
      }
    }
    return named + found + (ranks == 4 ? files : [])
  }

  /// Written and read as a user would have it.
  private static func throughCSV(_ schedule: Schedule) throws -> Schedule {
    try ScheduleCSV.read(ScheduleCSV.text(of: schedule), name: schedule.name).schedule
  }
}
