// One process against many: whatever the layout and the schedule, the same seed and global batch
// give the same training. The oracle is one process with one micro-batch after the other (and that
// one's gradients are checked against a single pass of the whole batch).

import Kernels
import MPITestSupport
import MessagePassing
import Model
import ModelSpec
import Schedules
import Testing
import Training

/// Tests of the trainer over MPI; see `MPITestWorld` for how they run.
@MainActor @Suite(.serialized) struct MPILayoutTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var layout: Layout
    var schedule: String
    var testDescription: String {
      "pp\(layout.pipeline)·dp\(layout.data)·ep\(layout.expert) \(schedule)"
    }
  }

  nonisolated static let cases: [Case] = {
    let layouts = [
      Layout(pipeline: 1, data: 1, expert: 1, gpusPerNode: 1),
      Layout(pipeline: 1, data: 4, expert: 4, gpusPerNode: 2),
      Layout(pipeline: 2, data: 2, expert: 2, gpusPerNode: 1),
      Layout(pipeline: 4, data: 2, expert: 2, gpusPerNode: 2),
      Layout(pipeline: 4, data: 4, expert: 4, gpusPerNode: 2),
    ]
    return layouts.flatMap { layout in
      ["gpipe", "1f1b", "dualpipe"].filter { $0 != "dualpipe" || layout.pipeline > 1 }.map {
        Case(layout: layout, schedule: $0)
      }
    }.filter { $0.layout.worldSize <= MPITestWorld.size }
  }()

  /// What one process computes, once for all tests.
  private struct Oracle {
    var records: [StepRecord]
    var gradients: [String: [Float]]
  }

  private static var oracle: Oracle?
  private static let oracleSteps = 70

  private func oracle() throws -> Oracle {
    if let oracle = Self.oracle { return oracle }
    let world = try MPITestWorld.world()
    let alone = try world.subgroup(worldRanks: [world.rank], tag: 9000 + world.rank)
    let setup = try SmallTraining.setup(
      Layout(pipeline: 1, data: 1, expert: 1, gpusPerNode: 1), schedule: "gpipe")
    let trainer = try Trainer(setup, world: alone)
    _ = try trainer.accumulateGradients(trainer.progress[0])
    var gradients: [String: [Float]] = [:]
    for parameter in trainer.model.store.groups.flatMap(\.parameters) {
      gradients[parameter.name] = Array(
        UnsafeBufferPointer(start: parameter.gradient.base, count: parameter.shape.count))
    }
    let records = try (0..<Self.oracleSteps).map { _ in try trainer.step() }
    let oracle = Oracle(records: records, gradients: gradients)
    Self.oracle = oracle
    return oracle
  }

  /// The communicator of a case's ranks, nil on ranks it doesn't need.
  private func ranks(_ layout: Layout, tag: Int) throws -> Communicator? {
    let world = try MPITestWorld.world()
    guard world.rank < layout.worldSize else { return nil }
    return try world.subgroup(worldRanks: Array(0..<layout.worldSize), tag: tag)
  }

  /// The trainer of a case, nil on ranks it doesn't need.
  private func trainer(_ example: Case, tag: Int) throws -> Trainer? {
    guard let group = try ranks(example.layout, tag: tag) else { return nil }
    let setup = try SmallTraining.setup(example.layout, schedule: example.schedule)
    return try Trainer(setup, world: group)
  }

  @Test func gradientsOfManyMicroBatchesAreThoseOfOnePass() throws {
    let oracle = try oracle()
    let spec = SmallTraining.spec
    let model = Transformer(
      spec, convention: .released, positions: SmallTraining.plan.sequenceLength)
    Initialiser.fill(
      model.store, seed: SmallTraining.plan.seed, deviation: spec.initializerRange)
    let stream = SmallTraining.tokens
    var tokens = [Int32](
      repeating: 0, count: SmallTraining.globalBatch * stream.windowLength)
    tokens.withUnsafeMutableBufferPointer { buffer in
      for row in 0..<SmallTraining.globalBatch {
        let range = row * stream.windowLength..<(row + 1) * stream.windowLength
        stream.sequence(row, into: UnsafeMutableBufferPointer(rebasing: buffer[range]))
      }
    }
    let result = try model.evaluate(
      MicroBatch(
        sequences: SmallTraining.globalBatch, length: stream.sequenceLength, tokens: tokens),
      mtpWeight: 0.3, balanceWeight: SmallTraining.plan.balanceLossWeight, gradients: true)
    #expect(abs(result.mainLoss - oracle.records[0].loss) < 1e-5 * result.mainLoss)
    for parameter in model.store.groups[0].parameters {
      let own = Array(
        UnsafeBufferPointer(start: parameter.gradient.base, count: parameter.shape.count))
      let error = relativeDifference(own, oracle.gradients[parameter.name] ?? [])
      #expect(error <= 1e-4, "\(parameter.name)")
    }
  }

  @Test(arguments: cases)
  func gradientsOfTheFirstStepAreThoseOfOneProcess(_ example: Case) throws {
    let oracle = try oracle()
    guard let trainer = try trainer(example, tag: 11) else { return }
    _ = try trainer.accumulateGradients(trainer.progress[0])
    _ = try trainer.optimizer.reduceGradients()
    var worst: Float = 0
    for part in trainer.optimizer.groups {
      for parameter in part.group.parameters {
        let range = parameter.offset..<parameter.offset + parameter.shape.count
        let own = range.clamped(to: part.own)
        guard !own.isEmpty, let expected = oracle.gradients[parameter.name] else { continue }
        let largest = expected.reduce(0) { max($0, abs($1)) }
        for place in own {
          let difference = abs(
            part.group.gradients.base[place] - expected[place - parameter.offset])
          let relative = largest > 0 ? difference / largest : difference
          // NaN is larger than nothing, and would pass as equal.
          worst = max(worst, relative.isNaN ? .infinity : relative)
        }
      }
    }
    #expect(worst <= 1e-4)
  }

  @Test(arguments: cases)
  func lossesAreThoseOfOneProcess(_ example: Case) throws {
    let oracle = try oracle()
    guard let trainer = try trainer(example, tag: 12) else { return }
    var records: [StepRecord] = []
    for step in 0..<10 {
      records.append(try trainer.step())
      try trainer.checkHolders()
      let expected = oracle.records[step]
      let tolerance = step < 5 ? 1e-5 : 1e-4
      #expect(abs(records[step].loss - expected.loss) <= tolerance * expected.loss)
      #expect(abs(records[step].mtpLoss - expected.mtpLoss) <= tolerance * expected.mtpLoss)
      #expect(
        abs(records[step].balanceLoss - expected.balanceLoss) <= 1e-3 * expected.balanceLoss)
    }
    guard example.schedule == "dualpipe" else { return }
    // After that a flipped expert choice may grow: the means of the next steps stay together.
    for _ in 10..<Self.oracleSteps { records.append(try trainer.step()) }
    let window = 20..<Self.oracleSteps
    func mean(_ records: [StepRecord]) -> Double {
      records[window].reduce(0) { $0 + $1.loss } / Double(window.count)
    }
    #expect(abs(mean(records) - mean(oracle.records)) <= 0.005 * mean(oracle.records))
    #expect(records[Self.oracleSteps - 1].loss < 0.7 * records[0].loss, "it learns")
  }

  @Test func theSameRunTwiceIsBitIdentical() throws {
    let layout = Layout(pipeline: 2, data: 2, expert: 2, gpusPerNode: 1)
    guard MPITestWorld.size >= 4, let group = try ranks(layout, tag: 13) else { return }
    var runs: [[StepRecord]] = []
    for _ in 0..<2 {
      let trainer = try Trainer(
        try SmallTraining.setup(layout, schedule: "dualpipe"), world: group)
      runs.append(
        try (0..<5).map { _ in
          var record = try trainer.step()
          record.wallSeconds = 0
          record.memory = CountedMemory()
          return record
        })
    }
    #expect(runs[0] == runs[1])
  }

  @Test func directAndTwoHopExchangeTrainAlike() throws {
    let layout = Layout(pipeline: 1, data: 4, expert: 4, gpusPerNode: 2)
    guard MPITestWorld.size >= 4, let group = try ranks(layout, tag: 14) else { return }
    var runs: [[StepRecord]] = []
    for route in [ExchangeRoute.twoHop, .direct] {
      let trainer = try Trainer(
        try SmallTraining.setup(layout, schedule: "1f1b", route: route), world: group)
      runs.append(try (0..<5).map { _ in try trainer.step() })
    }
    for (a, b) in zip(runs[0], runs[1]) {
      #expect(abs(a.loss - b.loss) <= 1e-5 * b.loss)
      // Deduplication by node is what the second hop is for.
      #expect(a.infinibandBytes < b.infinibandBytes)
    }
  }

  @Test(arguments: cases)
  func heldOutLossIsThatOfOneProcess(_ example: Case) throws {
    let world = try MPITestWorld.world()
    guard let many = try trainer(example, tag: 15) else { return }
    let alone = try world.subgroup(worldRanks: [world.rank], tag: 9500 + world.rank)
    let one = try Trainer(
      try SmallTraining.setup(
        Layout(pipeline: 1, data: 1, expert: 1, gpusPerNode: 1), schedule: "gpipe"),
      world: alone)
    let expected = try one.heldOutLoss() ?? .nan
    let loss = try many.heldOutLoss() ?? .nan
    #expect(abs(loss - expected) <= 1e-5 * expected)
  }
}

/// max|a − b| / max|b|
func relativeDifference(_ a: [Float], _ b: [Float]) -> Float {
  guard a.count == b.count else { return .infinity }
  var difference: Float = 0
  var largest: Float = 0
  for (x, y) in zip(a, b) {
    difference = max(difference, abs(x - y))
    largest = max(largest, abs(y))
    if x.isNaN || y.isNaN { return .nan }
  }
  return largest > 0 ? difference / largest : difference
}
