// The search over list scheduling rules of one placement: rules by chance, rules that follow
// published schedules, and descendants of the best.

/// Evolves rules of one shape.
struct RuleSearch {
  /// What scheduling an action costs, in actions evaluated by `OrderClock`.
  static let costOfAnAction = 16
  /// Rules whose descendants are tried.
  static let survivors = 8

  let clock: OrderClock
  let guides: [FlatOrder]
  private let scheduler: ListScheduler
  private var random: SplitMix64

  private struct Ruled {
    var rule: ListRule
    var candidate: Candidate
  }

  init(_ clock: OrderClock, following guides: [FlatOrder], seed: UInt64) {
    self.clock = clock
    self.guides = guides
    scheduler = ListScheduler(clock.shape)
    random = SplitMix64(seed: seed)
  }

  /// The best orders found, best first, with different makespans; at least one if the shape has
  /// room for a step. Spends `budget` actions, a third of them on founders.
  mutating func run(budget: Int, bound: Int, isOver: () -> Bool) -> [Candidate] {
    let actions = 3 * clock.shape.cells * Self.costOfAnAction
    let runs = max(4, budget / max(1, actions))
    let guides = guides.map { Guide($0, clock.shape) }
    var pool: [Ruled] = []
    for number in 0..<runs {
      if !pool.isEmpty, pool[0].candidate.makespan <= bound || isOver() { break }
      if number < (runs + 2) / 3 || pool.isEmpty {
        let guide = number % 2 == 1 && !guides.isEmpty ? guides[number / 2 % guides.count] : nil
        let rule =
          guide.map { ListRule(clock.shape, following: $0, &random) }
          ?? ListRule(clock.shape, &random)
        if let candidate = candidate(rule) {
          insert(Ruled(rule: rule, candidate: candidate), &pool)
        }
      } else {
        let parent = number % pool.count
        var rule = pool[parent].rule
        rule.mutate(clock.shape, &random)
        guard let candidate = candidate(rule) else { continue }
        if candidate.makespan <= pool[parent].candidate.makespan {
          pool[parent] = Ruled(rule: rule, candidate: candidate)
        }
      }
    }
    pool.sort { $0.candidate.makespan < $1.candidate.makespan }
    var found: [Candidate] = []
    for ruled in pool where ruled.candidate.makespan != found.last?.makespan {
      found.append(ruled.candidate)
    }
    return found
  }

  private mutating func candidate(_ rule: ListRule) -> Candidate? {
    guard let order = scheduler.order(rule, &random), let makespan = clock.makespan(order) else {
      return nil
    }
    precondition(clock.fits(order), "the scheduler keeps to the limit")
    return Candidate(order: order, makespan: makespan)
  }

  /// Keeps the best founders, sorted, one of each makespan.
  private func insert(_ ruled: Ruled, _ pool: inout [Ruled]) {
    let makespan = ruled.candidate.makespan
    if pool.contains(where: { $0.candidate.makespan == makespan }) { return }
    let place = pool.firstIndex { $0.candidate.makespan > makespan } ?? pool.count
    pool.insert(ruled, at: place)
    if pool.count > Self.survivors { pool.removeLast() }
  }
}
