// What the trainer records of a step is what the builder writes without running it, operation by
// operation; and the rows it records are the bytes that the exchange put on the links.

import MPITestSupport
import MessagePassing
import ModelSpec
import Schedules
import Testing
import Training
import Workload

extension MPILayoutTests {
  @MainActor @Suite(.serialized) struct Recording {
    struct Case: Sendable, CustomTestStringConvertible {
      var layout: Layout
      var schedule: String
      var change: @Sendable (inout ModelSpec) -> Void = { _ in }
      var note = ""
      var sequences = 1

      init(
        _ pipeline: Int, _ data: Int, _ expert: Int, node: Int, _ schedule: String,
        sequences: Int = 1, _ note: String = "",
        change: @escaping @Sendable (inout ModelSpec) -> Void = { _ in }
      ) {
        layout = Layout(pipeline: pipeline, data: data, expert: expert, gpusPerNode: node)
        self.schedule = schedule
        self.sequences = sequences
        self.note = note
        self.change = change
      }

      var spec: ModelSpec {
        var spec = SmallTraining.spec
        // Eight stages have a layer each.
        spec.layers = 8
        change(&spec)
        return spec
      }

      var testDescription: String {
        "pp\(layout.pipeline)·dp\(layout.data)·ep\(layout.expert)·node\(layout.gpusPerNode) "
          + "\(schedule) \(note)"
      }

      /// The trainer's setup; two micro-batches for each pipeline rank unless `change` says else.
      func setup(
        balanced: Bool, change: (inout TrainingPlan) -> Void = { _ in }
      ) throws -> TrainerSetup {
        var plan = SmallTraining.plan
        plan.microBatches = max(4, 2 * layout.pipeline)
        plan.microBatch = sequences
        change(&plan)
        var setup = try SmallTraining.setup(
          layout, spec: spec, plan: plan,
          rule: try ScheduleCatalog.microbatchRule(name: schedule, ranks: layout.pipeline)
        ) {
          try ScheduleCatalog.make(name: schedule, ranks: layout.pipeline, microbatches: $0)
        }
        setup.balancedRouting = balanced
        return setup
      }
    }

    nonisolated static let all: [Case] = [
      Case(1, 1, 1, node: 1, "gpipe"),
      Case(1, 1, 1, node: 1, "zb1p", "three MTP modules, dense") {
        $0.mtpDepth = 3
        $0.denseLayers = $0.layers
      },
      // Four ranks. With three ranks a node, expert groups of two lie across nodes or within one.
      Case(4, 1, 1, node: 2, "zb-v"),
      Case(4, 1, 1, node: 4, "1f1b", "no MTP") { $0.mtpDepth = 0 },
      Case(1, 4, 4, node: 1, "1f1b", sequences: 2, "two MTP modules") { $0.mtpDepth = 2 },
      Case(1, 4, 4, node: 3, "gpipe", "no shared expert") { $0.sharedExperts = 0 },
      Case(1, 4, 2, node: 3, "zb1p"),
      Case(1, 4, 1, node: 2, "1f1b"),
      Case(2, 2, 2, node: 1, "gpipe", "no MTP") { $0.mtpDepth = 0 },
      Case(2, 2, 2, node: 3, "dualpipe", "three dense layers") { $0.denseLayers = 3 },
      Case(2, 2, 2, node: 2, "dualpipev", sequences: 2),
      Case(2, 2, 2, node: 4, "interleaved"),
      Case(2, 2, 2, node: 1, "zb1p", "all layers dense") { $0.denseLayers = $0.layers },
      Case(2, 2, 1, node: 2, "dualpipe"),
      Case(4, 1, 1, node: 2, "zb-v", "a rank without layers") { $0.layers = 4 },
      Case(2, 2, 2, node: 2, "zb-v", "no shared expert") { $0.sharedExperts = 0 },
      // Eight.
      Case(4, 2, 2, node: 3, "dualpipe"),
      Case(4, 2, 2, node: 2, "interleaved"),
      Case(2, 4, 2, node: 3, "dualpipev", "no MTP") { $0.mtpDepth = 0 },
      Case(2, 4, 4, node: 3, "1f1b", "two MTP modules") { $0.mtpDepth = 2 },
      // Sixteen.
      Case(4, 4, 4, node: 2, "dualpipe"),
      Case(4, 4, 2, node: 3, "zb-v"),
      Case(2, 8, 4, node: 3, "dualpipev", sequences: 2),
      Case(4, 4, 4, node: 4, "zb1p", "no MTP, no shared expert") {
        $0.mtpDepth = 0
        $0.sharedExperts = 0
      },
    ]

    /// Those of as many ranks as there are, and of eight where there are more.
    nonisolated static let cases: [Case] = all.filter {
      let ranks = $0.layout.worldSize
      return ranks == MPITestWorld.size || (MPITestWorld.size >= 8 && ranks == 8)
    }

    /// A case's trainer that records, nil on ranks it doesn't need.
    private func trainer(
      _ setup: TrainerSetup, tag: Int, recording: RecordingMode = .everyStep
    ) throws -> Trainer? {
      let world = try MPITestWorld.world()
      guard world.rank < setup.layout.worldSize else { return nil }
      let group = try world.subgroup(
        worldRanks: Array(0..<setup.layout.worldSize), tag: tag)
      let trainer = try Trainer(setup, world: group)
      trainer.recording = recording
      return trainer
    }

    /// The step of so many micro-batches without running it.
    private func built(_ setup: TrainerSetup, microbatches: Int) throws -> Workload {
      let schedule = try setup.schedule(microbatches)
      return WorkloadBuilder(
        spec: setup.spec, layout: setup.layout, plan: try SchedulePlan(lowering: schedule),
        stages: setup.stages, sequenceLength: setup.plan.sequenceLength,
        sequences: setup.plan.microBatch
      ).build()
    }

    private func expectSameStructure(_ recorded: Workload, _ built: Workload) {
      #expect(recorded.layout == built.layout)
      #expect(recorded.shape == built.shape)
      for (rank, (own, other)) in zip(recorded.programs, built.programs).enumerated() {
        #expect(own.groups == other.groups, "pipeline rank \(rank)")
        #expect(own.actions == other.actions, "pipeline rank \(rank)")
        #expect(own.operations.count == other.operations.count, "pipeline rank \(rank)")
        let first = zip(own.operations, other.operations).enumerated().first { $1.0 != $1.1 }
        #expect(first == nil, "pipeline rank \(rank)")
      }
    }

    /// Layers whose experts are on several ranks, MTP blocks among them.
    private func exchangingLayers(_ setup: TrainerSetup) -> [Int] {
      guard setup.layout.expert > 1 else { return [] }
      return (0..<setup.spec.layers + setup.spec.mtpDepth).filter(setup.spec.hasExperts(layer:))
    }

    @Test(arguments: cases) func aBalancedStepIsRecordedAsItIsBuilt(_ example: Case) throws {
      let setup = try example.setup(balanced: true)
      guard let trainer = try trainer(setup, tag: 31) else { return }
      // What ranks did is only sent when it changed: the second step has no news.
      for _ in 0..<2 {
        _ = try trainer.step()
        guard trainer.world.rank == 0 else {
          #expect(trainer.lastWorkload == nil)
          continue
        }
        let recorded = try #require(trainer.lastWorkload)
        let built = try built(setup, microbatches: setup.plan.microBatches)
        expectSameStructure(recorded, built)
        let layers = exchangingLayers(setup)
        for layer in layers {
          for microbatch in 0..<setup.plan.microBatches {
            for dataRank in 0..<setup.layout.data {
              let rows = built.routing.rows(
                layer: layer, microbatch: microbatch, dataRank: dataRank)
              #expect(rows != nil)
              #expect(
                rows
                  == recorded.routing.rows(
                    layer: layer, microbatch: microbatch, dataRank: dataRank),
                "layer \(layer), micro-batch \(microbatch), data rank \(dataRank)")
            }
          }
        }
        let keys = layers.count * setup.plan.microBatches * setup.layout.data
        #expect(recorded.routing.recordedCount == keys)
      }
    }

    /// The first case with an exchange; nil where there are too few ranks.
    private func exchangingCase(_ schedule: String) -> Case? {
      Self.cases.first { $0.schedule == schedule && $0.layout.expert > 1 }
    }

    /// The batch grows over the first steps (report, section 4.2).
    @Test func aStepOfAnotherLengthIsRecordedAnew() throws {
      guard let example = exchangingCase("dualpipe") else { return }
      let setup = try example.setup(balanced: true) {
        $0.microBatches *= 2
        $0.batchSchedule = .report
      }
      guard let trainer = try trainer(setup, tag: 32) else { return }
      var lengths: Set<Int> = []
      for _ in 0..<4 {
        let record = try trainer.step()
        let microbatches =
          record.tokens / (setup.plan.sequenceLength * setup.plan.microBatch * setup.layout.data)
        lengths.insert(microbatches)
        guard let recorded = trainer.lastWorkload else { continue }
        expectSameStructure(recorded, try built(setup, microbatches: microbatches))
      }
      #expect(lengths.count > 1)
    }

    /// With learned routing only the rows differ from what is built, and they say what the exchange
    /// counted. Dispatch and combine's gradient leave a rank as the rows say, combine and
    /// dispatch's gradient go the other way.
    @Test(arguments: cases.filter { $0.layout.expert > 1 && $0.spec.hasExperts(layer: 7) })
    func recordedRowsAreTheBytesOfTheExchange(_ example: Case) throws {
      let setup = try example.setup(balanced: false)
      guard let trainer = try trainer(setup, tag: 33) else { return }
      let layout = setup.layout
      // Away from the start, where all weights are alike.
      for _ in 0..<3 { _ = try trainer.step() }
      let before = trainer.traffic
      _ = try trainer.step()
      let counted = try trainer.world.allGather([
        trainer.traffic.infinibandBytes - before.infinibandBytes,
        trainer.traffic.nvlinkBytes - before.nvlinkBytes,
      ])
      guard let recorded = trainer.lastWorkload else { return }
      expectSameStructure(recorded, try built(setup, microbatches: setup.plan.microBatches))
      var sent = Array(repeating: 0, count: 2 * layout.worldSize)
      for (pipelineRank, program) in recorded.programs.enumerated() {
        for operation in program.operations where operation.stream == .exchange {
          let outward = (operation.kind == .dispatch) == (operation.pass == .forward)
          for first in stride(from: 0, to: layout.data, by: layout.expert) {
            let rank = layout.worldRank(pipeline: pipelineRank, data: first)
            let sources = try (first..<first + layout.expert).map {
              try #require(
                recorded.routing.rows(
                  layer: Int(operation.layer), microbatch: Int(operation.microbatch),
                  dataRank: $0))
            }
            for rows in sources {
              #expect(
                rows.pairs.reduce(0, +) == operation.tokens * Int32(setup.spec.expertsPerToken))
            }
            let loads = ExchangeLoads(sources, ExchangeGeometry(layout, groupOf: rank))
            let bytes = 4 * setup.spec.hiddenSize
            for place in 0..<layout.expert {
              let network = outward ? loads.networkOut[place] : loads.networkIn[place]
              let nvlink = outward ? loads.nvlinkOut[place] : loads.nvlinkIn[place]
              sent[2 * (rank + place)] += bytes * Int(network)
              sent[2 * (rank + place) + 1] += bytes * Int(nvlink)
            }
          }
        }
      }
      #expect(sent == counted)
    }

    @Test func recordingChangesNoBitOfTheTraining() throws {
      guard let example = exchangingCase("dualpipe") ?? Self.cases.first else { return }
      let setup = try example.setup(balanced: false)
      guard let plain = try trainer(setup, tag: 34, recording: .off),
        let recording = try trainer(setup, tag: 35)
      else { return }
      for step in 0..<6 {
        // Off and on again: rank 0 still knows what it was told before.
        recording.recording = step == 3 ? .off : .everyStep
        let (one, other) = (try plain.step(), try recording.step())
        #expect(one.loss == other.loss && one.mtpLoss == other.mtpLoss)
        #expect(one.gradientNorm == other.gradientNorm)
        #expect(plain.lastWorkload == nil)
        #expect((recording.lastWorkload != nil) == (recording.world.rank == 0 && step != 3))
      }
    }

    /// 24 tokens go three times round the eight experts.
    @Test func balancedRoutingLoadsAllExpertsAlikeInEveryLayout() throws {
      guard let example = exchangingCase("dualpipe") ?? Self.cases.first else { return }
      var alone = example
      alone.layout = Layout(pipeline: 1, data: 1, expert: 1, gpusPerNode: 1)
      alone.schedule = "gpipe"
      alone.change = { $0.mtpDepth = 0 }
      var many = example
      many.change = alone.change
      let data = many.layout.data
      let setup = try many.setup(balanced: true)
      guard let trainer = try trainer(setup, tag: 36) else { return }
      let one = try Trainer(
        try alone.setup(balanced: true) { $0.microBatches = setup.plan.microBatches * data },
        world: try trainer.world.subgroup(
          worldRanks: [trainer.world.worldRanks[trainer.world.rank]],
          tag: 9700 + trainer.world.rank))
      for _ in 0..<3 {
        let (record, expected) = (try trainer.step(), try one.step())
        #expect(record.maxExpertLoadRatio == 1)
        #expect(abs(record.loss - expected.loss) <= 1e-5 * expected.loss)
      }
    }
  }
}

extension RoutingSource {
  /// How many rows were recorded; 0 for no routing.
  fileprivate var recordedCount: Int? {
    switch self {
    case .none: 0
    case .recorded(let table): table.rows.count
    case .balanced, .sampled: nil
    }
  }
}
