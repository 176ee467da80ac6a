// Where a rank's step goes, read off the twin's finished history: idle time against the intervals
// of what was waited for.

import Simulation
import Workload

/// As the engine's `TimeSpent`.
struct TwinSpent {
  var actions: [ActionClass: Double] = [:]
  var exposed = 0.0
  var exposedCollectives = 0.0
  var optimizer = 0.0
  var bubble = 0.0
  var computing = 0.0
}

extension EngineTwin {
  func spent(_ rank: Int) -> TwinSpent {
    let program = workload.programs[ranks[rank].pipeline]
    let exchanges = ranks[rank].history[.exchange] ?? []
    var spent = TwinSpent()
    var idleSince = 0.0
    for event in ranks[rank].history[.compute] ?? [] {
      let operation = program.operations[event.number]
      let gap = (idleSince, event.start)
      if let action = program.action(of: operation) {
        var exposed = 0.0
        let last = operation.after.numbers.filter { program.operations[$0].stream == .exchange }
          .max()
        for exchange in exchanges where exchange.number <= last ?? -1 {
          let time = overlap(gap, (exchange.ready, exchange.end))
          exposed += time
          if let own = program.action(of: program.operations[exchange.number]) {
            spent.actions[own, default: 0] += time
          }
        }
        spent.exposed += exposed
        spent.bubble += gap.1 - gap.0 - exposed
        spent.actions[action, default: 0] += event.end - event.start
      } else {
        addUpdate(rank, gap, to: &spent)
        spent.optimizer += event.end - event.start
      }
      spent.computing += event.end - event.start
      idleSince = event.end
    }
    let end = max(idleSince, ranks[rank].history[.collective]?.last?.end ?? 0)
    addUpdate(rank, (idleSince, end), to: &spent)
    spent.bubble += now - end
    return spent
  }

  /// An idle interval of the update: waiting for others' collectives is bubble.
  private func addUpdate(_ rank: Int, _ gap: (Double, Double), to spent: inout TwinSpent) {
    let waited = (ranks[rank].history[.collective] ?? []).reduce(0) {
      $0 + overlap(gap, ($1.ready, $1.start))
    }
    spent.bubble += waited
    spent.optimizer += gap.1 - gap.0 - waited
    spent.exposedCollectives += gap.1 - gap.0 - waited
  }

  private func overlap(_ left: (Double, Double), _ right: (Double, Double)) -> Double {
    max(min(left.1, right.1) - max(left.0, right.0), 0)
  }
}
