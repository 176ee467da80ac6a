// The first page: figures of the last step, the loss so far, and on a large screen more curves and
// a little of the other pages.

internal import ModelSpec
package import RunConfiguration

struct OverviewPage {
  private let view: RunView
  private let area: MonitorFrame.Size

  init(_ view: RunView, _ area: MonitorFrame.Size) {
    self.view = view
    self.area = area
  }

  var lines: [TextLine] {
    let isLarge = area.columns >= 120 && area.rows >= 24
    let side = isLarge ? min(64, area.columns / 3) : 0
    let width = isLarge ? area.columns - side - 3 : area.columns
    let most = area.rows >= 10 ? area.rows / 2 : max(1, area.rows - 5)
    let figures = Array(self.figures(columns: width).prefix(most))
    let rows = area.rows - figures.count
    let curves = self.curves(columns: width, rows: rows)
    guard isLarge else { return figures + curves }
    return TextLine.beside(
      [(width, figures + curves), (side, self.side(columns: side))], gap: 3)
  }

  private typealias Figure = (name: String, value: String, style: TextStyle)

  /// Rows of four figures, or of as many as fit.
  private func figures(columns: Int) -> [TextLine] {
    guard let step = view.latest else { return [] + setup.map { TextLine($0, .quiet) } }
    let figures = training(step) + cost(step)
    let perRow = max(1, min(4, columns / 20))
    let cell = columns / perRow
    var lines: [TextLine] = []
    for start in stride(from: 0, to: figures.count, by: perRow) {
      var line = TextLine()
      for (place, figure) in figures[start..<min(start + perRow, figures.count)].enumerated() {
        line.pad(to: place * cell)
        line.add(figure.name + " ", .quiet)
        line.add(figure.value, figure.style)
      }
      lines.append(line)
    }
    return lines + setup.map { TextLine($0, .quiet) }
  }

  private func training(_ step: StepMetrics) -> [Figure] {
    func number(_ value: Double?, _ digits: Int) -> String {
      value.map { Figures.fixed($0, digits) } ?? "-"
    }
    let load = step.maxExpertLoadRatio ?? 0
    return [
      ("loss", number(step.loss, 4), .bold), ("mtp", number(step.mtpLoss, 4), .plain),
      ("grad", number(step.gradientNorm, 3), .plain),
      ("lr", step.learningRate.map { Figures.significant($0, 3) } ?? "-", .plain),
      ("tokens/s", Figures.count(step.tokensPerSecond), .bold),
      ("step", Figures.seconds(step.wallSeconds), .plain),
      ("load", load > 0 ? Figures.fixed(load, 2) + "×" : "-", load >= 3 ? .warning : .plain),
      ("memory", step.peakMemoryBytes.map(Figures.bytes) ?? "-", .plain),
    ]
  }

  private func cost(_ step: StepMetrics) -> [Figure] {
    guard let virtual = step.virtual else { return [] }
    return [
      ("virtual", Figures.seconds(virtual.stepSeconds), .bold),
      ("MFU", Figures.percent(virtual.utilisation), .plain),
      ("bubble", Figures.percent(virtual.bubbleFraction), .plain),
      ("exposed", Figures.seconds(virtual.exposedCommunicationSeconds), .plain),
    ]
  }

  /// How the run is set up.
  private var setup: [String] {
    guard let configuration = view.configuration else { return [] }
    return [RunSetup(configuration).text]
  }

  /// The loss, and more where there is room.
  private func curves(columns: Int, rows: Int) -> [TextLine] {
    guard rows >= 4 else { return [] }
    let plots = self.plots
    guard rows >= 22, plots.count > 1 else {
      guard columns >= 100, plots.count > 1 else {
        return plots[0].lines(width: columns, height: rows)
      }
      let half = (columns - 2) / 2
      return TextLine.beside(
        plots.prefix(2).map { (half, $0.lines(width: half, height: rows)) })
    }
    if columns < 100 {
      let upper = rows * 3 / 5
      return plots[0].lines(width: columns, height: upper - 1) + [TextLine()]
        + plots[1].lines(width: columns, height: rows - upper)
    }
    let (half, upper) = ((columns - 2) / 2, (rows - 1) / 2)
    func pair(_ plots: ArraySlice<LinePlot>, _ height: Int) -> [TextLine] {
      TextLine.beside(plots.map { (half, $0.lines(width: half, height: height)) })
    }
    guard plots.count > 2 else { return pair(plots[...], rows) }
    return pair(plots[..<2], upper) + [TextLine()] + pair(plots[2...], rows - upper - 1)
  }

  private var plots: [LinePlot] {
    func values(_ figure: (StepMetrics) -> Double?) -> [(step: Int, value: Double)] {
      view.steps.compactMap { step in figure(step).map { (step.step, $0) } }
    }
    var plots = [
      LinePlot("loss", values(\.loss)),
      LinePlot("tokens/s", values(\.tokensPerSecond), .good, label: Figures.count),
    ]
    let virtual = values { $0.virtual?.stepSeconds }
    if !virtual.isEmpty {
      plots += [
        LinePlot("virtual step, s", virtual, .warning),
        LinePlot(
          "bubble, %", values { ($0.virtual?.bubbleFraction).map { 100 * $0 } }, .heat(6)),
      ]
    }
    return plots
  }

  /// On the right of a large screen.
  private func side(columns: Int) -> [TextLine] {
    var lines: [TextLine] = []
    func add(_ title: String?, _ part: [TextLine], atMost count: Int) {
      guard !part.isEmpty, lines.count + 3 <= area.rows else { return }
      if !lines.isEmpty { lines.append(TextLine()) }
      if let title { lines.append(TextLine(title, .bold)) }
      lines += part.prefix(min(count, area.rows - lines.count))
    }
    let third = max(3, area.rows / 3 - 2)
    add("expert load by layer", ExpertsPage(view).rows(columns: columns), atMost: third)
    let ranks = RanksPage(view)
    let byRank = ranks.memory(columns: columns)
    if byRank.isEmpty {
      add(nil, ranks.fullest(columns: columns), atMost: third + 2)
    } else {
      add("memory by rank", byRank, atMost: third + 2)
    }
    add("events", EventsPage(view).latest(third, columns: columns), atMost: third)
    return lines
  }
}

/// The few words that tell runs apart.
package struct RunSetup: Equatable, Sendable {
  package let layout: String
  package let schedule: String
  package let precision: String
  private let ranks: Int
  private let microBatches: Int

  package init(_ configuration: RunConfiguration) {
    let layout = configuration.layout
    self.layout = "\(layout.pipeline)×\(layout.data)×\(layout.expert)"
    ranks = layout.pipeline * layout.data
    schedule = configuration.scheduleName ?? configuration.scheduleFile ?? "-"
    precision = configuration.plan.numerics.precision.rawValue
    microBatches = configuration.plan.microBatches
  }

  /// Pipeline × data × expert are explained where the sizes stand.
  var text: String {
    "\(ranks) \(ranks == 1 ? "rank" : "ranks"): pipeline × data × expert \(layout), \(schedule), "
      + "\(microBatches) micro-batches, \(precision)"
  }
}
