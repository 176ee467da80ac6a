// Runs V-shaped orders at unit times, slot by slot, so that blocks laid out with room between them
// move together: a rank that would wait does a weight half that is due anyway.

/// Plays orders that are known to finish.
struct VSqueeze {
  let orders: [[VStep]]
  private var progress: VProgress
  private var ranks: [Rank]

  private struct Rank {
    var next = 0
    /// Weight halves that are due, and those that were done before their turn.
    var due: [VStep] = []
    var early: Set<VStep> = []
    var done: [VStep] = []
  }

  init(ranks: Int, microbatches: Int, orders: [[VStep]]) {
    self.orders = orders
    progress = VProgress(ranks: ranks, microbatches: microbatches)
    self.ranks = Array(repeating: Rank(), count: ranks)
  }

  /// The actions by rank in the order in which they ran.
  mutating func run() -> [[Action]] {
    var left = orders.reduce(0) { $0 + $1.count }
    var slot = 0
    while left > 0 {
      var ran: [(rank: Int, step: VStep)] = []
      for rank in ranks.indices {
        if let step = take(rank, slot) { ran.append((rank, step)) }
      }
      for (rank, step) in ran { progress.finish(step, rank: rank, slot: slot) }
      left -= ran.count
      slot += 1
      precondition(slot < 8 * orders.count + 2 * orders[0].count, "the orders finish")
    }
    return ranks.enumerated().map { rank, state in
      state.done.map { $0.action(rank: rank, ranks: orders.count) }
    }
  }

  private mutating func take(_ rank: Int, _ slot: Int) -> VStep? {
    let order = orders[rank]
    while ranks[rank].next < order.count,
      ranks[rank].early.remove(order[ranks[rank].next]) != nil
    {
      ranks[rank].next += 1
    }
    guard ranks[rank].next < order.count else { return nil }
    var step = order[ranks[rank].next]
    if progress.isReady(step, rank: rank, slot: slot) {
      ranks[rank].next += 1
    } else if let due = ranks[rank].due.first {
      step = due
      ranks[rank].early.insert(due)
    } else {
      return nil
    }
    if step.kind == .input {
      ranks[rank].due.append(
        VStep(kind: .weight, chunk: step.chunk, microbatch: step.microbatch))
    } else if step.kind == .weight {
      ranks[rank].due.removeAll { $0 == step }
    }
    ranks[rank].done.append(step)
    return step
  }
}
