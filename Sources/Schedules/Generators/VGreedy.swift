// List scheduling of the folded model at unit times under a limit of activations: in each slot
// each rank takes the first step of its precedence that is ready and fits. A forward of chunk 0
// leaves room for one of chunk 1, so that what has begun can always be finished.

/// One run under one rule.
struct VGreedy {
  let limit: Int
  let rule: VRule
  private(set) var slots = 0
  private var progress: VProgress
  /// By 2 × rank + chunk, forwards and input halves so far.
  private var forwards: [Int]
  private var inputs: [Int]
  /// By rank, weight halves whose input half is done, the first of them that is to do, and
  /// activations held to the end of `W`.
  private var due: [[VStep]]
  private var firstDue: [Int]
  private var held: [Int]
  private var done: [[VStep]]

  init(ranks: Int, microbatches: Int, limit: Int, rule: VRule) {
    self.limit = limit
    self.rule = rule
    progress = VProgress(ranks: ranks, microbatches: microbatches)
    forwards = Array(repeating: 0, count: 2 * ranks)
    inputs = forwards
    due = Array(repeating: [], count: ranks)
    firstDue = Array(repeating: 0, count: ranks)
    held = firstDue
    done = due
  }

  /// The actions by rank; nil when the ranks stop, or take more than `most` slots.
  mutating func run(unlessLongerThan most: Int) -> [[Action]]? {
    let ranks = progress.ranks
    var left = 6 * ranks * progress.microbatches
    var ran: [(rank: Int, step: VStep)] = []
    while left > 0 {
      ran.removeAll(keepingCapacity: true)
      for rank in 0..<ranks {
        if let step = choose(rank) { ran.append((rank, step)) }
      }
      if ran.isEmpty || slots == most { return nil }
      for (rank, step) in ran { take(step, rank) }
      left -= ran.count
      slots += 1
    }
    return done.enumerated().map { rank, steps in
      steps.map { $0.action(rank: rank, ranks: ranks) }
    }
  }

  private func choose(_ rank: Int) -> VStep? {
    let hasDue = firstDue[rank] < due[rank].count
    for (kind, chunk) in rule.precedence[rank] {
      let lane = 2 * rank + chunk
      let number = kind == .forward ? forwards[lane] : inputs[lane]
      let step = VStep(kind: kind, chunk: chunk, microbatch: number)
      guard number < progress.microbatches, fits(step, rank),
        progress.isReady(step, rank: rank, slot: slots)
      else { continue }
      return hasDue && prefersWeight(to: step, rank) ? due[rank][firstDue[rank]] : step
    }
    return hasDue ? due[rank][firstDue[rank]] : nil
  }

  private func fits(_ step: VStep, _ rank: Int) -> Bool {
    let lane = 2 * rank + step.chunk
    guard step.kind == .forward else { return forwards[lane] > step.microbatch }
    if step.chunk == 1 { return held[rank] < limit }
    return held[rank] + 1 < limit && forwards[lane] - inputs[lane] < rule.ahead[rank]
  }

  private func prefersWeight(to step: VStep, _ rank: Int) -> Bool {
    switch rule.weights[rank] {
    case .last: false
    case .whenShort: step.kind == .forward && held[rank] >= limit - 1
    case .whenTwo: due[rank].count - firstDue[rank] >= 2
    case .whenThree: due[rank].count - firstDue[rank] >= 3
    }
  }

  private mutating func take(_ step: VStep, _ rank: Int) {
    progress.finish(step, rank: rank, slot: slots)
    switch step.kind {
    case .forward:
      forwards[2 * rank + step.chunk] += 1
      held[rank] += 1
    case .input:
      inputs[2 * rank + step.chunk] += 1
      due[rank].append(VStep(kind: .weight, chunk: step.chunk, microbatch: step.microbatch))
    case .weight:
      firstDue[rank] += 1
      held[rank] -= 1
    }
    done[rank].append(step)
  }
}
