// Times and peaks against an independent event model's results, and against the formulas that were
// published with the schedules.

import Schedules
import Testing

@Suite struct AnalysisTests {
  /// Every order of the references, also those that no generator gives, read from its file.
  @Test func everyReferenceResultIsReproducedExactly() throws {
    let table = try Fixtures.table("reference/expected.tsv")
    #expect(table.count == 478)
    for row in table {
      let plan = try ScheduleCSV.read(
        try Fixtures.bytes("reference/\(row[0]).csv"), name: row[0])
      let analysis = ScheduleAnalysis(
        of: plan, times: try #require(ChunkTimes(fixture: row[1])))
      let found = [
        [analysis.makespan], analysis.busy, analysis.bubble, analysis.bubbleInSpan,
        analysis.start, analysis.finish, analysis.peakActivations,
        analysis.peakActivationsToWeight, analysis.peakPendingWeights,
      ]
      let expected = row[2...].map { $0.split(separator: " ").compactMap { Int($0) } }
      #expect(found == expected, "\(row[0]) \(row[1])")
    }
  }

  /// (P − 1)(F + B) of GPipe and 1F1B (Narayanan et al. 2021, section 2.2): makespan − busy, every
  /// rank, as long as the pipe is filled.
  @Test(arguments: ["gpipe", "1f1b"], 1...8)
  func theBubbleOfTheClassicSchedulesIsTheTextbooks(_ name: String, _ ranks: Int) throws {
    for microbatches in [ranks, 2 * ranks + 1] {
      let schedule = try ScheduleCatalog.make(
        name: name, ranks: ranks, microbatches: microbatches)
      let times = ChunkTimes(forward: 3, input: 4, weight: 2)
      let analysis = ScheduleAnalysis(of: try SchedulePlan(lowering: schedule), times: times)
      let bubble = (ranks - 1) * (3 + 4 + 2)
      #expect(analysis.bubble == Array(repeating: bubble, count: ranks))
      let held = (0..<ranks).map { name == "gpipe" ? microbatches : ranks - $0 }
      #expect(analysis.peakActivations == held)
    }
  }

  /// (P/2 − 1)(F&B + B − 3W) of the DeepSeek-V3 report's table 2, where F = I: with F = I = 4,
  /// W = 2, F&B = F + B = 10, that is (P/2 − 1) × 10. Held: P + 1 activations.
  @Test(arguments: [2, 4, 6, 8])
  func theBubbleOfDualPipeIsTheReports(_ ranks: Int) throws {
    for microbatches in [2 * ranks, 2 * ranks + 4] {
      let schedule = try Schedule.dualpipe(ranks: ranks, microbatches: microbatches)
      let times = ChunkTimes(forward: 4, input: 4, weight: 2, overlapped: 10)
      let analysis = ScheduleAnalysis(of: try SchedulePlan(lowering: schedule), times: times)
      let bubble = (ranks / 2 - 1) * (10 + 6 - 3 * 2)
      #expect(analysis.bubble == Array(repeating: bubble, count: ranks))
      #expect(analysis.peakActivations == Array(repeating: ranks + 1, count: ranks))
    }
  }

  /// A stage twice as slow paces the pipe: 2 ranks, 2 micro-batches, GPipe, F = I = W = 1 and 2.
  /// Rank 0: F 0–1, 1–2; rank 1: F 1–3, 3–5, B 5–9, 9–13; rank 0: B 9–11, 13–15.
  @Test func timesMayDifferByStage() throws {
    let schedule = try Schedule.gpipe(ranks: 2, microbatches: 2)
    let each = ChunkTimes.PerStage.each([1, 2])
    let analysis = ScheduleAnalysis(
      of: try SchedulePlan(lowering: schedule),
      times: ChunkTimes(forward: each, input: each, weight: each))
    #expect(analysis.makespan == 15)
    #expect(analysis.spans[0].map(\.start) == [0, 1, 9, 13])
    #expect(analysis.spans[1].map(\.end) == [3, 5, 9, 13])
    #expect(!ChunkTimes(forward: each).fit(stages: 3))
    #expect(!ChunkTimes(transfer: -1).fit(stages: 2))
  }
}

extension ChunkTimes {
  /// The times of a fixture line: `F I W FB p2p`, a list by stage with commas, `-` for the default.
  init?(fixture text: String) {
    let fields = text.split(separator: " ").map { $0.split(separator: ",").compactMap { Int($0) } }
    guard fields.count == 5 else { return nil }
    func perStage(_ times: [Int]) -> PerStage {
      times.count == 1 ? .uniform(times[0]) : .each(times)
    }
    self.init(
      forward: perStage(fields[0]), input: perStage(fields[1]), weight: perStage(fields[2]),
      overlapped: fields[3].first, transfer: fields[4].first ?? 0)
  }
}
