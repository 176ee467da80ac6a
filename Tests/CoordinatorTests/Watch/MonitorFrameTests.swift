// What the monitor shows, frame by frame, from run directories that are written here.

import Coordinator
import Glibc
import RunFiles
import Testing

@Suite struct MonitorFrameTests {
  private static let sizes = [(80, 24), (200, 50), (40, 10), (100, 30), (20, 4), (9, 2), (1, 1)]
    .map { MonitorFrame.Size(columns: $0, rows: $1) }

  /// A run with everything a page can show: 12 steps of 20, loads, beats, events, one restart.
  private static func full() throws -> (run: SyntheticRun, view: RunView) {
    let run = try SyntheticRuns().run("night-run")
    try run.train(1...12)
    try run.record(.running, restarts: 1)
    try run.writeLoads(step: 12, layers: 1...3, experts: 8)
    for rank in 0..<4 {
      try run.beat(rank) { beat in
        beat.begin(step: 13)
        beat.did(actions: 5 + rank)
        beat.memory(tensorBytes: (10 + rank) << 20, residentBytes: 40 << 20)
        if rank == 2 { beat.wait(.gradient, peer: 3) }
      }
    }
    for number in 1...9 {
      try RunEvent(
        time: 1_000_000 + Double(number), kind: number == 8 ? .failure : .checkpoint,
        message: "event number \(number)", rank: number == 8 ? 3 : nil,
        details: number == 8 ? ["the end of a log"] : []
      ).append(to: run.directory.events)
    }
    var view = RunView(run.directory)
    view.update()
    return (run, view)
  }

  private func frame(
    _ view: RunView, _ page: MonitorFrame.Page, _ columns: Int, _ rows: Int, scroll: Int = 0
  ) -> [String] {
    var choice = MonitorFrame.Choice()
    choice.page = page
    choice.scroll = scroll
    return MonitorFrame(view, size: .init(columns: columns, rows: rows), choice: choice)
      .lines.map(\.plain)
  }

  @Test(arguments: MonitorFrame.Page.allCases, sizes)
  func everyFrameFillsTheScreenAndNoMore(
    _ page: MonitorFrame.Page, _ size: MonitorFrame.Size
  ) throws {
    let (run, full) = try Self.full()
    var fresh = RunView(try SyntheticRuns().run("fresh").directory)
    fresh.update()
    var gone = RunView(RunDirectory(path: run.directory.path + "/nowhere"))
    gone.update()
    for view in [full, fresh, gone] {
      for scroll in [0, 5, 1_000_000] {
        var choice = MonitorFrame.Choice()
        (choice.page, choice.scroll) = (page, scroll)
        let frame = MonitorFrame(view, size: size, choice: choice)
        #expect(frame.lines.count == size.rows)
        #expect(frame.lines.allSatisfy { $0.width <= size.columns })
        #expect(frame.scroll <= scroll)
      }
    }
  }

  @Test func theFirstPageHasTheLastStepsFigures() throws {
    let (_, view) = try Self.full()
    let lines = frame(view, .overview, 80, 24)
    // 5.7 − 0.1 · 12 = 4.5; 12 of 20 steps are 60%; 8 steps of 0.5 s are left.
    #expect(lines[0].hasPrefix("night-run  ● running  step 12/20  ██████····  60%  4 s left"))
    #expect(lines[0].contains("restarts 1/3"))
    #expect(lines[1] == " 1 overview  2 experts  3 ranks  4 events  5 help ")
    #expect(lines[2].hasPrefix("loss 4.5000         mtp 5.9000          grad 1.250"))
    #expect(lines[3].hasPrefix("tokens/s 2.05 k     step 500.0 ms       load 1.75×"))
    #expect(lines[3].hasSuffix("memory 14.3 MiB"))
    #expect(
      lines[4] == "virtual 18.500 s    MFU 44.0%           bubble 7.0%         exposed 1.500 s")
    #expect(
      lines[5] == "4 ranks: pipeline × data × expert 2×2×2, 1f1b, 4 micro-batches, fp32")
    #expect(lines[6] == "loss  4.5")
    #expect(lines[23].hasPrefix("tab page  ↑↓ scroll  space pause  ? help  q quit"))
    let large = frame(view, .overview, 200, 50).joined(separator: "\n")
    for title in [
      "loss", "tokens/s", "virtual step, s", "bubble, %", "expert load by layer",
      "memory by rank", "events",
    ] { #expect(large.contains(title)) }
    let small = frame(view, .overview, 40, 10)
    #expect(small[0].hasPrefix("night-run  ● running  step 12/20  60%"))
    #expect(small[2].hasPrefix("loss 4.5000"))
  }

  @Test func whatIsWrongStandsBelowTheTabs() throws {
    let run = try SyntheticRuns().run("a")
    var view = RunView(run.directory)
    view.update()
    #expect(frame(view, .overview, 80, 24)[2].hasPrefix("no step is done yet"))
    try run.record(.failed)
    view.update()
    let failed = frame(view, .overview, 80, 24)
    #expect(failed[0].contains("✗ failed") && failed[2] == "rank 3 was killed")
    try run.record(.running, coordinator: SyntheticRun.dead)
    view.update()
    #expect(frame(view, .overview, 80, 24)[2].hasPrefix("its coordinator is dead"))
    try run.record(.running)
    try run.train(1...5)
    view.update(now: RunFile.now + 100)
    #expect(frame(view, .overview, 80, 24)[2].hasPrefix("nothing heard for 1 min 4"))
    rename(run.directory.path, run.directory.path + "-moved")
    view.update()
    #expect(frame(view, .overview, 80, 24)[2] == "the run's directory is gone")
  }

  @Test func expertsAreShadedByTheirLoadOverTheMean() throws {
    let (_, view) = try Self.full()
    let lines = frame(view, .experts, 80, 24)
    #expect(lines[2] == "tokens of each expert over their layer's mean  step 12, 8 experts")
    // 10, 20, … 80: the mean is 45, the ratios 0.22, 0.44, 0.67, 0.89, 1.11, 1.33, 1.56, 1.78.
    // 54 columns for 8 cells make 6 for each.
    let shades = ["░", "▒", "▓", "█"].map { String(repeating: $0, count: 12) }.joined()
    #expect(lines[3] == "layer 1 \(shades)  1.78× of 7")
    // Room for four cells: each is the fuller of two, 0.44, 0.89, 1.33 and 1.78.
    #expect(frame(view, .experts, 30, 24)[3] == "layer 1 ░▒▓█  1.78× of 7")
  }

  @Test func ranksShowWhomTheyWaitFor() throws {
    let (run, view) = try Self.full()
    let lines = frame(view, .ranks, 80, 24)
    #expect(lines[2].split(separator: " ").first == "rank")
    let third = lines[5].split(separator: " ").map(String.init)
    #expect(third.prefix(7) == ["2", "schedule", "13", "7", "gradient", "of", "3"])
    #expect(lines[5].contains("12.0 MiB  40.0 MiB"))
    #expect(lines.contains { $0.hasPrefix("total") && $0.contains("14.3 MiB") })
    // The last columns go where the terminal is narrow, the first stay.
    #expect(frame(view, .ranks, 40, 12)[5].contains("gradient of 3"))
    #expect(!frame(view, .ranks, 40, 12)[2].contains("resident"))
    try run.beat(1) { $0.enter(.failed) }
    var later = view
    later.update()
    #expect(frame(later, .ranks, 80, 24)[4].split(separator: " ").prefix(2) == ["1", "failed"])
  }

  @Test func theNewestEventIsAtTheBottomAndScrollingGoesBack() throws {
    let (_, view) = try Self.full()
    // 7 lines of events between two lines of header and the footer; there are 10 with the detail.
    let lines = frame(view, .events, 80, 10)
    #expect(lines[8].hasSuffix("checkpoint event number 9"))
    #expect(lines[7] == "    the end of a log")
    #expect(lines[6].hasSuffix("failure    event number 8 (rank 3)"))
    let back = frame(view, .events, 80, 10, scroll: 99)
    #expect(back[2].hasSuffix("checkpoint event number 1"))
    #expect(back[9].contains("↓ 3 more"))
  }

  @Test func keysChooseWhatIsShown() {
    let bytes: [UInt8] =
      Array("2 \u{1B}[A\u{1B}[5~\u{1B}OB\t\u{1B}[Z\u{1B}[1;5C".utf8) + [0x0C, 0x1B]
    #expect(
      Key.decode(bytes) == [
        .character("2"), .character(" "), .up, .pageUp, .down, .tab, .backTab, .right, .redraw,
      ])
    var choice = MonitorFrame.Choice()
    func take(_ key: Key) -> Bool { choice.take(key, rows: 24) }
    #expect(take(.character("r")) == false && choice.page == .ranks)
    #expect(take(.down) == false && choice.scroll == 1)
    #expect(take(.pageDown) == false && choice.scroll == 21)
    #expect(take(.home) == false && choice.scroll == 0)
    #expect(take(.up) == false && choice.scroll == 0)
    #expect(take(.tab) == false && choice.page == .events)
    // Events scroll back in time.
    #expect(take(.up) == false && choice.scroll == 1)
    #expect(take(.backTab) == false && choice.page == .ranks && choice.scroll == 0)
    #expect(take(.character(" ")) == false && choice.isPaused)
    #expect(take(.character("q")) == true)
  }

  @Test func linesSayWhatIsNew() throws {
    let run = try SyntheticRuns().run("a")
    try run.record(.running)
    try run.train(1...2)
    try RunEvent(time: 0, kind: .launched, message: "old").append(to: run.directory.events)
    var view = RunView(run.directory)
    var lines = RunLines()
    view.update()
    #expect(
      lines.news(view) == [
        "a: running, step 2/20",
        "step 2/20  loss 5.5000  grad 1.250  2048 tokens/s  load 1.75  memory 14.3 MiB  "
          + "virtual 18.500 s  bubble 7.0%  9 s left",
      ])
    view.update()
    #expect(lines.news(view) == [])
    try RunEvent(time: 0, kind: .gaveUp, message: "too often", rank: 1)
      .append(to: run.directory.events)
    try run.record(.failed)
    view.update()
    let news = lines.news(view)
    #expect(news.first == "a: failed, step 2/20: rank 3 was killed")
    #expect(news.last?.hasSuffix("gave up: too often (rank 1)") == true)
  }
}

@Suite struct LinePlotTests {
  @Test func aCurveIsDrawnDotByDot() {
    // Labels of ten characters leave four columns of sixteen: eight dots by eight. From the lower
    // left to the upper right corner each column x has the dots 7 − x and 6 − x.
    let plot = LinePlot("t", [(1, 0), (2, 7)], label: { $0 == 7 ? "seven" : "labels, 10" })
    let lines = plot.lines(width: 16, height: 4).map(\.plain)
    #expect(lines[0] == "t  seven")
    func cells(_ values: [UInt32]) -> String {
      String(
        String.UnicodeScalarView(
          values.map { $0 == 0 ? " " : Unicode.Scalar(0x2800 + $0) ?? " " }))
    }
    #expect(lines[1].hasSuffix(cells([0, 0x80, 0x74, 0x0B])))
    #expect(lines[2].hasSuffix(cells([0x74, 0x0B, 0, 0])))
    #expect(lines[3] == "            1  2")
  }

  @Test func oddCurvesAreNoTrouble() {
    let infinite = [(1, Double.nan), (2, Double.infinity)]
    for values in [[], infinite, [(3, 1.0)], [(1, 2.0), (9, 2.0)], [(1, 1e300), (2, -1e300)]] {
      for (width, height) in [(80, 10), (16, 4), (5, 3), (1, 1), (200, 40)] {
        let lines = LinePlot("t", values.map { (step: $0.0, value: $0.1) })
          .lines(width: width, height: height)
        #expect(lines.count == height)
      }
    }
  }

  @Test func linesAreCutAndWrappedByColumns() {
    #expect(TextLine("abcdef").cut(to: 4).plain == "abc…")
    // A wide character takes two columns.
    #expect(TextLine("漢字漢字").cut(to: 6).plain == "漢字…" && TextLine("漢字").width == 4)
    #expect(TextLine("a\u{1B}[31m\tb").plain == "a [31m b")
    #expect(
      TextLine.wrapped("to be or not to be", columns: 7).map(\.plain) == [
        "to be", "or not", "to be",
      ])
    #expect(
      TextLine.wrapped("incomprehensible", columns: 6).map(\.plain) == ["incomp", "rehens", "ible"])
    var line = TextLine("a", .bold)
    line.add("b")
    #expect(line.coloured == "\u{1B}[1ma\u{1B}[0mb")
  }

  @Test func figuresAreShort() {
    #expect(
      [0.0, 12.4, 303, 7621, 100_800].map(Figures.span)
        == ["0 s", "12 s", "5 min 03 s", "2 h 07 min", "1 d 04 h"])
    #expect(
      [0, 999, 1000, 15_000_000, 5_000_000_000].map(Figures.bytes)
        == ["0 B", "999 B", "0.98 KiB", "14.3 MiB", "4.66 GiB"])
    #expect(
      [3.458, 0.3829, 0.0000125, 123.45].map(Figures.seconds)
        == ["3.458 s", "382.9 ms", "12.5 µs", "123.5 s"])
    #expect(
      [985, 2048, 37_600_000, 671e9].map(Figures.count) == ["985", "2.05 k", "37.6 M", "671 B"])
    #expect(Figures.bar(0.5, columns: 3) == "█▌" && Figures.bar(.nan, columns: 3) == "")
  }
}
