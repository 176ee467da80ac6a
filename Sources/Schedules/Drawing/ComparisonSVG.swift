// Several schedules below each other in one SVG picture, on one scale of time, so that the longer
// one looks longer. Small rows, numbers only where there is room, no tooltips.

/// Draws small multiples.
package struct ComparisonSVG {
  private static let margin = 12.0
  private static let plotWidth = 1100.0
  /// Pixels above a panel, for its name.
  private static let headHeight = 24.0
  /// Height that a panel's rows share when there are many.
  private static let mostHeight = 230.0

  private let panels: [(name: String, panel: SchedulePanel)]
  private let title: String
  private let caption: String
  private let time: (Int) -> String
  private let makespan: Int

  /// - Parameters:
  ///   - comparison: drawn in its order.
  ///   - caption: a line about the times, under the title.
  ///   - time: what a time of the comparison's analyses is called.
  package init(
    _ comparison: ScheduleComparison, caption: String, time: @escaping (Int) -> String
  ) {
    let longest = comparison.results.map(\.analysis.makespan).max() ?? 0
    makespan = longest
    title =
      SchedulePage.counted(comparison.ranks, "device") + ", "
      + SchedulePage.counted(comparison.microbatches, "micro-batch")
    self.caption = caption
    self.time = time
    let pitch = min(13, max(2, Self.mostHeight / Double(comparison.ranks)))
    panels = comparison.results.map { result in
      var panel = SchedulePanel(result.schedule, result.analysis)
      panel.scale = Self.plotWidth / Double(max(longest, 1))
      (panel.pitch, panel.rowHeight) = (pitch, pitch >= 4 ? pitch - 1 : pitch)
      if pitch >= 11, panel.shortest * panel.scale >= 11 { panel.fontSize = 8 }
      return (result.name, panel)
    }
  }

  /// The file.
  package var text: String {
    let left = Self.margin
    var top = 62.0
    var body = SVG.text("head", x: left, y: 26, title) + "\n"
    body += SVG.text("quiet", x: left, y: 46, caption) + "\n"
    var tracks = ""
    var rows = ""
    for (name, panel) in panels {
      let place = top + Self.headHeight
      tracks += panel.tracks(x: left, y: place)
      rows +=
        "<text x=\"\(SVG.number(left))\" y=\"\(SVG.number(place - 6))\">"
        + "<tspan font-weight=\"bold\">\(SVG.escaped(name))</tspan>: "
        + SVG.escaped(summary(panel)) + "</text>\n" + panel.rows(x: left, y: place)
      top = place + panel.height + 4
    }
    let axis = ScheduleAxis(
      makespan: makespan, scale: panels.first?.panel.scale ?? 1, time: time)
    body += tracks + axis.drawing(x: left, top: 62, bottom: top) + rows
    let legend = ScheduleLegend(of: panels.map(\.panel), shadeNames: [], notes: notes)
    let width = Self.plotWidth + 2 * Self.margin + max(16, axis.labelWidth / 2)
    let drawn = legend.drawing(x: left, y: top + 40, width: width - 2 * Self.margin)
    let outline = SchedulePage.outline(shortest)
    return SVG.document(
      width: width, height: top + 40 + drawn.height + Self.margin - 4,
      title: "Pipeline schedules: " + title,
      description: "\(panels.map(\.name).joined(separator: ", ")): devices down, time to the "
        + "right, on one scale.",
      styles: SchedulePalette.styles(
        kinds: legend.kinds, shades: legend.shades, outline: outline.line, frame: outline.frame),
      body: body + drawn.text)
  }

  /// Pixels of the shortest panel's short actions.
  private var shortest: Double {
    panels.map { $0.panel.shortest * $0.panel.scale }.min() ?? 1
  }

  private func summary(_ panel: SchedulePanel) -> String {
    "makespan \(time(panel.analysis.makespan)), " + panel.analysis.bubbleText(time)
  }

  private var notes: [String] {
    panels.contains { $0.panel.chunks > 1 }
      ? ["shades: a device's chunks in order, or the two directions"] : []
  }
}
