// How a search goes: every placement makes orders by list scheduling; these and the published
// schedules then compete in rounds of local search, in which ever fewer get ever more effort.

/// The state of one search.
struct SearchContest {
  /// An order in the contest.
  private struct Contestant {
    var arena: Int
    var candidate: Candidate
  }

  /// A placement, and what it needs.
  private struct Arena {
    var placement: SearchPlacement
    var shape: SearchShape
    var clock: OrderClock
    var bound: Int
    /// Whether list scheduling can fill it: the search's own placements.
    var isOwn: Bool
    var guides: [FlatOrder] = []
  }

  /// Rounds of local search: the contestants that take part and their share of the effort in %.
  private static let rounds: [(most: Int, share: Int)] = [(24, 25), (8, 25), (3, 30)]
  private static let shareOfRules = 20

  private let search: ScheduleSearch
  private var arenas: [Arena] = []
  private var contestants: [Contestant] = []
  private var published: [ScheduleSearch.Published] = []
  private var bestPublished: (schedule: Schedule, arena: Int, makespan: Int, peak: Int)?
  private var spent = 0

  init(_ search: ScheduleSearch) {
    self.search = search
    for placement in search.placements {
      add(
        placement, isOwn: true,
        SearchShape(
          placement, ranks: search.ranks, microbatches: search.microbatches, times: search.times,
          limit: search.memory))
    }
    for schedule in search.published { enter(schedule) }
    published.sort { $0.makespan < $1.makespan }
  }

  @discardableResult
  private mutating func add(
    _ placement: SearchPlacement, isOwn: Bool, _ shape: SearchShape
  ) -> Int {
    arenas.append(
      Arena(
        placement: placement, shape: shape, clock: OrderClock(shape),
        bound: LowerBound.makespan(shape), isOwn: isOwn))
    return arenas.count - 1
  }

  /// No schedule that may be returned is faster.
  private var bound: Int { arenas.map(\.bound).min() ?? 0 }

  // MARK: published schedules

  private mutating func enter(_ made: Schedule) {
    let shape = SearchShape(made, times: search.times, limit: search.memory)
    let clock = OrderClock(shape)
    let order = FlatOrder(made, shape)
    guard let makespan = clock.makespan(order), let chunks = clock.peak(order) else { return }
    spent += clock.evaluated
    let peak = chunks * 2 / shape.chunksPerShare
    let placement = SearchPlacement(of: made)
    let isEligible = peak <= search.memory && search.placements.contains(placement)
    published.append(
      .init(
        name: made.name, placement: placement, makespan: makespan, peak: peak,
        isEligible: isEligible))
    let known = arenas.firstIndex { $0.shape == shape }
    if let known { arenas[known].guides.append(order.split()) }
    guard isEligible else { return }
    let arena = known ?? add(placement, isOwn: false, shape)
    let old = bestPublished
    if old.map({ (makespan, peak) < ($0.makespan, $0.peak) }) ?? true {
      bestPublished = (made, arena, makespan, peak)
    }
    let split = order.split()
    if let makespan = clock.makespan(split) {
      contestants.append(
        Contestant(arena: arena, candidate: Candidate(order: split, makespan: makespan)))
    }
  }

  // MARK: the rounds

  mutating func run(_ progress: @escaping (ScheduleSearch.Progress) -> Bool) {
    let meter = Meter(effort: search.effort, progress)
    rules(meter)
    mirror()
    for (round, plan) in Self.rounds.enumerated() {
      let bound = bound
      contestants.sort { $0.candidate.makespan < $1.candidate.makespan }
      guard let best = contestants.first?.candidate.makespan, best > bound, !meter.isOver else {
        break
      }
      // Who cannot beat the best even at its bound, stays out.
      let active = contestants.indices.filter {
        arenas[contestants[$0].arena].bound < best
      }.prefix(plan.most)
      for index in active where !meter.isOver {
        improve(index, budget: search.effort / 100 * plan.share / active.count, round, meter)
        if contestants[index].candidate.makespan <= bound { break }
      }
    }
  }

  private mutating func rules(_ meter: Meter) {
    let own = arenas.indices.filter { arenas[$0].isOwn }
    for (number, index) in own.enumerated() {
      let arena = arenas[index]
      var rules = RuleSearch(
        arena.clock, following: arena.guides, seed: search.seed &+ UInt64(number) &* 7919)
      let budget = search.effort / 100 * Self.shareOfRules / own.count
      let found = rules.run(budget: budget, bound: arena.bound) {
        !meter.goesOn(by: 3 * arena.shape.cells * RuleSearch.costOfAnAction)
      }
      contestants += found.map { Contestant(arena: index, candidate: $0) }
      meter.makespan = contestants.map(\.candidate.makespan).min()
      if found.first.map({ $0.makespan <= bound }) ?? false { break }
    }
  }

  /// Bidirectional orders enter a second time with the one direction as the other's mirror image.
  private mutating func mirror() {
    guard search.ranks.isMultiple(of: 2), search.microbatches.isMultiple(of: 2) else { return }
    for contestant in contestants {
      let arena = arenas[contestant.arena]
      guard arena.isOwn, arena.placement == .bidirectional else { continue }
      let order = contestant.candidate.order.mirrored(arena.shape)
      guard arena.clock.fits(order), let makespan = arena.clock.makespan(order) else { continue }
      contestants.append(
        Contestant(
          arena: contestant.arena,
          candidate: Candidate(order: order, makespan: makespan, isMirrored: true)))
    }
  }

  private mutating func improve(_ index: Int, budget: Int, _ round: Int, _ meter: Meter) {
    let arena = arenas[contestants[index].arena]
    let shape = arena.shape
    // A third of a mean action at first: enough to exchange two of them, not to forget the order.
    let mean = (shape.forward + shape.input + shape.weight).reduce(0) { $0 + $1 / shape.stages } / 3
    let seed = search.seed &+ UInt64(1 + round) &* 1_000_003 &+ UInt64(index) &* 101
    var local = LocalSearch(arena.clock, bound: bound, seed: seed)
    var before = arena.clock.evaluated
    contestants[index].candidate = local.improve(
      contestants[index].candidate, budget: budget, temperature: mean * 2 / 7
    ) {
      let now = arena.clock.evaluated
      defer { before = now }
      return !meter.goesOn(by: now - before)
    }
    _ = meter.goesOn(by: arena.clock.evaluated - before)
    meter.makespan = contestants.map(\.candidate.makespan).min()
  }

  // MARK: the answer

  func result() throws(ScheduleError) -> ScheduleSearch.Result {
    guard let best = contestants.min(by: { $0.candidate.makespan < $1.candidate.makespan }) else {
      preconditionFailure("each placement that was admitted has a schedule")
    }
    if let bestPublished, bestPublished.makespan <= best.candidate.makespan {
      return try result(
        bestPublished.schedule, arenas[bestPublished.arena], bestPublished.makespan,
        peak: bestPublished.peak)
    }
    let arena = arenas[best.arena]
    let order = best.candidate.order.joined(
      arena.clock, makespan: best.candidate.makespan, budget: search.effort / 20)
    let schedule = try Schedule(
      name: "search", stages: arena.shape.stages, microbatches: search.microbatches,
      actions: order.actions(arena.shape))
    let peak = (arena.clock.peak(order) ?? 0) * 2 / arena.shape.chunksPerShare
    let makespan = arena.clock.makespan(order) ?? best.candidate.makespan
    return try result(schedule, arena, makespan, peak: peak)
  }

  private func result(
    _ schedule: Schedule, _ arena: Arena, _ makespan: Int, peak: Int
  ) throws(ScheduleError) -> ScheduleSearch.Result {
    ScheduleSearch.Result(
      schedule: schedule, plan: try SchedulePlan(lowering: schedule), placement: arena.placement,
      makespan: makespan, peak: peak, bound: bound, published: published,
      chunkTimes: arena.shape.chunkTimes, effort: arenas.reduce(0) { $0 + $1.clock.evaluated })
  }
}

/// Counts the effort and passes it on.
private final class Meter {
  private let effort: Int
  private let progress: (ScheduleSearch.Progress) -> Bool
  private var spent = 0
  private(set) var isOver = false
  /// The best so far.
  var makespan: Int?

  init(effort: Int, _ progress: @escaping (ScheduleSearch.Progress) -> Bool) {
    self.effort = effort
    self.progress = progress
  }

  /// Notes `actions` more; false when the search is to end.
  func goesOn(by actions: Int) -> Bool {
    spent += actions
    let share = min(1, Double(spent) / Double(effort))
    if !isOver { isOver = !progress(.init(share: share, makespan: makespan)) }
    return !isOver
  }
}
