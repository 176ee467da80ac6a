// A schedule as an SVG picture in the manner of figure 5 of the DeepSeek-V3 report: devices down,
// time across to scale, pairs that overlap in one frame. The text is the same for the same input.

/// Draws one schedule with the times of an analysis.
package struct ScheduleSVG {
  /// Most actions that a picture takes; about 20 bytes each.
  package static let mostActions = 1 << 18
  /// Up to this number of actions each has a tooltip, "rank 3: F7 stage 3, 12–13"; 150 bytes each.
  package static let mostTooltips = 8000

  private static let margin = 12.0
  private static let plotWidths = 640.0...2400.0
  private static let fontSizes = 7.0...11.0

  private var panel: SchedulePanel
  private let time: (Int) -> String
  private let caption: String

  /// - Parameters:
  ///   - time: what a time of the analysis is called.
  ///   - caption: a line about the times, under the title.
  /// - Precondition: the schedule has at most `mostActions` actions.
  package init(
    _ schedule: Schedule, _ analysis: ScheduleAnalysis, caption: String = "",
    time: @escaping (Int) -> String = { "\($0)" }
  ) {
    let count = schedule.actions.reduce(0) { $0 + $1.count }
    precondition(count <= Self.mostActions, "the caller bounds the number of actions")
    self.time = time
    self.caption = caption
    panel = SchedulePanel(schedule, analysis)
    if count <= Self.mostTooltips { panel.time = time }
    if schedule.ranks > 16 { (panel.rowHeight, panel.pitch) = (16, 18) }
    panel.scale = Self.scale(panel)
    panel.fontSize = Self.fontSize(panel)
  }

  /// Wide enough for the numbers of the shorter actions, within limits for the whole.
  private static func scale(_ panel: SchedulePanel) -> Double {
    var wanted: [Double] = []
    panel.eachPart { part in
      let label = Double("\(part.microbatch)".count) * SVG.digitWidth * fontSizes.upperBound
      wanted.append((label + 5) / (part.end - part.start))
    }
    wanted.sort(by: >)
    let span = Double(max(panel.analysis.makespan, 1))
    let scale = wanted.isEmpty ? 1 : wanted[wanted.count / 10]
    return min(max(scale * span, plotWidths.lowerBound), plotWidths.upperBound) / span
  }

  /// The largest size at which nine of ten numbers fit; nil where that would be too small to read.
  private static func fontSize(_ panel: SchedulePanel) -> Double? {
    var sizes: [Double] = []
    panel.eachPart { part in
      let digits = Double("\(part.microbatch)".count)
      let width = max((part.end - part.start) * panel.scale - 2, 0)
      sizes.append(width / (digits * SVG.digitWidth))
    }
    guard !sizes.isEmpty else { return nil }
    sizes.sort()
    let largest = min(fontSizes.upperBound, panel.rowHeight - 5)
    let size = min(sizes[sizes.count / 10], largest)
    // Half of them must fit, or the numbers are but noise.
    guard sizes[sizes.count / 2] >= fontSizes.lowerBound else { return nil }
    return max((size * 2).rounded(.down) / 2, fontSizes.lowerBound)
  }

  /// The file.
  package var text: String {
    let schedule = panel.schedule
    let names = schedule.actions.indices.map { "Device \($0)" }
    let left = Self.margin + (names.map { SVG.width(of: $0, size: 12) }.max() ?? 0) + 10
    let top = caption.isEmpty ? 64.0 : 82.0
    let bubbles = panel.analysis.bubble.map(time)
    let right = left + panel.width
    let bubbleEdge = right + 12 + max(42, bubbles.map { SVG.width(of: $0, size: 12) }.max() ?? 0)
    let heads = [(title, 15.0 * 1.08), (summary, 12.0), (caption, 12.0)]
    let headWidth = heads.map { SVG.width(of: $0.0, size: $0.1) }.max() ?? 0
    let width = max(bubbleEdge, headWidth + Self.margin) + Self.margin
    let legend = ScheduleLegend(of: [panel], shadeNames: panel.shadeNames, notes: notes)
    let axisTop = top + panel.height + 2
    let legendDrawing = legend.drawing(
      x: Self.margin, y: axisTop + 40, width: width - 2 * Self.margin)

    var body = SVG.text("head", x: Self.margin, y: 26, title) + "\n"
    body += SVG.text("", x: Self.margin, y: 46, summary) + "\n"
    if !caption.isEmpty { body += SVG.text("quiet", x: Self.margin, y: 64, caption) + "\n" }
    body += SVG.text("quiet end", x: bubbleEdge, y: top - 6, "bubble") + "\n"
    body += panel.tracks(x: left, y: top)
    let axis = ScheduleAxis(makespan: panel.analysis.makespan, scale: panel.scale, time: time)
    body += axis.drawing(x: left, top: top, bottom: axisTop)
    for (rank, name) in names.enumerated() {
      let y = top + Double(rank) * panel.pitch + panel.rowHeight / 2 + 4
      body += SVG.text("end", x: left - 8, y: y, name)
      body += SVG.text("quiet end", x: bubbleEdge, y: y, bubbles[rank]) + "\n"
    }
    body += panel.rows(x: left, y: top) + legendDrawing.text
    let outline = SchedulePage.outline(panel.scale * panel.shortest)
    return SVG.document(
      width: width, height: axisTop + 40 + legendDrawing.height + Self.margin - 4, title: title,
      description:
        "\(summary). Devices down, time to the right, each action as wide as it is long.",
      styles: SchedulePalette.styles(
        kinds: legend.kinds, shades: legend.shades, outline: outline.line, frame: outline.frame),
      body: body)
  }

  private var title: String {
    let schedule = panel.schedule
    // Of a file's path, its name.
    let name = schedule.name.split(separator: "/").last.map(String.init) ?? schedule.name
    let counts = [
      SchedulePage.counted(schedule.ranks, "device"),
      SchedulePage.counted(schedule.stages, "stage"),
      SchedulePage.counted(schedule.microbatches, "micro-batch"),
    ]
    return "\(SVG.shortened(name, to: 60)): \(counts.joined(separator: ", "))"
  }

  private var summary: String {
    "makespan \(time(panel.analysis.makespan)), " + panel.analysis.bubbleText(time)
  }

  private var notes: [String] {
    var notes: [String] = []
    if panel.fontSize != nil { notes.append("numbers: micro-batches, counted over the whole step") }
    if panel.time == nil { notes.append("no tooltips above \(Self.mostTooltips) actions") }
    return notes
  }
}
