// What the search promises: never an invalid schedule, never above the limit, never slower than a
// published one that fits, never faster than the bound, and the same for the same seed.

import Schedules
import Testing

@Suite struct SearchTests {
  /// Chunk times of DeepSeek-V3's four layers a stage on H800, in tenths of a millisecond: forward
  /// 66.8, input half 88.4 and weight half 29.0 with their communication exposed, pair 126.9,
  /// transfer 0.4. From the kernels of deepseek-ai/profile-data's training trace.
  static let h800 = ChunkTimes(
    forward: 668, input: 884, weight: 290, overlapped: 1269, transfer: 4)

  /// Everything that holds of any result, by the oracles: analysis, dry runs, the catalog.
  static func check(_ result: ScheduleSearch.Result, of search: ScheduleSearch) throws {
    let schedule = result.schedule
    // Schedule's own checks once more, from its lists alone.
    let again = try Schedule(
      name: schedule.name, stages: schedule.stages, microbatches: schedule.microbatches,
      actions: schedule.actions)
    #expect(again == schedule)
    #expect(schedule.ranks == search.ranks && schedule.microbatches == search.microbatches)
    let plan = try SchedulePlan(lowering: schedule)
    #expect(plan == result.plan)
    for sends in [Transport.Sends.buffered, .rendezvous] {
      try plan.dryRun(Transport(sends: sends))
    }
    let analysis = ScheduleAnalysis(of: plan, times: result.chunkTimes)
    let peak =
      (analysis.peakActivationsToWeight.max() ?? 0) * 2 * search.ranks / schedule.stages
    #expect(analysis.makespan == result.makespan)
    #expect(peak == result.peak && peak <= search.memory)
    #expect(result.makespan >= result.bound)
    #expect(result.chunkTimes == chunkTimes(search.times, stages: schedule.stages, search.ranks))
    for published in result.published {
      #expect(published.makespan >= result.bound || !published.isEligible)
      #expect(result.makespan <= published.makespan || !published.isEligible)
    }
  }

  /// The times of a share as those of its chunks, in half units: twice the time for a whole share,
  /// once for half a share.
  static func chunkTimes(_ times: ChunkTimes, stages: Int, _ ranks: Int) -> ChunkTimes {
    let chunks = stages / ranks
    func perStage(_ times: ChunkTimes.PerStage) -> ChunkTimes.PerStage {
      let each = (0..<stages).map { times[$0 / chunks] * 2 / chunks }
      return each.allSatisfy { $0 == each[0] } ? .uniform(each[0]) : .each(each)
    }
    return ChunkTimes(
      forward: perStage(times.forward), input: perStage(times.input),
      weight: perStage(times.weight), overlapped: times.overlapped.map { $0 * 2 / chunks },
      transfer: 2 * times.transfer)
  }

  // MARK: 1000 settings

  @Test(arguments: 1...10)
  func noSettingGivesAnInvalidSchedule(_ part: Int) throws {
    var random = SplitMix64(state: UInt64(part))
    for _ in 0..<100 {
      let search = try setting(&random)
      let result = try search.run()
      try Self.check(result, of: search)
    }
  }

  /// By ranks and micro-batches; made once, as some generators take their time.
  private static let published: [[Int]: [Schedule]] = {
    var published: [[Int]: [Schedule]] = [:]
    for ranks in 1...6 {
      for microbatches in 1...8 {
        published[[ranks, microbatches]] = ScheduleSearch.published(
          ranks: ranks, microbatches: microbatches)
      }
    }
    return published
  }()

  private func setting(_ random: inout SplitMix64) throws -> ScheduleSearch {
    let ranks = Int.random(in: 1...6, using: &random)
    let microbatches = Int.random(in: 1...8, using: &random)
    func perStage() -> ChunkTimes.PerStage {
      guard Int.random(in: 0..<3, using: &random) == 0 else {
        return .uniform(Int.random(in: 0...9, using: &random))
      }
      return .each((0..<ranks).map { _ in Int.random(in: 0...9, using: &random) })
    }
    let pair =
      Int.random(in: 0..<2, using: &random) == 0 ? nil : Int.random(in: 0...20, using: &random)
    let times = ChunkTimes(
      forward: perStage(), input: perStage(), weight: perStage(), overlapped: pair,
      transfer: Int.random(in: 0...3, using: &random))
    let memory =
      Int.random(in: 0..<4, using: &random) == 0
      ? nil : Int.random(in: 4...(4 * ranks + 4), using: &random)
    let placements =
      Int.random(in: 0..<2, using: &random) == 0
      ? SearchPlacement.allCases
      : [.plain, SearchPlacement.allCases[Int.random(in: 0..<4, using: &random)]]
    return try ScheduleSearch(
      ranks: ranks, microbatches: microbatches, times: times, memory: memory,
      placements: placements, seed: random.next(), effort: 30_000,
      published: Self.published[[ranks, microbatches]])
  }

  // MARK: the shape of the report's figure 5

  /// 8 ranks, 20 micro-batches, F = I = W = 1, P + 1 activations. DualPipe takes 66. Every rank has
  /// 60 to do, and the middle ranks of two pipes against each other get their first input after 3
  /// forwards: 63 is the bound, and there is a schedule of it.
  @Test func theSearchBeatsDualPipeAtUnitTimes() throws {
    let search = try ScheduleSearch(ranks: 8, microbatches: 20)
    let result = try search.run()
    try Self.check(result, of: search)
    #expect(search.memory == 18)
    #expect(result.published.first { $0.name == "dualpipe" }?.makespan == 2 * 66)
    #expect(result.makespan == 2 * 63 && result.bound == 2 * 63)
    #expect(result.placement == .bidirectional)
  }

  /// With the H800's times, where pairs hide the communication, and less and less memory.
  @Test(arguments: [18, 16, 8])
  func theSearchIsAsGoodAsThePublishedAtTheTimesOfTheH800(_ memory: Int) throws {
    let search = try ScheduleSearch(
      ranks: 8, microbatches: 20, times: Self.h800, memory: memory, effort: 20_000_000)
    let result = try search.run()
    try Self.check(result, of: search)
    if memory == 18 { #expect(result.makespan < 2 * 34712, "DualPipe's makespan") }
  }

  // MARK: seeds, ends, refusals

  @Test func theSameSeedFindsTheSameSchedule() throws {
    func found(_ seed: UInt64) throws -> Schedule {
      try ScheduleSearch(
        ranks: 4, microbatches: 8, times: Self.h800, seed: seed, effort: 1_000_000
      ).run().schedule
    }
    #expect(try found(5) == found(5))
    #expect(try (1...4).contains { try found($0) != found(5) })
  }

  @Test func theHandlerEndsTheSearch() throws {
    let search = try ScheduleSearch(ranks: 8, microbatches: 20, times: Self.h800)
    let result = try search.run { $0.share < 0.01 }
    try Self.check(result, of: search)
    #expect(result.effort < ScheduleSearch.standardEffort / 20)
  }

  @Test func whatHasNoStepIsRefused() {
    func search(
      _ ranks: Int, _ microbatches: Int, _ times: ChunkTimes = ChunkTimes(), memory: Int? = nil,
      placements: [SearchPlacement] = SearchPlacement.allCases
    ) -> ScheduleError.Rule? {
      scheduleError { () throws(ScheduleError) in
        _ = try ScheduleSearch(
          ranks: ranks, microbatches: microbatches, times: times, memory: memory,
          placements: placements)
      }?.rule
    }
    #expect(search(2, 2) == nil)
    #expect(search(0, 2) == .size)
    #expect(search(4096, 4096) == .size)
    #expect(search(2, 2, memory: 1) == .shape)
    #expect(search(2, 2, memory: 3, placements: [.bidirectional]) == .shape)
    #expect(search(1, 2, placements: [.v]) == .shape)
    #expect(search(3, 2, ChunkTimes(forward: .each([1, 2]))) == .shape)
    #expect(search(64, 64, ChunkTimes(forward: .uniform(1 << 38))) == nil)
    #expect(search(1024, 1024, ChunkTimes(forward: .uniform(1 << 38))) == .size)
  }
}
