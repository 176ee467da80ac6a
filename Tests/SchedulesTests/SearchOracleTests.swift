// The parts of the search against slow and obvious references: its clock against ScheduleAnalysis,
// its bound and its result against the best of all schedules there are.

import Schedules
import Testing

@Suite struct SearchOracleTests {
  private func times(_ random: inout SplitMix64, stages: Int) -> ChunkTimes {
    func perStage() -> ChunkTimes.PerStage {
      .each((0..<stages).map { _ in Int.random(in: 0...9, using: &random) })
    }
    return ChunkTimes(
      forward: perStage(), input: perStage(), weight: perStage(),
      overlapped: Int.random(in: 0..<2, using: &random) == 0
        ? nil : Int.random(in: 1...20, using: &random),
      transfer: Int.random(in: 0...3, using: &random))
  }

  /// 4000 schedules: those of the catalog with actions of a rank exchanged, so that some break an
  /// order on a rank, some stall, and some run. The clock tells which, and when they end.
  @Test func theClockIsTheAnalysis() throws {
    var random = SplitMix64(state: 3)
    var (ran, stalled, refused) = (0, 0, 0)
    for name in ScheduleCatalog.names {
      guard let base = try? ScheduleCatalog.make(name: name, ranks: 4, microbatches: 8) else {
        continue
      }
      for _ in 0..<(4000 / ScheduleCatalog.names.count) {
        let times = times(&random, stages: base.ranks)
        let shape = SearchShape(base, times: times, limit: 1000)
        let clock = OrderClock(shape)
        let changed = exchanged(base.actions, &random)
        do throws(ScheduleError) {
          let schedule = try Schedule(
            name: name, stages: base.stages, microbatches: base.microbatches, actions: changed)
          let order = FlatOrder(schedule, shape)
          do throws(ScheduleError) {
            let analysis = ScheduleAnalysis(
              of: try SchedulePlan(lowering: schedule),
              times: SearchTests.chunkTimes(times, stages: base.stages, base.ranks))
            #expect(clock.makespan(order) == analysis.makespan)
            #expect(clock.peak(order) == analysis.peakActivationsToWeight.max())
            ran += 1
          } catch {
            #expect(clock.makespan(order) == nil, "the ranks wait in a ring")
            stalled += 1
          }
        } catch { refused += 1 }
      }
    }
    #expect(ran > 500 && stalled > 50 && refused > 50, "\(ran) \(stalled) \(refused)")
  }

  private func exchanged(_ actions: [[Action]], _ random: inout SplitMix64) -> [[Action]] {
    var actions = actions
    for _ in 0..<Int.random(in: 0...6, using: &random) {
      let rank = Int.random(in: actions.indices, using: &random)
      let first = Int.random(in: 0..<(actions[rank].count - 1), using: &random)
      let reach = min(actions[rank].count - 1, first + 3)
      actions[rank].swapAt(first, Int.random(in: (first + 1)...reach, using: &random))
    }
    return actions
  }

  /// 2 micro-batches on 2 and 3 ranks: a rank has two cells, and 20 orders of F I W of both, and
  /// one or two with a pair. All combinations are analysed; the bound is not above the best, and
  /// the search finds it.
  @Test(arguments: [2, 3], [SearchPlacement.plain, .bidirectional])
  func allSchedulesOfSmallShapesKeepTheBound(_ ranks: Int, _ placement: SearchPlacement) throws {
    var random = SplitMix64(state: UInt64(ranks))
    let published = ScheduleSearch.published(ranks: ranks, microbatches: 2)
    for _ in 0..<(ranks == 2 ? 25 : 1) {
      let times = times(&random, stages: ranks)
      let memory = placement == .plain && Bool.random(using: &random) ? 2 : 4
      let search = try ScheduleSearch(
        ranks: ranks, microbatches: 2, times: times, memory: memory, placements: [placement],
        effort: 300_000, published: published)
      let result = try search.run()
      try SearchTests.check(result, of: search)
      let best = try bestMakespan(ranks, placement, times, limit: memory / 2)
      #expect(result.bound <= best)
      #expect(result.makespan == best, "\(times)")
    }
  }

  /// The shortest makespan of all schedules, in half units.
  private func bestMakespan(
    _ ranks: Int, _ placement: SearchPlacement, _ times: ChunkTimes, limit: Int
  ) throws -> Int {
    let lists = (0..<ranks).map { rank in
      let second = placement == .plain ? rank : ranks - 1 - rank
      return self.lists(
        Cell(stage: rank, microbatch: 0), Cell(stage: second, microbatch: 1), limit: limit)
    }
    let chunk = SearchTests.chunkTimes(times, stages: ranks, ranks)
    var best = Int.max
    var choice = Array(repeating: 0, count: ranks)
    while true {
      let schedule = try Schedule(
        name: "all", stages: ranks, microbatches: 2,
        actions: choice.indices.map { lists[$0][choice[$0]] })
      do throws(ScheduleError) {
        let plan = try SchedulePlan(lowering: schedule)
        best = min(best, ScheduleAnalysis(of: plan, times: chunk).makespan)
      } catch { #expect(error.rule == .deadlock) }
      var digit = 0
      while digit < ranks, choice[digit] == lists[digit].count - 1 {
        choice[digit] = 0
        digit += 1
      }
      if digit == ranks { return best }
      choice[digit] += 1
    }
  }

  /// All lists of two cells that hold at most `limit` activations. A full backward alone is no
  /// better than its halves.
  private func lists(_ a: Cell, _ b: Cell, limit: Int) -> [[Action]] {
    func chain(_ cell: Cell) -> [Action] {
      [.forward(cell), .backwardInput(cell), .backwardWeight(cell)]
    }
    func merged(_ left: ArraySlice<Action>, _ right: ArraySlice<Action>) -> [[Action]] {
      guard let first = left.first else { return [Array(right)] }
      guard let second = right.first else { return [Array(left)] }
      return merged(left.dropFirst(), right).map { [first] + $0 }
        + merged(left, right.dropFirst()).map { [second] + $0 }
    }
    let all = merged(chain(a)[...], chain(b)[...])
    guard limit > 1 else {
      return all.filter { $0[0..<3] == chain(a)[...] || $0[0..<3] == chain(b)[...] }
    }
    return all
      + [(a, b), (b, a)].map { early, late in
        [.forward(early), .overlapped(forward: late, backward: early)] + chain(late).dropFirst()
      }
  }
}
