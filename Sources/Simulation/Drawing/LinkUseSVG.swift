// A chart of how busy InfiniBand and NVLink are over a step, the mean over the traced ranks.

internal import Fabric
internal import Schedules
internal import Units

/// Draws the use of the links of an outcome, by the ranks that were traced.
package struct LinkUseSVG {
  private static let margin = 12.0
  private static let panelHeight = 130.0
  private static let panelPitch = 204.0

  private struct Panel {
    var name: String
    var style: String
    var use: LinkUse
  }

  private let outcome: StepOutcome
  private let panels: [Panel]
  private let ranks: Int
  private let width = 1600.0

  /// - Parameter bins: parts of the step that are averaged over.
  package init(_ outcome: StepOutcome, bins: Int = 400) {
    precondition(bins > 0, "a chart has at least one bin")
    self.outcome = outcome
    ranks = outcome.tracedRanks.count
    let network = outcome.cluster.network.nic
    let nvlink = outcome.cluster.node.nvlink
    panels = [
      Panel(
        name: "InfiniBand, \(network.text) per GPU and direction", style: "net",
        use: LinkUse(outcome, ranks: ranks, bins: bins, bandwidth: network, \.network)),
      Panel(
        name: "NVLink, \(nvlink.text) per GPU and direction", style: "nvl",
        use: LinkUse(outcome, ranks: ranks, bins: bins, bandwidth: nvlink, \.nvlink)),
    ]
  }

  /// The file.
  package var text: String {
    let left = Self.margin + 48
    let end = outcome.end.sinceStart
    let axis = ScheduleAxis(
      makespan: Int(end.picoseconds), scale: width / Double(max(end.picoseconds, 1)),
      time: { VirtualDuration(picoseconds: Int64($0)).milliseconds + " ms" })
    let title = "Use of the links in one step"
    let summary =
      "step \(end.brief); mean of \(SchedulePage.counted(ranks, "rank")), "
      + "of each exchange the busier direction"
    var body = SVG.text("head", x: Self.margin, y: 26, title) + "\n"
    body += SVG.text("quiet", x: Self.margin, y: 46, summary) + "\n"
    for (index, panel) in panels.enumerated() {
      let top = 88 + Double(index) * Self.panelPitch
      body += axis.drawing(x: left, top: top, bottom: top + Self.panelHeight)
      body += drawing(panel, x: left, y: top)
    }
    return SVG.document(
      width: left + width + Self.margin + 24, height: 88 + 2 * Self.panelPitch - 24,
      title: title, description: summary, styles: Self.styles, body: body)
  }

  private static let styles =
    "<style>\n\(SchedulePalette.pageRules)\n"
    + ".net{fill:#d9604c}\n.nvl{fill:#4f86c6}\n.bold{font-weight:bold}\n</style>"

  private func drawing(_ panel: Panel, x: Double, y: Double) -> String {
    let mean = percentage(panel.use.mean)
    let peak = percentage(panel.use.peak)
    var text = SVG.text("bold", x: x, y: y - 10, panel.name)
    text +=
      SVG.text(
        "end quiet", x: x + width, y: y - 10, "mean \(mean), busiest moment \(peak)") + "\n"
    for (share, label) in [(0.0, "0 %"), (0.5, "50 %"), (1.0, "100 %")] {
      let line = y + Self.panelHeight * (1 - share)
      text +=
        "<path class=\"grid\" d=\"M\(SVG.number(x)) \(SVG.number(line))h\(SVG.number(width))\"/>"
      text += SVG.text("end quiet", x: x - 8, y: line + 4, label) + "\n"
    }
    return text + area(panel, x: x, y: y)
  }

  /// Steps of the bins' shares; what is beyond the port's bandwidth is cut.
  private func area(_ panel: Panel, x: Double, y: Double) -> String {
    let bottom = y + Self.panelHeight
    let binWidth = width / Double(panel.use.shares.count)
    var path = "M\(SVG.number(x)) \(SVG.number(bottom))"
    for (bin, share) in panel.use.shares.enumerated() {
      path += "V\(SVG.number(bottom - Self.panelHeight * min(share, 1)))"
      path += "H\(SVG.number(x + Double(bin + 1) * binWidth))"
    }
    return "<path class=\"\(panel.style)\" d=\"\(path)V\(SVG.number(bottom))z\"/>\n"
  }
}
