// Published bubble formulas against measured bubbles over random times: exact wherever they say
// that they apply. And the critical path against its own definition.

import Schedules
import Testing

@Suite struct FormulaTests {
  /// xorshift64: times of 1...9 that are the same in every run.
  private struct Times {
    var state: UInt64

    mutating func next(_ range: ClosedRange<Int>) -> Int {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return range.lowerBound + Int(state % UInt64(range.count))
    }
  }

  @Test(arguments: [
    "gpipe", "1f1b", "interleaved", "zb1p", "zb-h2", "zb-v", "dualpipe", "dualpipev", "chimera",
  ])
  func aFormulaIsExactWhereItApplies(_ name: String) throws {
    var random = Times(state: 88_172_645_463_325_252)
    var (exact, tried, missed) = (0, 0, 0)
    for ranks in [1, 2, 3, 4, 6, 8] {
      for microbatches in [1, 2, 4, ranks, 2 * ranks, 3 * ranks, 4 * ranks + 2] {
        guard
          let schedule = try? ScheduleCatalog.make(
            name: name, ranks: ranks, microbatches: microbatches)
        else { continue }
        let plan = try SchedulePlan(lowering: schedule)
        for draw in 0..<24 {
          let forward = random.next(1...9)
          // Every other draw within F = I, W ≤ F, as most conditions want it.
          let input = draw % 2 == 0 ? forward : random.next(1...9)
          let weight = draw % 4 == 0 ? forward : random.next(1...(draw % 2 == 0 ? forward : 9))
          let pair = random.next((input + weight)...(forward + input + weight))
          let times = ChunkTimes(
            forward: .uniform(forward), input: .uniform(input), weight: .uniform(weight),
            overlapped: pair)
          let formula = try #require(BubbleFormula(for: schedule, times: times))
          let measured = formula.measured(ScheduleAnalysis(of: plan, times: times))
          tried += 1
          if formula.applies {
            exact += 1
            #expect(
              measured.allSatisfy { $0 == formula.value },
              "P \(ranks), m \(microbatches), \(times): \(measured), \(formula.value)")
          } else if !measured.allSatisfy({ $0 == formula.value }) {
            missed += 1
          }
        }
      }
    }
    #expect(exact > tried / 20)
    // The condition is not needlessly narrow: outside it the formula is often wrong.
    #expect(exact == tried || missed * 2 > tried - exact)
  }

  /// DualPipe of 8 ranks at F = I = W = 1 and F&B = 3: 3 × (3 + 2 − 3) = 6 on ranks 3 and 4.
  @Test func theReportsExampleIsSix() throws {
    let schedule = try Schedule.dualpipe(ranks: 8, microbatches: 20)
    let formula = try #require(BubbleFormula(for: schedule, times: ChunkTimes()))
    #expect(formula.value == 6 && formula.applies && formula.ranks == [3, 4])
    let slow = ChunkTimes(forward: 1, input: 1, weight: 1, transfer: 1)
    #expect(BubbleFormula(for: schedule, times: slow)?.applies == false)
    let uneven = ChunkTimes(forward: .each([1, 1, 1, 1, 1, 1, 1, 2]))
    #expect(BubbleFormula(for: schedule, times: uneven) == nil)
  }

  @Test(arguments: ScheduleCatalog.names)
  func theCriticalPathHasNoGapFromBeginningToEnd(_ name: String) throws {
    let schedule = try ScheduleCatalog.make(name: name, ranks: 4, microbatches: 12)
    let times = ChunkTimes(forward: 3, input: 4, weight: 2, transfer: 1)
    let analysis = ScheduleAnalysis(of: try SchedulePlan(lowering: schedule), times: times)
    let path = analysis.criticalPath(of: schedule, times: times)
    let spans = path.map { analysis.spans[$0.rank][$0.index] }
    #expect(spans.first?.start == 0)
    #expect(spans.last?.end == analysis.makespan)
    for (step, next) in zip(path.indices, path.indices.dropFirst()) {
      let gap = spans[next].start - spans[step].end
      #expect(gap == (path[step].rank == path[next].rank ? 0 : times.transfer))
    }
  }

  /// GPipe, 2 ranks, 2 micro-batches, F = I = W = 1, transfer 1. Rank 0: F0 0–1, F1 1–2. Rank 1:
  /// F0 2–3, F1 3–4, B0 4–6, B1 6–8. Rank 0: B0 7–9, B1 9–11. The chain to 11 goes back over rank
  /// 0's B1, then its B0 (its own end at 9), which waited for rank 1's B0 (6 + 1).
  @Test func theCriticalPathOfASmallPipeIsTheOneByHand() throws {
    let schedule = try Schedule.gpipe(ranks: 2, microbatches: 2)
    let times = ChunkTimes(transfer: 1)
    let analysis = ScheduleAnalysis(of: try SchedulePlan(lowering: schedule), times: times)
    let path = analysis.criticalPath(of: schedule, times: times)
    #expect(
      path.map { "\($0.rank):\(schedule.actions[$0.rank][$0.index])" }
        == ["0:0F0", "1:1F0", "1:1F1", "1:1B0", "0:0B0", "0:0B1"])
  }
}
