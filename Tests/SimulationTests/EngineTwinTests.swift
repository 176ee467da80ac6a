// The engine against its slow twin, event by event, on random small steps.

import Fabric
import ModelSpec
import Simulation
import Testing
import Units
import Workload

@Suite struct EngineTwinTests {
  /// The engine rounds to a picosecond wherever a rate changes, and what was rounded adds up over a
  /// chain of operations: under 30 on the longest path here.
  static let tolerance = 60.0

  @Test(arguments: 0..<10) func engineDoesWhatTheTwinDoes(block: Int) throws {
    for seed in block * 15..<(block + 1) * 15 {
      let step = try RandomStep(seed: seed)
      let outcome = simulateStep(
        step.workload, costs: step.costs, cluster: step.cluster, isFolded: false,
        tracedRanks: nil)
      var twin = EngineTwin(step.workload, costs: step.costs, cluster: step.cluster)
      twin.run()
      #expect(isClose(outcome.end.picoseconds, twin.now), "\(step.name): end")
      for rank in twin.ranks.indices {
        compareEvents(outcome, twin, rank, step.name)
        compareBooks(outcome.spent[rank], twin.spent(rank), "\(step.name), rank \(rank)")
        let spent = outcome.spent[rank]
        let parts = ActionClass.allCases.reduce(spent.optimizer + spent.bubble) { $0 + spent[$1] }
        #expect(parts == outcome.end.picoseconds, "\(step.name): parts of rank \(rank)")
      }
    }
  }

  private func isClose(_ time: Int64, _ other: Double) -> Bool {
    abs(Double(time) - other) <= Self.tolerance
  }

  private func compareEvents(
    _ outcome: StepOutcome, _ twin: EngineTwin<RandomCosts>, _ rank: Int, _ name: String
  ) {
    for stream in Stream.allCases {
      let events = outcome.timeline.events.filter { $0.worldRank == rank && $0.stream == stream }
      let history = twin.ranks[rank].history[stream] ?? []
      #expect(events.reduce(0) { $0 + count($1, outcome, rank) } == history.count)
      for event in events {
        let own = history.filter { event.operations.contains($0.number) }
        guard let first = own.first, let last = own.last else {
          Issue.record("\(name): rank \(rank) did not run \(event.operations)")
          continue
        }
        let what = "\(name): rank \(rank) \(stream) \(event.operations)"
        #expect(isClose(event.start.picoseconds, first.start), "\(what) starts")
        #expect(isClose(event.end.picoseconds, last.end), "\(what) ends")
        #expect(isClose(event.ready.picoseconds, first.ready), "\(what) is ready")
      }
    }
  }

  /// Operations of an event that are of its stream.
  private func count(_ event: TimelineEvent, _ outcome: StepOutcome, _ rank: Int) -> Int {
    let program = outcome.workload.programs[outcome.workload.layout.pipelineRank(of: rank)]
    return event.operations.count { program.operations[$0].stream == event.stream }
  }

  private func compareBooks(_ spent: TimeSpent, _ twin: TwinSpent, _ name: String) {
    for action in ActionClass.allCases {
      #expect(isClose(spent[action], twin.actions[action] ?? 0), "\(name): \(action)")
    }
    #expect(isClose(spent.exposed, twin.exposed), "\(name): exposed")
    #expect(isClose(spent.exposedCollectives, twin.exposedCollectives), "\(name): collectives")
    #expect(isClose(spent.optimizer, twin.optimizer), "\(name): optimizer")
    #expect(isClose(spent.bubble, twin.bubble), "\(name): bubble")
    #expect(isClose(spent.computing, twin.computing), "\(name): computing")
  }
}
