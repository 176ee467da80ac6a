// SVG pictures, read back: every action at its place and as wide as it is long, kinds told apart,
// a legend of what occurs, and a file that stays small.

import Schedules
import Testing

@Suite struct SVGTests {
  private func picture(
    _ schedule: Schedule, _ times: ChunkTimes = ChunkTimes(), caption: String = ""
  ) throws -> SVGElement {
    let analysis = ScheduleAnalysis(of: try SchedulePlan(lowering: schedule), times: times)
    return try SVGElement(parsing: ScheduleSVG(schedule, analysis, caption: caption).text)
  }

  /// Groups of the rows' actions, in the order of the ranks.
  private func rows(_ picture: SVGElement) -> [SVGElement] { picture.all("g", style: "cells") }

  /// Start and end of a rectangle where a unit of time has `scale` pixels.
  private func span(_ rectangle: SVGElement, _ scale: Double) -> [Double] {
    let start = rectangle.number("x")
    return [start, start + rectangle.number("width")].map { ($0 / scale * 100).rounded() / 100 }
  }

  /// 1F1B on 2 ranks with 2 micro-batches at unit times, by hand. Rank 0: F0 0–1, F1 1–2, B0 4–6
  /// (rank 1 ends B0 at 4), B1 7–9; rank 1: F0 1–2, B0 2–4, F1 4–5, B1 5–7. The end is at 9, and
  /// as wide as the idle tracks, from which the scale follows.
  @Test func everyActionStandsAtItsTime() throws {
    let schedule = try Schedule.oneForwardOneBackward(ranks: 2, microbatches: 2)
    let picture = try picture(schedule)
    let tracks = picture.all("rect", style: "idle").filter { $0.number("width") > 100 }
    #expect(tracks.count == 2)
    let scale = tracks[0].number("width") / 9
    let expected: [[(style: String, span: [Double], label: String)]] = [
      [("f0", [0, 1], "0"), ("f0", [1, 2], "1"), ("b0", [4, 6], "0"), ("b0", [7, 9], "1")],
      [("f0", [1, 2], "0"), ("b0", [2, 4], "0"), ("f0", [4, 5], "1"), ("b0", [5, 7], "1")],
    ]
    #expect(rows(picture).count == 2)
    for (rank, (row, expected)) in zip(rows(picture), expected).enumerated() {
      let rectangles = row.all("rect")
      #expect(rectangles.map(\.style) == expected.map(\.style))
      #expect(rectangles.map { span($0, scale) } == expected.map(\.span))
      #expect(row.all("text").map(\.text) == expected.map(\.label))
      for (label, place) in zip(row.all("text"), expected) {
        #expect(abs(label.number("x") / scale - (place.span[0] + place.span[1]) / 2) < 0.01)
      }
      let group = tracks[rank]
      #expect(
        row.attributes["transform"]
          == "translate(\(group.attributes["x"] ?? ""),\(group.attributes["y"] ?? ""))")
    }
    let tips = rows(picture)[1].all("title").map(\.text)
    #expect(tips.first == "rank 1: F0 stage 1, 1–2" && tips.last == "rank 1: B1 stage 1, 5–7")
    let names = picture.all("text").map(\.text)
    #expect(names.contains("Device 0") && names.contains("Device 1"))
    #expect(names.contains("makespan 9, bubble 3 on every device (33.3 % of all time)"))
  }

  /// DualPipe of the report's figure 5. Makespan 66 at unit times; 20 micro-batches × 8 stages =
  /// 160 forwards and as many backwards, 2H − 1 − j of a rank split (H = 4, j = min(r, 7 − r): 7,
  /// 6, 5, 4, twice, so 44), 116 whole; pairs of a rank 2(10 − 8 + j + 1) + (3 − j) = 9 + j, one
  /// less for j = 3: 9, 10, 11, 11, twice, so 82.
  @Test func dualPipeLooksLikeTheReportsFigure() throws {
    let picture = try picture(try .dualpipe(ranks: 8, microbatches: 20))
    let rows = rows(picture)
    let track = try #require(picture.all("rect", style: "idle").first)
    let scale = track.number("width") / 66
    let cells = rows.flatMap { $0.all("rect") }
    func count(_ kind: Character) -> Int { cells.count { $0.style.first == kind } }
    let pairs = cells.filter { $0.style == "pair" }
    #expect(count("f") == 160 && count("b") == 116 && count("i") == 44 && count("w") == 44)
    #expect(pairs.count == 82)
    #expect(pairs.allSatisfy { abs($0.number("width") - 3 * scale) < 0.02 })
    // Two shades, one for each direction: the first rank begins light and the last dark.
    #expect(rows[0].all("rect")[0].style == "f0" && rows[7].all("rect")[0].style == "f3")
    #expect(Set(cells.map(\.style)).count == 9, "four kinds in two shades, and frames")
    // 6 of 66 idle on every rank.
    for row in rows {
      let busy = row.all("rect").filter { $0.style != "pair" }.reduce(0) { $0 + $1.number("width") }
      #expect(abs(busy / scale - 60) < 0.05)
      #expect(row.all("text").count == row.all("rect").count { $0.style != "pair" })
    }
    let texts = picture.all("text").map(\.text)
    #expect(texts.contains("micro-batches 0–9: device 0 to 7"))
    #expect(texts.contains("micro-batches 10–19: device 7 to 0"))
    #expect(texts.contains("overlapped forward and backward"))
  }

  /// Kinds that a schedule has not are not in its legend; chunks are told by their stages.
  @Test func theLegendHasOnlyWhatOccurs() throws {
    let plain = try picture(try .gpipe(ranks: 2, microbatches: 2)).all("g", style: "legend")
    let few = plain.flatMap { $0.all("text") }.map(\.text)
    #expect(few.prefix(3) == ["forward (F)", "backward (B), both halves at once", "idle"])
    #expect(!few.contains { $0.contains("chunk") || $0.contains("overlapped") })
    let plan = try ScheduleCSV.read(
      Fixtures.bytes("pytorch/zbvzerobubble_pp4_mb8_compute.csv"), name: "zb-v")
    let split = try picture(plan.schedule).all("g", style: "legend")
    let more = split.flatMap { $0.all("text") }.map(\.text)
    #expect(more.contains("backward for input (I)") && more.contains("backward for weights (W)"))
    #expect(more.contains("chunk 0: stages 0–3") && more.contains("chunk 1: stages 4–7"))
    #expect(!more.contains { $0.contains("both halves") })
  }

  /// Kinds differ by more than their colour: the bars that an input gradient has on top and a
  /// weight gradient at the bottom, as stops of a gradient from top to bottom.
  @Test func kindsDifferWithoutColourToo() throws {
    let picture = try picture(try .dualpipe(ranks: 2, microbatches: 4))
    func stops(_ name: String) -> [Double] {
      picture.all("linearGradient").filter { $0.attributes["id"] == name }
        .flatMap { $0.all("stop") }.map { $0.number("offset") }
    }
    #expect(stops("i0") == [0, 0.2, 0.2])
    #expect(stops("w0") == [0.8, 0.8])
    #expect(stops("b0") == [0, 0.14, 0.14, 0.86, 0.86])
    #expect(stops("f0").isEmpty)
  }

  /// No rectangle or label leaves the page, at sizes from one action to hundreds.
  @Test(arguments: [(1, 1), (2, 2), (8, 20), (16, 64), (40, 90)])
  func nothingIsCutOff(_ ranks: Int, _ microbatches: Int) throws {
    let schedule = try Schedule.oneForwardOneBackward(ranks: ranks, microbatches: microbatches)
    let picture = try picture(schedule, ChunkTimes(forward: 7, input: 9, weight: 3), caption: "x")
    let (width, height) = (picture.number("width"), picture.number("height"))
    #expect(picture.attributes["viewBox"] == "0 0 \(Int(width)) \(Int(height))")
    #expect((300...2700).contains(width))
    let parent = picture.children.filter { $0.style != "cells" }
    for element in parent.flatMap(\.all) where element.name == "rect" || element.name == "text" {
      #expect(element.number("x") + element.number("width") <= width)
      #expect(element.number("y") + element.number("height") <= height)
    }
    let track = try #require(picture.all("rect", style: "idle").first)
    for cell in rows(picture).flatMap({ $0.all("rect") }) {
      #expect(cell.number("x") + cell.number("width") <= track.number("width") + 0.02)
    }
  }

  /// 64 × 512 has 65 536 actions and no tooltips: shapes by kind, about 20 bytes an action.
  @Test func aLargePictureStaysSmallAndSaysWhatIsLeftOut() throws {
    let schedule = try Schedule.oneForwardOneBackward(ranks: 64, microbatches: 512)
    let analysis = ScheduleAnalysis(of: try SchedulePlan(lowering: schedule))
    let text = ScheduleSVG(schedule, analysis).text
    #expect(text.utf8.count < 2_000_000)
    let picture = try SVGElement(parsing: text)
    #expect(rows(picture).allSatisfy { $0.all("title").isEmpty && $0.all("rect").isEmpty })
    let moves = rows(picture).flatMap { $0.all("path") }.reduce(0) { count, path in
      count + (path.attributes["d"] ?? "").count { $0 == "M" }
    }
    #expect(moves == 65536)
    #expect(picture.all("text").contains { $0.text == "no tooltips above 8000 actions" })
    #expect(text == ScheduleSVG(schedule, analysis).text)
  }

  /// However long the times are to write, their labels on the axis stand apart.
  @Test(arguments: [1, 1000, 1_000_000_007])
  func timesOnTheAxisDoNotTouch(_ unit: Int) throws {
    let schedule = try Schedule.gpipe(ranks: 4, microbatches: 30)
    let times = ChunkTimes(
      forward: .uniform(unit), input: .uniform(unit), weight: .uniform(unit))
    let picture = try picture(schedule, times)
    let ticks = picture.all("text").filter { Int($0.text) != nil && $0.attributes["class"] == nil }
    let bottom = ticks.map { $0.number("y") }.max() ?? 0
    let labels = ticks.filter { $0.number("y") == bottom }
    #expect(labels.count >= 4 && labels.first?.text == "0")
    for (label, next) in zip(labels, labels.dropFirst()) {
      let digits = Double(label.text.count + next.text.count) / 2
      #expect(next.number("x") - label.number("x") > digits * 0.56 * 12)
    }
  }

  @Test func namesCannotBreakTheFile() throws {
    let schedule = try Schedule(
      name: "dir/<a&\"b\"\u{1}>", stages: 1, microbatches: 1,
      actions: [
        [.forward(Cell(stage: 0, microbatch: 0)), .backward(Cell(stage: 0, microbatch: 0))]
      ])
    let picture = try picture(schedule, caption: "a < b")
    #expect(picture.children[0].name == "title")
    #expect(
      picture.children[0].text == "<a&\"b\"\u{FFFD}>: 1 device, 1 stage, 1 micro-batch")
  }

  /// Actions that take no time have no width: they are left out and nothing divides by them.
  @Test func timesMayBeZero() throws {
    let schedule = try Schedule.dualpipe(ranks: 4, microbatches: 8)
    let none = try picture(schedule, ChunkTimes(forward: 0, input: 0, weight: 0))
    #expect(rows(none).allSatisfy { $0.all("rect").isEmpty })
    let some = try picture(schedule, ChunkTimes(forward: 1, input: 1, weight: 0))
    #expect(rows(some).allSatisfy { $0.all("rect").allSatisfy { $0.style.first != "w" } })
  }
}
