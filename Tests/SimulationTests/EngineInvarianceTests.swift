// What must not change a simulated step, and what can only make it longer.

import Fabric
import ModelSpec
import Simulation
import Testing
import Units
import Workload

/// The prices of a random step without anything that makes them depend on what else runs: neither
/// compute nor transfers slow each other, and messages don't share ports.
struct UncoupledCosts: StepCosting {
  var base: RandomCosts
  /// Exchanges, messages and compute take so many times as long.
  var exchanges: Int64 = 1
  var messages: Int64 = 1
  var computes: Int64 = 1

  func compute(_ operation: Operation, pairs: Int, overlapped: Bool) -> ComputeTime {
    let time = base.compute(operation, pairs: pairs, overlapped: overlapped).alone * computes
    return ComputeTime(alone: time, besideTransfer: time)
  }

  func exchange(_ operation: Operation, network: Int, nvlink: Int) -> TransferTime {
    let time = base.exchange(operation, network: network, nvlink: nvlink)
    return TransferTime(whole: time.whole * exchanges, network: 0)
  }

  func messageBytes(_ operation: Operation) -> Int64 { 1 }
  func collectiveBytes(_ kind: OperationKind, _ group: ParameterGroup?) -> PortBytes { .zero }
  func rowBytes(_ operation: Operation) -> Int { base.rowBytes(operation) }
  var notify: Int64 { base.notify }
  var overlapEfficiency: Double { 1 }

  func message(_ operation: Operation, _ distance: Distance) -> MessageTime {
    let time = base.message(operation, distance)
    return MessageTime(latency: (time.latency + time.transfer) * messages, transfer: 0)
  }

  func collective(_ kind: OperationKind, _ group: ParameterGroup?) -> Int64 {
    base.collective(kind, group)
  }

  func optimizer(_ group: ParameterGroup) -> ComputeTime { base.optimizer(group) }
}

@Suite struct EngineInvarianceTests {
  private func run(
    _ step: RandomStep, _ workload: Workload? = nil, isFolded: Bool = false,
    tracedRanks: Set<Int>? = nil
  ) -> StepOutcome {
    simulateStep(
      workload ?? step.workload, costs: step.costs, cluster: step.cluster, isFolded: isFolded,
      tracedRanks: tracedRanks)
  }

  private func end(_ step: RandomStep, _ costs: some StepCosting) -> VirtualInstant {
    simulateStep(step.workload, costs: costs, cluster: step.cluster, isFolded: false).end
  }

  @Test func theSameStepGivesTheSameTimeline() throws {
    for seed in 1000..<1020 {
      let step = try RandomStep(seed: seed)
      let (once, twice) = (run(step), run(try RandomStep(seed: seed)))
      #expect(once.timeline.events == twice.timeline.events, "\(step.name)")
      #expect(once.spent == twice.spent && once.exposures == twice.exposures, "\(step.name)")
    }
  }

  @Test func tracingChangesNothing() throws {
    for seed in 1000..<1020 {
      let step = try RandomStep(seed: seed)
      let (all, one, none) = (
        run(step), run(step, tracedRanks: [0]), run(step, tracedRanks: [])
      )
      #expect(all.end == none.end && all.spent == none.spent, "\(step.name)")
      #expect(one.timeline.events == all.timeline.events.filter { $0.worldRank == 0 })
      #expect(none.timeline.events.isEmpty)
    }
  }

  @Test func joiningOperationsToSegmentsChangesNothing() throws {
    for seed in 2000..<2100 {
      let step = try RandomStep(seed: seed)
      // A compute operation that waits for the one before it, which it follows anyway, begins a
      // segment of its own.
      var apart = step.workload
      for rank in apart.programs.indices {
        var before = -1
        for number in apart.programs[rank].operations.indices
        where apart.programs[rank].operations[number].stream == .compute {
          if before >= 0 && apart.programs[rank].operations[number].after.isEmpty {
            apart.programs[rank].operations[number].after = Dependencies([before])
          }
          before = number
        }
      }
      let (joined, single) = (run(step), run(step, apart))
      #expect(single.timeline.events.count >= joined.timeline.events.count)
      #expect(joined.end == single.end && joined.spent == single.spent, "\(step.name)")
    }
  }

  /// Where a group's rows differ, as in MTP blocks, a folded rank takes the largest, and its books
  /// are those of the slowest place.
  @Test func oneDataRankStandsForAllWhereAllAreAlike() throws {
    for seed in 3000..<3100 {
      let step = try RandomStep(seed: seed, isSymmetric: true)
      let (folded, full) = (run(step, isFolded: true), run(step))
      #expect(folded.end == full.end, "\(step.name)")
      for index in full.spent.indices {
        #expect(
          full.spent[index] == folded.spent[index / full.places.dataRanks],
          "\(step.name), rank \(index)")
      }
    }
  }

  /// Without coupling a step is a graph of sums and maxima, in which no time that grows can make an
  /// end earlier. With coupling nothing promises that: what ends earlier on one rank may let
  /// the next transfer begin beside another's compute, which it then slows.
  @Test func longerOperationsNeverMakeAnUncoupledStepShorter() throws {
    for seed in 4000..<4060 {
      let step = try RandomStep(seed: seed)
      let base = UncoupledCosts(base: step.costs)
      let once = end(step, base)
      for longer in [
        UncoupledCosts(base: step.costs, exchanges: 2),
        UncoupledCosts(base: step.costs, messages: 3),
        UncoupledCosts(base: step.costs, computes: 2),
      ] { #expect(end(step, longer) >= once, "\(step.name)") }
    }
  }
}
