// Pictures of a step, read back as SVG: every rank with its lanes, every event at its time, links
// as busy as the bytes say, and files that stay small.

import Simulation
import Testing
import Units
import Workload

@Suite struct DrawingTests {
  private let streams = ["compute", "exchange", "pipeline", "collective"]

  private func lanes(_ picture: SVGElement, _ stream: String) -> [SVGElement] {
    picture.all("g", style: stream)
  }

  /// Horizontal spans of a lane's events in pixels, in order.
  private func spans(_ lane: SVGElement, waiting: Bool = false) -> [Range<Double>] {
    lane.all("rect").filter { ($0.style == "x") == waiting }
      .map { $0.number("x")..<$0.number("x") + $0.number("width") }
      .sorted { $0.lowerBound < $1.lowerBound }
  }

  @Test func everyRankHasItsLanesAndEventsDontOverlap() throws {
    let outcome = try TraceCosts.outcome()
    let picture = try SVGElement(parsing: TimelineSVG(outcome).text)
    let names = picture.all("text").map(\.text)
    for rank in 0..<16 { #expect(names.contains("rank \(rank)")) }
    for stream in streams {
      #expect(lanes(picture, stream).count == 16)
      for lane in lanes(picture, stream) {
        let spans = spans(lane)
        #expect(!spans.isEmpty)
        // Places are rounded to hundredths of a pixel.
        for (before, after) in zip(spans, spans.dropFirst()) {
          #expect(before.upperBound < after.lowerBound + 0.02)
        }
        #expect((spans.last?.upperBound ?? 0) < 1600.02)
      }
    }
    let legend = try #require(picture.all("g", style: "legend").first).all("text").map(\.text)
    for name in ["forward (F)", "dispatch", "combine", "pipeline message", "optimizer"] {
      #expect(legend.contains(name))
    }
  }

  @Test func widthsAreTimesToScale() throws {
    let outcome = try TraceCosts.outcome()
    let picture = try SVGElement(parsing: TimelineSVG(outcome).text)
    let scale = 1600 / Double(outcome.end.picoseconds)
    for (rank, lane) in lanes(picture, "compute").enumerated() {
      let spans = spans(lane)
      let width = spans.reduce(0) { $0 + $1.upperBound - $1.lowerBound }
      let expected = Double(outcome.computing[rank].picoseconds) * scale
      #expect(abs(width - expected) < 0.005 * Double(spans.count))
    }
    for (rank, lane) in lanes(picture, "exchange").enumerated() {
      let events = outcome.timeline.events.filter {
        $0.worldRank == rank && $0.stream == .exchange && $0.ready < $0.start
      }
      let waits = events.map { Double($0.ready.picoseconds) * scale }.sorted()
      let spans = spans(lane, waiting: true)
      #expect(spans.count == waits.count && !waits.isEmpty)
      for (span, wait) in zip(spans, waits) { #expect(abs(span.lowerBound - wait) < 0.006) }
    }
  }

  @Test func aWindowShowsItsPartAndTheRanksAskedFor() throws {
    let outcome = try TraceCosts.outcome()
    let end = outcome.end.picoseconds
    var options = TimelineOptions()
    options.window =
      VirtualInstant(picoseconds: end / 2)..<VirtualInstant(picoseconds: end * 3 / 4)
    options.ranks = [2, 7, 99]
    let picture = try SVGElement(parsing: TimelineSVG(outcome, options).text)
    #expect(lanes(picture, "compute").count == 2)
    let names = picture.all("text").map(\.text)
    #expect(names.contains("rank 2") && names.contains("rank 7") && !names.contains("rank 0"))
    #expect(names.contains { $0.contains("; shown: ") && $0.hasSuffix("2 ranks shown") })
    let scale = 1600 / Double(end * 3 / 4 - end / 2)
    let expected = outcome.timeline.events.filter { $0.worldRank == 7 && $0.stream == .compute }
      .map { event in
        let from = max(event.start.picoseconds, end / 2)
        return Double(max(min(event.end.picoseconds, end * 3 / 4) - from, 0)) * scale
      }.filter { $0 > 0.005 }
    let widths = lanes(picture, "compute")[1].all("rect").map { $0.number("width") }
    #expect(widths.count == expected.count)
    for (width, wanted) in zip(widths, expected) { #expect(abs(width - wanted) < 0.006) }
  }

  /// 16 ranks with 144 micro-batches have more events than are drawn one by one.
  @Test func aLongStepIsSummedUpAndStaysSmall() throws {
    let outcome = try TraceCosts.outcome(microbatches: 144)
    #expect(outcome.timeline.events.count > TimelineSVG.mostEvents)
    let text = TimelineSVG(outcome).text
    #expect(text.utf8.count < 2_000_000)
    let picture = try SVGElement(parsing: text)
    for (rank, lane) in lanes(picture, "compute").enumerated() {
      let area = try lane.all("path").reduce(0) { try $0 + self.area($1) }
      // A lane is 16 pixels high, and columns are rounded up by at most an eighth.
      let share = area / (1600 * 16)
      let busy = outcome.computing[rank].seconds / outcome.end.sinceStart.seconds
      #expect(share >= busy - 0.001 && share <= busy + 0.125)
    }
  }

  /// Of a path of boxes `MX YhWVHh-Wz`.
  private func area(_ path: SVGElement) throws -> Double {
    var area = 0.0
    for box in (path.attributes["d"] ?? "").split(separator: "z") {
      let numbers = box.split { "M hV".contains($0) }.compactMap { Double($0) }
      try #require(numbers.count == 5)
      area += numbers[2] * (numbers[3] - numbers[1])
    }
    return area
  }

  @Test func linksAreAsBusyAsTheirBytes() throws {
    let outcome = try TraceCosts.outcome()
    let picture = try SVGElement(parsing: LinkUseSVG(outcome).text)
    let bytes = outcome.timeline.events.map(\.bytes)
    let time = outcome.end.sinceStart.seconds * 16
    let expected = [
      ("net", Double(bytes.reduce(0) { $0 + $1.network }) / (2e9 * time)),
      ("nvl", Double(bytes.reduce(0) { $0 + $1.nvlink }) / (4e9 * time)),
    ]
    for (style, share) in expected {
      let path = try #require(picture.all("path", style: style).first)
      #expect(share > 0.02)
      #expect(abs(try shareUnder(path) - share) < 0.002)
      let mean = "mean \((share * 1000).rounded() / 10) %"
      #expect(picture.all("text").contains { $0.text.hasPrefix(mean) })
    }
  }

  /// Area under `MX YVyHx…VYz` over 130 pixels times its width.
  private func shareUnder(_ path: SVGElement) throws -> Double {
    let text = try #require(path.attributes["d"])
    let start = text.dropFirst().prefix { $0 != "V" }.split(separator: " ").compactMap {
      Double($0)
    }
    var (x, y, area) = (start[0], start[1], 0.0)
    for step in text.dropFirst().drop(while: { $0 != "V" }).split(separator: "V") {
      let parts = step.split { "Hz".contains($0) }.compactMap { Double($0) }
      y = parts[0]
      guard parts.count == 2 else { continue }
      area += (start[1] - y) * (parts[1] - x)
      x = parts[1]
    }
    #expect(y == start[1])
    return area / (130 * (x - start[0]))
  }

  @Test func exposuresAreSentences() throws {
    var exposure = try #require(try TraceCosts.outcome().exposures.first)
    exposure.operation = Operation(
      kind: .combine, pass: .forward, layer: 3, stage: 1, microbatch: 7)
    exposure.waiting = Operation(
      kind: .attention, pass: .forward, layer: 4, stage: 1, microbatch: 7)
    exposure.worldRank = 14
    exposure.picoseconds = 1_200_000_000
    exposure.barrier = 900_000_000
    exposure.lastRank = 9
    #expect(
      exposure.sentence
        == "combine F of layer 3, micro-batch 7, holds attention F of layer 4 on rank 14 for "
        + "1.2 ms (900 µs of it at the barrier: rank 9 came last)")
    exposure.waiting = Operation(kind: .head, pass: .input, microbatch: 8)
    exposure.barrier = 0
    #expect(
      exposure.sentence
        == "combine F of layer 3, micro-batch 7, holds head I of micro-batch 8 on rank 14 for "
        + "1.2 ms")
    #expect("\(exposure.json)" == "an object of 8")
  }

  @Test(arguments: [
    (0, "0 s"), (999, "999 ps"), (1500, "1.5 ns"), (12_345_678, "12.3 µs"),
    (1_234_567_890, "1.23 ms"), (340_000_000_000, "340 ms"), (10_260_000_000_000, "10.3 s"),
  ])
  func durationsAreBrief(picoseconds: Int, text: String) {
    #expect(VirtualDuration(picoseconds: Int64(picoseconds)).brief == text)
  }
}
