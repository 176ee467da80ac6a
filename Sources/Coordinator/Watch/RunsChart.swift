// Runs side by side as a picture: their curves, and below them how far each is from the first.

internal import Schedules

package struct RunsChart {
  private let baseline: RecordedRun
  private let comparisons: [RunComparison]
  private let metric: ComparedMetric

  private static let (left, width, height) = (84.0, 860.0, 250.0)
  private static let (upper, lower) = (104.0, 430.0)
  /// Colours that can be told apart without green against red (after Okabe and Ito).
  private static let colours = [
    "#4d4d4d", "#1f5693", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#b8860b", "#7b3294",
  ]

  /// - Parameter comparisons: at least one, all with the same first run.
  package init(_ comparisons: [RunComparison]) {
    precondition(!comparisons.isEmpty, "a picture of no comparison")
    self.comparisons = comparisons
    baseline = comparisons[0].baseline
    metric = comparisons[0].metric
  }

  /// The file.
  package var text: String {
    let title = "\(metric.name) by run"
    let summary = "against \(baseline.name), tolerance \(comparisons[0].tolerance)"
    var body = SVG.text("head", x: 14, y: 26, title) + "\n"
    body += SVG.text("quiet", x: 14, y: 46, summary) + "\n" + legend + curves + errors
    return SVG.document(
      width: Self.left + Self.width + 24, height: Self.lower + Self.height + 48, title: title,
      description: summary, styles: styles, body: body)
  }

  private var steps: Int {
    ([baseline] + comparisons.map(\.run)).compactMap { $0.steps.last?.step }.max() ?? 1
  }

  /// By step from 1, as a panel takes them; a step that isn't there repeats the one before.
  private func filled(_ values: [(step: Int, value: Double)]) -> [Double] {
    guard var last = values.first(where: { $0.value.isFinite })?.value else { return [] }
    var result: [Double] = []
    for (step, value) in values {
      while result.count < step - 1 { result.append(last) }
      if value.isFinite { last = value }
      result.append(last)
    }
    return result
  }

  private var curves: String {
    let lines = ([baseline] + comparisons.map(\.run)).map { run in
      filled(run.steps.compactMap { step in metric.value(step).map { (step.step, $0) } })
    }
    let panel = panel("values", y: Self.upper, lines, least: nil)
    return panel.frame(title: metric.name, label: Self.label) + panel.drawing(styled(lines))
  }

  private var errors: String {
    let lines =
      [[]] + comparisons.map { filled($0.differences.map { ($0.step, 100 * $0.relative) }) }
    let panel = panel("errors", y: Self.lower, lines, least: 0)
    return panel.frame(
      title: "|difference| over the value of \(baseline.name), %",
      label: { Self.label($0) + "%" }) + panel.drawing(styled(lines))
  }

  private func panel(
    _ name: String, y: Double, _ lines: [[Double]], least: Double?
  ) -> ChartPanel {
    let lowest = least ?? lines.compactMap { $0.min() }.min() ?? 0
    let highest = lines.compactMap { $0.max() }.max() ?? 1
    let margin = max(0.05 * (highest - lowest), 1e-9)
    let bottom = least == nil ? lowest - margin : lowest
    return ChartPanel(
      x: Self.left, y: y, width: Self.width, height: Self.height, steps: steps,
      range: bottom...(highest + margin), name: name)
  }

  private func styled(_ lines: [[Double]]) -> [ChartPanel.Line] {
    lines.enumerated().map { ChartPanel.Line(style: "line p\($0.offset)", values: $0.element) }
  }

  private var legend: String {
    var x = 14.0
    var text = ""
    for (index, run) in ([baseline] + comparisons.map(\.run)).enumerated() {
      let label = SVG.shortened(run.name, to: 40) + (index == 0 ? " (first)" : "")
      text += "<path class=\"line p\(index)\" d=\"M\(SVG.number(x)) 68h24\"/>"
      text += SVG.text("", x: x + 30, y: 72, label) + "\n"
      x += 30 + SVG.width(of: label, size: 12) + 26
    }
    return text
  }

  private var styles: String {
    let rules = (0...comparisons.count).map { index in
      ".p\(index){stroke:\(Self.colours[index % Self.colours.count])}"
    }
    return "<style>\n\(SchedulePalette.pageRules)\n.bold{font-weight:bold}\n"
      + ".line{fill:none;stroke-width:2;stroke-linejoin:round}\n"
      + ".frame{fill:none;stroke:#8a8a92}\n" + rules.joined(separator: "\n") + "\n</style>"
  }

  private static func label(_ value: Double) -> String { Figures.significant(value, 4) }
}
