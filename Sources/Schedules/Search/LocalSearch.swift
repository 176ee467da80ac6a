// Improvement of an order by small changes on its critical path: better or equal ones are kept,
// slightly worse ones now and then, the more rarely the longer it runs (simulated annealing,
// Kirkpatrick et al. 1983; neighbours on the critical path as in job-shop scheduling, van
// Laarhoven, Aarts and Lenstra 1992).

/// An order and what it costs.
struct Candidate {
  var order: FlatOrder
  /// In half units.
  var makespan: Int
  /// Whether the second half of the ranks mirrors the first and is to go on doing so: what delays
  /// the one direction of a bidirectional placement delays the other, so that a change of one rank
  /// alone gains nothing.
  var isMirrored = false
}

/// Walks from one order to another.
struct LocalSearch {
  let clock: OrderClock
  /// A makespan at which there is no need to go on.
  let bound: Int
  private let pairsPay: Bool
  private var random: SplitMix64

  init(_ clock: OrderClock, bound: Int, seed: UInt64) {
    self.clock = clock
    self.bound = bound
    pairsPay = clock.shape.pairsPay
    random = SplitMix64(seed: seed)
  }

  /// The best order found from `start` within `budget` evaluated actions; stops at the bound and
  /// when `isOver` says so.
  ///
  /// - Parameter temperature: a change for the worse that is accepted at first with probability
  ///   1/e, in half units; it falls to 0 with the budget.
  /// - Precondition: `start` runs and fits the limit.
  mutating func improve(
    _ start: Candidate, budget: Int, temperature: Int, isOver: () -> Bool
  ) -> Candidate {
    var best = start
    var current = start
    var path: [Int] = []
    let first = clock.evaluated
    guard clock.makespan(current.order) != nil else {
      preconditionFailure("the start runs")
    }
    clock.criticalPath(current.order, into: &path, &random)
    var cost = cost(start.makespan)
    var attempts = 0
    // A change that cannot run costs nothing to evaluate; it must not go on for ever.
    let mostAttempts = 64 + 4 * budget / max(1, clock.shape.cells)
    while clock.evaluated - first < budget, best.makespan > bound, !path.isEmpty {
      attempts += 1
      if attempts > mostAttempts || (attempts % 256 == 0 && isOver()) { break }
      let place = path[random.below(path.count)]
      let rank = place / current.order.stride
      let previous = Array(current.order.list(rank))
      var list = previous
      guard
        OrderMove.apply(
          to: &list, near: place % current.order.stride, pairsPay: pairsPay, &random)
      else { continue }
      set(list, of: rank, in: &current)
      let warmth = temperature * max(0, budget - clock.evaluated + first) / max(1, budget)
      if let peak = clock.peak(current.order, rank: rank), peak <= clock.shape.limit,
        let makespan = clock.makespan(current.order),
        self.cost(makespan) <= cost + allowance(warmth)
      {
        current.makespan = makespan
        cost = self.cost(makespan)
        if makespan < best.makespan { best = current }
        clock.criticalPath(current.order, into: &path, &random)
      } else {
        set(previous, of: rank, in: &current)
      }
    }
    return best
  }

  private func set(_ list: [FlatAction], of rank: Int, in candidate: inout Candidate) {
    candidate.order.setList(list, of: rank)
    if candidate.isMirrored {
      let opposite = candidate.order.ranks - 1 - rank
      candidate.order.setList(candidate.order.mirrored(rank, clock.shape), of: opposite)
    }
  }

  /// What the walk goes down in: the makespan, and a little of when the ranks end, which tells
  /// orders of one makespan apart.
  private func cost(_ makespan: Int) -> Int { makespan + clock.meanFinish / 4 }

  /// How much worse a change may be this time: about `warmth` × −ln u for a uniform u. Leading
  /// zeros of a random number are geometric; times ln 2 their tail is that of −ln u.
  private mutating func allowance(_ warmth: Int) -> Int {
    warmth * random.next().leadingZeroBitCount * 45 / 64
  }
}
