// A simulated step as a picture: ranks down, time across to scale, and for each rank a lane of each
// of its streams. The text is the same for the same outcome.

internal import ModelSpec
internal import Schedules
package import Units
internal import Workload

/// What of a step a picture shows.
package struct TimelineOptions: Sendable {
  /// The time shown; nil for the whole step.
  package var window: Range<VirtualInstant>?
  /// World ranks shown, as far as they were traced; nil for all if they are few, else one data rank
  /// of each pipeline rank.
  package var ranks: [Int]?
  /// Pixels of the time axis.
  package var width = 1600.0

  package init() {}
}

/// Draws the timeline of an outcome.
package struct TimelineSVG {
  /// Up to this number of events each has a tooltip; 150 bytes each.
  package static let mostTooltips = 6000
  /// Up to this number of events each is drawn by itself; 60 bytes each. More are summed up, and so
  /// are fewer when one in ten is less than half a pixel wide.
  package static let mostEvents = 20_000
  /// Ranks shown unless others are asked for.
  package static let mostRanks = 32
  /// Columns of all lanes of a picture that sums up.
  private static let mostColumns = 100_000.0
  private static let margin = 12.0

  private let outcome: StepOutcome
  private let ranks: [Int]
  private let window: TimelineWindow
  /// Events shown, by row × streams + stream.
  private var lanes: [[TimelineEvent]]
  private let count: Int
  private let isExact: Bool
  /// Height of each stream's lane, and pixels from row to row.
  private let heights: [Double]
  private let pitch: Double

  package init(_ outcome: StepOutcome, _ options: TimelineOptions = TimelineOptions()) {
    self.outcome = outcome
    let traced = outcome.tracedRanks
    ranks = Self.ranks(options.ranks, traced: traced, outcome.workload.layout)
    let all = VirtualInstant.start..<outcome.end
    let shown = options.window?.clamped(to: all) ?? all
    window = TimelineWindow(
      start: shown.lowerBound.picoseconds, end: shown.upperBound.picoseconds,
      width: options.width)
    heights = ranks.count <= 16 ? [16, 9, 4, 4] : [10, 6, 2, 2]
    pitch = heights.reduce(0, +) + 3 + (ranks.count <= 16 ? 9 : 5)
    let streams = Stream.allCases.count
    let rows = Dictionary(uniqueKeysWithValues: ranks.enumerated().map { ($1, $0) })
    lanes = Array(repeating: [], count: ranks.count * streams)
    var count = 0
    var thin = 0
    for event in outcome.timeline.events where shown.overlaps(event.ready..<event.end) {
      guard let row = rows[event.worldRank] else { continue }
      lanes[row * streams + Int(event.stream.rawValue)].append(event)
      count += 1
      let width = Double((event.end - event.start).picoseconds) * window.scale
      if width > 0, width < 0.5 { thin += 1 }
    }
    self.count = count
    isExact = count <= Self.mostEvents && thin <= count / 10
  }

  private static func ranks(_ wanted: [Int]?, traced: [Int], _ layout: Layout) -> [Int] {
    if let wanted { return Set(wanted).intersection(traced).sorted() }
    guard traced.count > 16 else { return traced }
    // The first of each pipeline rank that was traced.
    var seen: Set<Int> = []
    return Array(
      traced.filter { seen.insert(layout.pipelineRank(of: $0)).inserted }.prefix(mostRanks))
  }

  // MARK: The page

  /// The file.
  package var text: String {
    let left = Self.margin + 62
    let top = 68.0
    let bottom = top + Double(ranks.count) * pitch
    let axis = ScheduleAxis(
      start: Int(window.start), makespan: Int(window.end - window.start), scale: window.scale,
      time: { VirtualDuration(picoseconds: Int64($0)).milliseconds + " ms" })
    let legend = TimelineLegend(colours, notes: notes)
      .drawing(x: left, y: bottom + 46, width: window.width)
    var body = SVG.text("head", x: Self.margin, y: 26, title) + "\n"
    body += SVG.text("quiet", x: Self.margin, y: 46, summary) + "\n"
    body += axis.drawing(x: left, top: top, bottom: bottom)
    for row in ranks.indices {
      body += drawing(ofRow: row, x: left, y: top + Double(row) * pitch)
    }
    body += legend.text
    return SVG.document(
      width: left + window.width + Self.margin + 24, height: bottom + 46 + legend.height,
      title: title, description: summary, styles: TimelineColour.styles, body: body)
  }

  private var title: String {
    let layout = outcome.workload.layout
    return "One step on \(layout.worldSize) simulated GPUs: pipeline \(layout.pipeline) × "
      + "data \(layout.data), experts over \(layout.expert)"
  }

  private var summary: String {
    let end = outcome.end.sinceStart
    let all = end.seconds * Double(outcome.bubbles.count)
    let share = all > 0 ? outcome.bubbles.reduce(0) { $0 + $1.seconds } / all : 0
    var text = "step \(end.brief), bubble \(percentage(share)) of all GPUs' time"
    let whole = window.start == 0 && window.end == outcome.end.picoseconds
    if !whole {
      let (from, to) = (
        VirtualDuration(picoseconds: window.start), VirtualDuration(picoseconds: window.end)
      )
      text += "; shown: \(from.brief) to \(to.brief)"
    }
    if ranks.count < outcome.workload.layout.worldSize {
      text += "; \(SchedulePage.counted(ranks.count, "rank")) shown"
    }
    return text
  }

  private var notes: [String] {
    var notes = ["lanes of a rank: compute, expert exchange, pipeline, collective"]
    if !isExact { notes.append("height of a bar: share of its time that the stream was busy") }
    return notes
  }

  /// What occurs, in the order of the legend.
  private var colours: [TimelineColour] {
    var seen: Set<TimelineColour> = []
    for (index, events) in lanes.enumerated() {
      let program = program(ofRow: index / Stream.allCases.count)
      for event in events {
        seen.insert(colour(of: event, program))
        if event.ready < event.start { seen.insert(.waiting) }
      }
    }
    return TimelineColour.allCases.filter(seen.contains)
  }

  // MARK: Rows

  private func program(ofRow row: Int) -> Program {
    outcome.workload.programs[outcome.workload.layout.pipelineRank(of: ranks[row])]
  }

  private func colour(of event: TimelineEvent, _ program: Program) -> TimelineColour {
    TimelineColour(EventLabel.kind(event.operations, stream: event.stream, of: program))
  }

  private func drawing(ofRow row: Int, x: Double, y: Double) -> String {
    let rank = ranks[row]
    let layout = outcome.workload.layout
    var text = SVG.text("end", x: x - 8, y: y + heights[0] - 4, "rank \(rank)")
    if ranks.count <= 16 {
      let place = "p\(layout.pipelineRank(of: rank)) d\(layout.dataRank(of: rank))"
      text += SVG.text("end quiet small", x: x - 8, y: y + heights[0] + 9, place)
    }
    var top = y
    for stream in Stream.allCases {
      let height = heights[Int(stream.rawValue)]
      text += SVG.rectangle(
        stream == .compute ? "idle" : "lane", x: x, y: top, width: window.width, height: height)
      text +=
        "<g class=\"\(stream)\" transform=\"translate(\(SVG.number(x)),\(SVG.number(top)))\">"
      text += drawing(ofLane: stream, row: row, height) + "</g>\n"
      top += height + 1
    }
    return text
  }

  private func drawing(ofLane stream: Stream, row: Int, _ height: Double) -> String {
    let events = lanes[row * Stream.allCases.count + Int(stream.rawValue)]
    let program = program(ofRow: row)
    guard isExact else {
      let columns = Double(lanes.count) * window.width
      var lane = ColumnLane(
        window, height: height, columnWidth: max(1, columns / Self.mostColumns))
      for event in events {
        lane.add(.waiting, event.ready.picoseconds, event.start.picoseconds)
        lane.add(colour(of: event, program), event.start.picoseconds, event.end.picoseconds)
      }
      return lane.text
    }
    var lane = ExactLane(window, height: height)
    for event in events {
      lane.add(.waiting, event.ready.picoseconds, event.start.picoseconds, tooltip: "")
      lane.add(
        colour(of: event, program), event.start.picoseconds, event.end.picoseconds,
        tooltip: count <= Self.mostTooltips ? tooltip(event, program) : "")
    }
    return lane.text
  }

  /// "rank 5: dispatch F layer 3 mb 7, 1.2 ms at 14.25 ms, after 0.3 ms of waiting"
  private func tooltip(_ event: TimelineEvent, _ program: Program) -> String {
    let label = EventLabel(event.operations, stream: event.stream, of: program)
    var text = "rank \(event.worldRank): \(label.name), \((event.end - event.start).brief)"
    text += " from \(event.start.sinceStart.brief)"
    if event.ready < event.start {
      text += ", after \((event.start - event.ready).brief) at the barrier"
    }
    return text
  }
}
