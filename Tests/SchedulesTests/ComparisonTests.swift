// Schedules side by side: on equal devices and an equal model a chunk is as long as its share of
// the model, and so are the activations that it holds.

import Schedules
import Testing

@Suite struct ComparisonTests {
  /// What torch 2.13 wrote for 4 ranks and 8 micro-batches, by schedule.
  private func plan(_ name: String) throws -> SchedulePlan {
    try ScheduleCSV.read(Fixtures.bytes("pytorch/\(name)_pp4_mb8_compute.csv"), name: name)
  }

  private func comparison(_ times: ChunkTimes = ChunkTimes()) throws -> ScheduleComparison {
    let torch = ["interleaved1f1b", "loopedbfs", "interleavedzerobubble", "zbvzerobubble"]
    var plans = try torch.map { (name: $0, plan: try plan($0)) }
    for name in ["gpipe", "1f1b", "dualpipe"] {
      let schedule = try ScheduleCatalog.make(name: name, ranks: 4, microbatches: 8)
      plans.append((name, try SchedulePlan(lowering: schedule)))
    }
    return try ScheduleComparison(of: plans, ranks: 4, microbatches: 8, times: times)
  }

  /// Unit times, PP 4, mb 8, of the independent event model that made the references: makespan,
  /// bubble, worst bubble in span, peak_act, peak_act_w, in chunk times and chunks.
  ///
  ///     GPipe 33 9 9 8 8 · 1F1B 33 9 9 4 4 · DualPipe 26 2 2 5 5
  ///     Interleaved1F1B v2 57 9 9 11 11 · LoopedBFS v2 57 9 9 16 16
  ///     InterleavedZB v2 51 3 3 8 8 · ZBV 51 3 0 8 8
  ///
  /// The last four cut a rank's share into two chunks. At F = I = W = 1 for a share their chunks
  /// take ½, so counted in halves they keep these numbers and the first three have twice theirs.
  @Test func numbersAreThoseOfTheReferenceInEqualUnits() throws {
    let comparison = try comparison()
    #expect(comparison.parts == 2)
    let found = comparison.results.map { result in
      let analysis = result.analysis
      let numbers = [
        analysis.makespan, analysis.bubble.max() ?? 0, analysis.bubbleInSpan.max() ?? 0,
        result.peakActivations, result.peakActivationsToWeight,
      ]
      return "\(result.name) \(numbers) \(result.parameters)×"
    }
    #expect(
      found == [
        "interleavedzerobubble [51, 3, 3, 8, 8] 1×", "zbvzerobubble [51, 3, 0, 8, 8] 1×",
        "dualpipe [52, 4, 4, 10, 10] 2×", "interleaved1f1b [57, 9, 9, 11, 11] 1×",
        "loopedbfs [57, 9, 9, 16, 16] 1×", "1f1b [66, 18, 18, 8, 8] 1×",
        "gpipe [66, 18, 18, 16, 16] 1×",
      ])
  }

  /// Work is the same on every rank of every schedule, whatever the chunks: 8 × (3 + 4 + 2) parts
  /// of a share, where pairs take no less than their halves; only a transfer is not divided.
  @Test func everyRankOfEveryScheduleDoesTheSameWork() throws {
    let times = ChunkTimes(forward: 3, input: 4, weight: 2, transfer: 5)
    for result in try comparison(times).results {
      #expect(result.analysis.busy == Array(repeating: 2 * 8 * 9, count: 4), "\(result.name)")
    }
    let quick = ChunkTimes(forward: 3, input: 4, weight: 2)
    let slow = try comparison(times).results.first { $0.name == "1f1b" }
    let fast = try comparison(quick).results.first { $0.name == "1f1b" }
    // 1F1B's way in, over 3 hops, and out again, at the least.
    let difference = (slow?.analysis.makespan ?? 0) - (fast?.analysis.makespan ?? 0)
    #expect(difference >= 2 * 5 * 6)
  }

  @Test func whatCannotBeDoneIsRefusedWithItsRule() throws {
    let comparison = try ScheduleComparison(ranks: 3, microbatches: 5, times: ChunkTimes())
    #expect(comparison.results.map(\.name).contains("1f1b"))
    let refusal = try #require(comparison.refusals.first { $0.name == "dualpipe" })
    #expect(refusal.reason.contains("even number of ranks"))
    #expect(
      comparison.results.count + comparison.refusals.count == ScheduleCatalog.entries.count)
  }

  /// Halves of a share next to whole ones double every number: there is no room above the largest.
  @Test func timesBeyondACommonUnitAreRefused() throws {
    let vast = ChunkTimes(forward: .uniform(ChunkTimes.range.upperBound))
    let error = #expect(throws: ScheduleError.self) { _ = try comparison(vast) }
    #expect(error?.rule == .size)
    let half = ChunkTimes(forward: .uniform(ChunkTimes.range.upperBound / 2))
    #expect(throws: Never.self) { _ = try comparison(half) }
  }

  /// One scale for all: a rank's track is as wide as its schedule is long, the longest the widest.
  @Test func smallMultiplesShareOneScale() throws {
    let comparison = try comparison()
    let text = ComparisonSVG(comparison, caption: "times", time: { "\($0)" }).text
    let picture = try SVGElement(parsing: text)
    let tracks = picture.all("rect", style: "idle").filter { $0.number("width") > 100 }
    #expect(tracks.count == 4 * comparison.results.count)
    for (number, track) in tracks.enumerated() {
      let makespan = Double(comparison.results[number / 4].analysis.makespan)
      #expect(abs(track.number("width") - 1100 * makespan / 66) < 0.01)
      #expect(track.number("x") == tracks[0].number("x"))
    }
    #expect(zip(tracks, tracks.dropFirst()).allSatisfy { $0.number("y") < $1.number("y") })
    #expect(picture.all("tspan").map(\.text) == comparison.results.map(\.name))
    // Every backward of every schedule is somewhere: 32 of whole shares, or 64 of halves.
    let rows = picture.all("g", style: "cells")
    func backwards(_ path: SVGElement) -> Int {
      guard path.style.first == "b" || path.style.first == "i" else { return 0 }
      return (path.attributes["d"] ?? "").count { $0 == "M" }
    }
    var counts = Array(repeating: 0, count: comparison.results.count)
    for (number, row) in rows.enumerated() {
      for path in row.all("path") { counts[number / 4] += backwards(path) }
    }
    #expect(counts == [64, 64, 32, 64, 64, 32, 32])
    #expect(text.utf8.count < 150_000)
    let legend = picture.all("g", style: "legend").flatMap { $0.all("text") }.map(\.text)
    #expect(legend.contains { $0.hasPrefix("shades:") })
  }

  /// A comparison in which nothing can be done is empty, and so is its picture.
  @Test func anEmptyComparisonHasAPictureToo() throws {
    let comparison = try ScheduleComparison(
      of: [], ranks: 4, microbatches: 8, times: ChunkTimes())
    #expect(comparison.results.isEmpty && comparison.parts == 1)
    let text = ComparisonSVG(comparison, caption: "", time: { "\($0)" }).text
    #expect(try SVGElement(parsing: text).all("g", style: "cells").isEmpty)
  }
}
