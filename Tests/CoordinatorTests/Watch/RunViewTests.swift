// A run as its directory shows it, while the directory changes.

import Coordinator
import Glibc
import JSON
import RunConfiguration
import RunFiles
import Testing

@Suite struct LineTailTests {
  private func text(_ news: LineTail.News) -> [String] {
    news.lines.map { String(decoding: $0, as: UTF8.self) }
  }

  @Test func finishedLinesComeOnceAndAFileMayBeCutOrReplaced() throws {
    let folder = try TestFolder()
    let path = "\(folder.path)/lines"
    var tail = LineTail(path: path)
    #expect(tail.read() == LineTail.News())
    try folder.append("a\nb\nhal", to: "lines")
    #expect(text(tail.read()) == ["a", "b"])
    #expect(tail.read() == LineTail.News())
    try folder.append("f\n\nc\n", to: "lines")
    #expect(text(tail.read()) == ["half", "", "c"])
    // Cut after b and written again, longer than before.
    #expect(truncate(path, 4) == 0)
    try folder.append("other\nlines\n", to: "lines")
    let again = tail.read()
    #expect(again.isAnew && text(again) == ["a", "b", "other", "lines"])
    // Another file of the same name.
    try folder.append("a\nb\nother\nlines\nmore\n", to: "lines.new")
    rename(path + ".new", path)
    let replaced = tail.read()
    #expect(replaced.isAnew && replaced.lines.count == 5)
    unlink(path)
    var gone = LineTail.News()
    gone.isAnew = true
    #expect(tail.read() == gone)
  }

  @Test(arguments: [1, 100, 16383, 16384, 16385, 300_000])
  func theLastLineIsFoundFromTheEnd(_ length: Int) throws {
    let folder = try TestFolder()
    let path = "\(folder.path)/lines"
    #expect(LineTail.lastLine(of: path) == nil)
    let line = String(repeating: "x", count: length)
    try folder.append("torn", to: "lines")
    #expect(LineTail.lastLine(of: path) == nil)
    try folder.append("\n\(line)\n", to: "lines")
    #expect(LineTail.lastLine(of: path) == Array(line.utf8))
    try folder.append("half of the next", to: "lines")
    #expect(LineTail.lastLine(of: path) == Array(line.utf8))
  }
}

@Suite struct RunViewTests {
  @Test func allFiguresOfAStepAreRead() throws {
    let run = try SyntheticRuns().run("a")
    var view = RunView(run.directory)
    view.update()
    #expect(view.isThere && view.latest == nil && view.totalSteps == 20 && view.ranks == 4)
    try run.train(1...3)
    view.update()
    let step = try #require(view.latest)
    #expect(view.steps.map(\.step) == [1, 2, 3] && step.tokens == 1024)
    #expect(abs(step.loss - 5.4) < 1e-12 && step.tokensPerSecond == 2048)
    #expect(step.mtpLoss == 5.9 && step.balanceLoss == 0.001 && step.gradientNorm == 1.25)
    #expect(step.learningRate == 0.0003 && step.maxExpertLoadRatio == 1.75)
    #expect(step.nvlinkBytes == 2_000_000 && step.infinibandBytes == 1_000_000)
    #expect(step.dispatchBytes == 1_500_000 && step.peakMemoryBytes == 15_000_000)
    #expect(
      step.memory
        == MemoryFigures(
          parameters: 5_000_000, gradients: 4_000_000, optimizer: 3_000_000,
          activations: 2_000_000, buffers: 1_000_000))
    #expect(step.peakActivations == 3 && step.peakActivationBytes == 2_500_000)
    #expect(
      step.virtual
        == VirtualStepFigures(
          stepSeconds: 18.5, tokensPerSecond: 1000, utilisation: 0.44, bubbleFraction: 0.07,
          exposedCommunicationSeconds: 1.5))
    try run.append(SyntheticRun.line(4, virtual: nil), to: run.directory.metrics)
    view.update()
    #expect(view.latest?.step == 4 && view.latest?.virtual == nil)
  }

  @Test func stepsThatAreDoneAgainReplaceTheOldOnes() throws {
    let run = try SyntheticRuns().run("a")
    try run.train(1...8)
    var view = RunView(run.directory)
    view.update()
    #expect(view.steps.count == 8)
    // The checkpoint was of step 5; since the last look 6 to 10 were done, at another speed.
    let kept = (1...5).map { SyntheticRun.line($0) }.joined()
    #expect(truncate(run.directory.metrics, off_t(kept.utf8.count)) == 0)
    try run.train(6...10, seconds: 0.25)
    view.update()
    #expect(view.steps.map(\.step) == Array(1...10))
    #expect(
      view.steps.map(\.wallSeconds) == [0.5, 0.5, 0.5, 0.5, 0.5] + Array(repeating: 0.25, count: 5))
    var short = RunView(run.directory, depth: .lastStep)
    short.update()
    #expect(short.steps == Array(view.steps.suffix(1)))
  }

  @Test func aLineThatIsNoneIsLeftOut() throws {
    let run = try SyntheticRuns().run("a")
    try run.append(
      SyntheticRun.line(1) + "{\"step\": 2, \"loss\": nan}\nno\n" + SyntheticRun.line(3),
      to: run.directory.metrics)
    var view = RunView(run.directory)
    view.update()
    #expect(view.steps.map(\.step) == [1, 3])
  }

  @Test func theStateFollowsTheRecordUnlessItsCoordinatorDied() throws {
    let run = try SyntheticRuns().run("a")
    var view = RunView(run.directory)
    for state in RunRecord.State.allCases {
      try run.record(state, restarts: 2)
      view.update()
      #expect(view.state.rawValue == state.rawValue && view.restarts == 2)
      #expect(view.started == 1_000_000)
      try run.record(state, coordinator: SyntheticRun.dead)
      view.update()
      let isOver = [.finished, .failed, .stopped].contains(state)
      #expect(view.state.rawValue == (isOver ? state.rawValue : "lost"))
      #expect(view.state.isActive == false)
    }
  }

  @Test func withoutARecordBeatsAndThenAgeDecide() throws {
    let run = try SyntheticRuns().run("a")
    var view = RunView(run.directory)
    view.update()
    #expect(view.state == .starting)
    view.update(now: RunFile.now + 3600)
    #expect(view.state == .unknown)
    try run.train(1...2)
    view.update()
    #expect(view.state == .running)
    view.update(now: RunFile.now + 3600)
    #expect(view.state == .unknown)
    // A rank of this process lives, however long ago it wrote.
    try run.beat(1) { $0.begin(step: 3) }
    try run.beat(0) { $0.enter(.finished) }
    view.update(now: RunFile.now + 3600)
    #expect(view.state == .running && view.beats.map(\.rank) == [0, 1])
    #expect((view.silence ?? 0) > 3500)
    try run.beat(1) { $0.enter(.failed) }
    view.update()
    #expect(view.state == .failed)
    try run.beat(1) { $0.enter(.finished) }
    view.update()
    #expect(view.state == .ended)
    try run.train(3...20)
    view.update()
    #expect(view.state == .finished)
  }

  @Test func ranksThatAreGoneHaveEnded() {
    var beat = RankBeat?.none
    if let run = try? SyntheticRuns().run("a"), (try? run.beat(0) { $0.begin(step: 1) }) != nil {
      beat = RankBeat(path: run.directory.rankBeat(0))
    }
    var signs = RunState.Signs(beats: [beat, beat].compactMap { $0 }, step: 5, total: 20, age: 1)
    signs.ranksLive = [false, false]
    #expect(RunState(signs) == .ended)
    signs.ranksLive = [false, true]
    #expect(RunState(signs) == .running)
    // Ranks on other hosts can't be seen: the metrics tell.
    signs.ranksLive = [nil, nil]
    #expect(RunState(signs) == .running)
    signs.age = 1000
    #expect(RunState(signs) == .unknown)
    signs.secondsPerStep = 200
    #expect(RunState(signs) == .running)
  }

  @Test func timeLeftGoesByThePaceThatWasSeen() throws {
    let run = try SyntheticRuns().run("a")
    try run.record(.running)
    try run.train(1...2)
    var view = RunView(run.directory)
    view.update(now: 1000)
    // Nothing was seen yet: steps take 0.5 s by themselves, and 18 are left.
    #expect(view.secondsLeft == 9)
    // Then steps come every 2 s: 3 at 1004, ... 6 at 1010.
    for step in 3...6 {
      try run.train(step...step)
      view.update(now: 998 + 2 * Double(step))
    }
    #expect(view.secondsPerStep == 2 && view.secondsLeft == 28)
    try run.record(.finished)
    view.update(now: 1020)
    #expect(view.secondsLeft == nil)
  }

  @Test func loadsEventsAndTheConfigurationAreThereAndMayGo() throws {
    let runs = try SyntheticRuns()
    let run = try runs.run("a")
    try run.writeLoads(step: 1, layers: 1...1, experts: 2)
    try run.writeLoads(step: 2, layers: 1...2, experts: 4)
    try RunEvent(time: 5, kind: .failure, message: "rank 3 died", rank: 3)
      .append(to: run.directory.events)
    try RunEvent(time: 6, kind: .restart, message: "again").append(to: run.directory.events)
    try run.write("{\"step_seconds\": 18.5}", to: run.directory.report)
    var view = RunView(run.directory)
    view.update()
    #expect(view.loads?.step == 2 && view.loads?.layers.map(\.layer) == [1, 2])
    // 10, 20, 30, 40: the mean is 25 and the most 40.
    #expect(view.loads?.layers.first?.fullest?.expert == 3)
    #expect(view.loads?.layers.first?.fullest?.ratio == 1.6)
    #expect(view.restarts == 1 && view.failures.map(\.message) == ["rank 3 died"])
    #expect(view.report == .object(["step_seconds": .number(18.5)]))
    #expect(view.configuration?.scheduleName == "1f1b")
    let gone = RunDirectory(path: runs.path + "/b")
    rename(run.directory.path, gone.path)
    view.update()
    #expect(!view.isThere && view.loads == nil && view.events.isEmpty && view.steps.isEmpty)
    #expect(view.configuration == nil && view.state == .unknown)
  }
}
