// A comparison as a picture after figure 10 of the DeepSeek-V3 report: smoothed losses, and below
// them their relative errors with the report's band of 0.25%.

internal import ModelSpec
internal import RunConfiguration
internal import Schedules

/// Draws a comparison: one colour a precision, thin lines for seeds, a thick one for their mean.
package struct LossChart {
  /// The relative error that the report stays below (section 3.3).
  private static let band = 0.0025
  /// Errors beyond are cut: what is larger is no rounding error, and the band must stay visible.
  private static let mostError = 0.03

  private static let left = 74.0
  private static let width = 860.0
  private static let (lossTop, lossHeight) = (104.0, 250.0)
  private static let (errorTop, errorHeight) = (430.0, 250.0)

  private let comparison: PrecisionComparison

  package init(_ comparison: PrecisionComparison) { self.comparison = comparison }

  /// The file.
  package var text: String {
    let title = "Training loss by precision"
    var body = SVG.text("head", x: 14, y: 26, title) + "\n"
    body += SVG.text("quiet", x: 14, y: 46, summary) + "\n" + legend
    body += losses + errors
    return SVG.document(
      width: Self.left + Self.width + 24, height: Self.errorTop + Self.errorHeight + 48,
      title: title, description: summary, styles: styles, body: body)
  }

  private var summary: String {
    let plan = comparison.plan
    let parameters = ParameterCensus(plan.spec, sequenceLength: plan.base.plan.sequenceLength)
      .total.parameters
    let size =
      parameters < 1_000_000 ? "\(parameters)" : Self.label(Double(parameters) / 1e6) + " M"
    return "\(size) parameters, \(plan.steps) steps of \(plan.tokensPerStep) tokens, "
      + SchedulePage.counted(plan.seeds.count, "seed")
      + "; smoothed by an exponential moving average, coefficient \(LossCurve.coefficient)"
  }

  private var losses: String {
    let curves = comparison.entries.flatMap(\.curves)
    let least = curves.compactMap { $0.min() }.min() ?? 0
    let most = curves.compactMap { $0.max() }.max() ?? 1
    let margin = max(0.05 * (most - least), 1e-3)
    let panel = ChartPanel(
      x: Self.left, y: Self.lossTop, width: Self.width, height: Self.lossHeight,
      steps: comparison.plan.steps, range: (least - margin)...(most + margin), name: "losses")
    return panel.frame(title: "Loss, nats a token", label: { Self.label($0) })
      + panel.drawing(lines(\.curves, mean: \.meanCurve)) + ends(panel, \.curves)
  }

  private var errors: String {
    let values = comparison.entries.flatMap { $0.errors.flatMap { $0 } }
    let largest = values.reduce(0) { max($0, abs($1)) }
    let reach = min(max(1.1 * largest, 1.6 * Self.band), Self.mostError)
    let panel = ChartPanel(
      x: Self.left, y: Self.errorTop, width: Self.width, height: Self.errorHeight,
      steps: comparison.plan.steps, range: (-100 * reach)...(100 * reach), name: "errors")
    let top = panel.place(value: 100 * Self.band)
    let bottom = panel.place(value: -100 * Self.band)
    let cut = largest > Self.mostError ? "; beyond ±\(Self.label(100 * Self.mostError))% cut" : ""
    return SVG.rectangle(
      "band", x: panel.x, y: top, width: panel.width, height: bottom - top) + "\n"
      + panel.frame(
        title: "Relative error of the loss against \(comparison.plan.baseline), %" + cut,
        label: { Self.label($0) + "%" })
      + panel.drawing(lines(\.percentages, mean: \.meanPercentages))
      + ends(panel, \.percentages)
      + SVG.text("end halo", x: panel.x + panel.width - 6, y: top - 5, "±0.25%") + "\n"
  }

  /// Seeds below means; the baseline's zeros are the axis.
  private func lines(
    _ curves: (PrecisionComparison.Entry) -> [[Double]],
    mean: (PrecisionComparison.Entry) -> [Double]
  ) -> [ChartPanel.Line] {
    let entries = Array(comparison.entries.enumerated())
    let thin = entries.flatMap { index, entry in
      entry.runs.count > 1
        ? curves(entry).map { ChartPanel.Line(style: "line p\(index) thin", values: $0) } : []
    }
    return thin
      + entries.map { ChartPanel.Line(style: "line p\($0.offset)", values: mean($0.element)) }
  }

  /// A cross where a run diverged.
  private func ends(
    _ panel: ChartPanel, _ curves: (PrecisionComparison.Entry) -> [[Double]]
  ) -> String {
    var text = ""
    for (index, entry) in comparison.entries.enumerated() {
      for (run, curve) in zip(entry.runs, curves(entry)) where run.outcome.divergedAt != nil {
        guard let last = curve.last else { continue }
        let x = panel.place(step: Double(curve.count))
        let value = min(max(last, panel.range.lowerBound), panel.range.upperBound)
        let y = panel.place(value: value)
        text += "<path class=\"line p\(index)\" d=\"M\(SVG.number(x - 5)) \(SVG.number(y - 5))"
        text += "l10 10m0 -10l-10 10\"/>\n"
      }
    }
    return text
  }

  private var legend: String {
    var x = 14.0
    var text = ""
    for (index, entry) in comparison.entries.enumerated() {
      let diverged = entry.runs.compactMap(\.outcome.divergedAt)
      let label =
        entry.precision.name
        + (entry.precision.name == comparison.plan.baseline ? " (baseline)" : "")
        + (diverged.isEmpty
          ? "" : " (× diverged at step " + diverged.map(String.init).joined(separator: ", ") + ")")
      text += "<path class=\"line p\(index)\" d=\"M\(SVG.number(x)) 68h24\"/>"
      text += SVG.text("", x: x + 30, y: 72, label) + "\n"
      x += 30 + SVG.width(of: label, size: 12) + 26
    }
    return text
  }

  /// Colours that can be told apart without green against red (after Okabe and Ito).
  private static let colours = [
    "#4d4d4d", "#1f5693", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#b8860b", "#7b3294",
  ]

  private var styles: String {
    let rules = comparison.entries.indices.map { index in
      ".p\(index){stroke:\(Self.colours[index % Self.colours.count])}"
    }
    return "<style>\n\(SchedulePalette.pageRules)\n.bold{font-weight:bold}\n"
      + ".line{fill:none;stroke-width:2;stroke-linejoin:round}\n"
      + ".thin{stroke-width:0.9;stroke-opacity:0.45}\n.frame{fill:none;stroke:#8a8a92}\n"
      + ".band{fill:#f3efd9}\n.halo{stroke:#fff;stroke-width:3;paint-order:stroke}\n"
      + rules.joined(separator: "\n") + "\n</style>"
  }

  /// With as many decimals as a tick needs.
  private static func label(_ value: Double) -> String {
    let text = SVG.number(value)
    return text == "-0" ? "0" : text
  }
}

extension PrecisionComparison.Entry {
  fileprivate var percentages: [[Double]] { errors.map { $0.map { 100 * $0 } } }
  fileprivate var meanPercentages: [Double] { meanError.map { 100 * $0 } }
}
