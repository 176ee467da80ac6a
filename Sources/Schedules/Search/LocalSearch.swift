// Improvement of an order by small changes on its critical path: better or equal ones are kept,
// slightly worse ones now and then, the more rarely the longer it runs (simulated annealing,
// Kirkpatrick et al. 1983; neighbours on the critical path as in job-shop scheduling, van
// Laarhoven, Aarts and Lenstra 1992).

/// An order and what it costs.
struct Candidate {
  var order: FlatOrder
  /// In half units.
  var makespan: Int
}

/// One walk from one order.
struct LocalSearch {
  let clock: OrderClock
  let bound: Int
  private let pairsPay: Bool
  private var random: SearchRandom

  init(_ clock: OrderClock, bound: Int, seed: UInt64) {
    self.clock = clock
    self.bound = bound
    pairsPay = clock.shape.pairsPay
    random = SearchRandom(seed: seed)
  }

  /// The best order found from `start` in `budget` evaluated actions; stops at the bound and when
  /// `isOver` says so.
  mutating func improve(
    _ start: Candidate, budget: Int, temperature: Int, isOver: () -> Bool
  ) -> Candidate {
    var best = start
    var current = start
    var path: [Int] = []
    guard clock.makespan(current.order) != nil else { return start }
    clock.criticalPath(current.order, into: &path, &random)
    let first = clock.evaluated
    var attempts = 0
    while clock.evaluated - first < budget, best.makespan > bound, !path.isEmpty {
      attempts += 1
      if attempts % 1024 == 0 && isOver() { break }
      // A change that cannot run costs nothing to evaluate; it must not go on for ever.
      if attempts > 64 + 4 * budget / max(1, clock.shape.cells) { break }
      let place = path[random.below(path.count)]
      let rank = place / current.order.stride
      var list = Array(current.order.list(rank))
      guard
        OrderMove.apply(
          to: &list, near: place % current.order.stride, pairsPay: pairsPay, &random)
      else { continue }
      let previous = Array(current.order.list(rank))
      current.order.setList(list, of: rank)
      if let peak = clock.peak(current.order, rank: rank), peak <= clock.shape.limit,
        let makespan = clock.makespan(current.order),
        makespan <= threshold(
          current.makespan, temperature, done: clock.evaluated - first, of: budget)
      {
        current.makespan = makespan
        if makespan < best.makespan { best = current }
        clock.criticalPath(current.order, into: &path, &random)
      } else {
        current.order.setList(previous, of: rank)
      }
    }
    return best
  }

  /// The longest makespan to accept: with probability e^(−Δ/T) one that is Δ longer.
  private mutating func threshold(
    _ makespan: Int, _ temperature: Int, done: Int, of budget: Int
  ) -> Int {
    let now = temperature * max(0, budget - done) / budget
    // −ln u of a uniform u in steps: leading zeros are geometric with mean 1, × ln 2.
    let draw = random.next()
    let zeros = draw.leadingZeroBitCount
    return makespan + now * zeros * 45 / 64
  }
}
