// Runs beside each other: figures that were reckoned by hand; and the logs of ranks.

import Coordinator
import Glibc
import RunFiles
import Testing

@Suite struct RunComparisonTests {
  private func run(
    _ name: String, _ losses: [Double], seconds: Double = 0.5, from first: Int = 1
  ) -> RecordedRun {
    RecordedRun(
      name: name,
      steps: losses.enumerated().map { place, loss in
        var step = StepMetrics(
          step: first + place, tokens: 100, loss: loss, wallSeconds: seconds * Double(place + 1))
        step.peakMemoryBytes = 1000 * (place + 1)
        return step
      })
  }

  private func compared(
    _ run: RecordedRun, _ baseline: RecordedRun, tolerance: Double = 0.01
  ) throws -> RunComparison {
    let loss = try #require(ComparedMetric.named("loss"))
    return RunComparison(run, to: baseline, metric: loss, tolerance: tolerance)
  }

  @Test func differencesAreRelativeToTheFirstRun() throws {
    // 0, 0.1 / 4 = 0.025, 0.02 / 2 = 0.01, 0.1 / 1 = 0.1; their mean is 0.135 / 4.
    let comparison = try compared(run("b", [5, 4.1, 1.98, 1.1, 7]), run("a", [5, 4, 2, 1]))
    #expect(comparison.differences.map(\.step) == [1, 2, 3, 4])
    for (found, expected) in zip(comparison.differences, [0, 0.025, 0.01, 0.1]) {
      #expect(abs(found.relative - expected) < 1e-12)
    }
    #expect(abs((comparison.mean ?? 0) - 0.135 / 4) < 1e-12)
    #expect(comparison.largest?.step == 4 && comparison.firstBeyond?.step == 2)
    #expect(!comparison.isIdentical)
    let loose = try compared(run("b", [5, 4.1]), run("a", [5, 4]), tolerance: 0.03)
    #expect(loose.firstBeyond == nil)
  }

  @Test func numbersThatAreNoneCount() throws {
    let comparison = try compared(
      run("b", [.nan, .nan, 1, 0, 0.5]), run("a", [1, .nan, .infinity, 0, 0]))
    #expect(comparison.differences.map(\.relative) == [.infinity, 0, .infinity, 0, .infinity])
    #expect(comparison.firstBeyond?.step == 1 && comparison.largest?.step == 1)
  }

  @Test func theSameIsSaidToBeIdentical() throws {
    let comparison = try compared(run("b", [5, 4, 3]), run("a", [5, 4, 3]), tolerance: 0)
    #expect(comparison.isIdentical && comparison.firstBeyond == nil)
    #expect(comparison.largest?.relative == 0)
    let apart = try compared(run("b", [5, 4], from: 11), run("a", [5, 4]))
    #expect(apart.differences.isEmpty && apart.largest == nil)
  }

  @Test func speedIsTheMedianWithoutTheFirstStep() throws {
    // Steps of 1, 2, 3 and 4 times the unit: tokens/s of 100, 200 / 3, 50 after the first.
    let slow = run("slow", [5, 4, 3, 2], seconds: 1)
    let fast = run("fast", [5, 4, 3, 2], seconds: 0.25)
    #expect(abs((slow.tokensPerSecond ?? 0) - 100 / 3) < 1e-9)
    let comparison = try compared(fast, slow)
    #expect(abs((comparison.speedRatio ?? 0) - 4) < 1e-9)
    #expect(slow.peakMemory == 4000 && comparison.memoryRatio == 1)
    #expect(comparison.virtualStepRatio == nil && comparison.changedKeys == nil)
  }

  @Test func keysThatDifferAreListedButNotWhereARunIs() throws {
    let runs = try SyntheticRuns()
    let a = try runs.run("a", settings: "run: {directory: a}\ntraining: {seed: 1}\n")
    let b = try runs.run(
      "b", settings: "run: {directory: b}\ntraining: {seed: 2}\nprecision: bf16\n")
    for run in [a, b] { try run.train(1...3) }
    let comparison = try compared(RecordedRun(b.directory), RecordedRun(a.directory))
    #expect(comparison.isIdentical && comparison.speedRatio == 1)
    #expect(comparison.virtualStepRatio == 1)
    #expect(
      comparison.changedKeys?.map { [$0.key, $0.baseline, $0.value] } == [
        ["precision", "fp32", "bf16"], ["training.seed", "1", "2"],
      ])
  }

  @Test func thePictureHasALineForEachRun() throws {
    let a = run("a<b", [5, .nan, 4, 3])
    let text = RunsChart([
      try compared(run("b", [5, 4.5, 4, 3]), a), try compared(run("c", [5], from: 2), a),
    ]).text
    #expect(text.hasPrefix("<svg") && text.contains("a&lt;b (first)"))
    #expect(text.contains(">b</text>") && text.contains(">c</text>"))
    #expect(!text.contains("nan") && !text.contains("inf"))
  }
}

@Suite struct RunLogsTests {
  @Test func linesComeWithTheirRankAsTheyAreWritten() throws {
    let run = try SyntheticRuns().run("a")
    var logs = RunLogs(run.directory)
    #expect(logs.news().isEmpty && RunLogs.ranks(of: run.directory).isEmpty)
    try run.write("one\ntwo\n", to: run.directory.rankLog(0))
    try run.write("other\ntorn", to: run.directory.rankLog(11))
    try run.beat(1) { _ in }
    func text(_ lines: [RunLogs.Line]) -> [String] {
      lines.map { "\($0.source.label): \($0.text)" }
    }
    #expect(text(logs.news()) == ["rank 0: one", "rank 0: two", "rank 11: other"])
    #expect(RunLogs.ranks(of: run.directory) == [0, 11])
    try run.append(" no more\n", to: run.directory.rankLog(11))
    // The job is started anew, and rank 0 writes another log.
    try run.write("again\n", to: run.directory.rankLog(0))
    try run.write("printed\n", to: RunLogs.output(of: run.directory))
    #expect(text(logs.news()) == ["output: printed", "rank 0: again", "rank 11: torn no more"])
    #expect(logs.news().isEmpty)
    var one = RunLogs(run.directory, ranks: [11], withEvents: true)
    try RunEvent(time: 0, kind: .failure, message: "died", rank: 3, details: ["why"])
      .append(to: run.directory.events)
    let lines = one.news()
    #expect(lines.map(\.source) == [.events, .events, .rank(11), .rank(11)])
    #expect(lines.first?.text.hasSuffix("failure: died (rank 3)") == true)
  }
}
