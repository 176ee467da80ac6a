// How evenly experts are loaded: a line for each layer, a cell for each expert, or for a few where
// there are more experts than columns.

struct ExpertsPage {
  private let view: RunView
  /// Shades of a cell by the load over the layer's mean, up to that bound. A colour says the same
  /// in finer steps.
  private static let shades: [(below: Double, shade: Character)] = [
    (0.5, "░"), (1, "▒"), (1.5, "▓"), (.infinity, "█"),
  ]
  /// Bounds of the colours.
  private static let heat = [0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0]

  init(_ view: RunView) { self.view = view }

  func lines(columns: Int) -> [TextLine] {
    guard let loads = view.loads else {
      var lines = [TextLine("no loads of experts are written", .quiet)]
      if let ratio = view.latest?.maxExpertLoadRatio {
        lines.append(
          TextLine("fullest expert of the last step: \(Figures.fixed(ratio, 2))× its layer's mean"))
      }
      return lines
    }
    let experts = loads.layers.map(\.tokens.count).max() ?? 0
    var head = TextLine("tokens of each expert over their layer's mean", .bold)
    head.add("  step \(loads.step), \(experts) experts", .quiet)
    return [head] + rows(columns: columns) + [TextLine(), legend(experts, columns)]
  }

  /// A line for each layer; none without loads.
  func rows(columns: Int) -> [TextLine] {
    guard let loads = view.loads else { return [] }
    let digits = loads.layers.map { "\($0.layer)".count }.max() ?? 1
    return loads.layers.map { layer in
      var line = TextLine("layer \(Figures.right("\(layer.layer)", digits)) ", .quiet)
      let room = columns - line.width - 18
      line.add(cells(layer, columns: room))
      if let (expert, ratio) = layer.fullest {
        line.add(" " + Figures.right(Figures.fixed(ratio, 2) + "×", 6))
        line.add(" of \(expert)", .quiet)
      }
      let idle = layer.tokens.count { $0 == 0 }
      if idle > 0 { line.add(" \(idle) idle", .warning) }
      return line
    }
  }

  /// Experts that share a cell: as few as fit.
  private static func perCell(_ experts: Int, _ columns: Int) -> Int {
    max(1, (experts + max(columns, 1) - 1) / max(columns, 1))
  }

  private func cells(_ layer: ExpertLoads.Layer, columns: Int) -> TextLine {
    var line = TextLine()
    let count = layer.tokens.count
    guard count > 0, columns > 0 else { return line }
    let perCell = Self.perCell(count, columns)
    let width = perCell > 1 ? 1 : min(6, max(1, columns / count))
    for start in stride(from: 0, to: count, by: perCell) {
      let most = layer.tokens[start..<min(start + perCell, count)].max() ?? 0
      let ratio = layer.mean > 0 ? Double(most) / layer.mean : 0
      line.add(
        String(repeating: Self.shade(ratio), count: width), .heat(Self.level(ratio)))
    }
    return line
  }

  private static func shade(_ ratio: Double) -> Character {
    ratio == 0 ? "·" : shades.first { ratio < $0.below }?.shade ?? "█"
  }

  private static func level(_ ratio: Double) -> Int { heat.count { ratio >= $0 } }

  private func legend(_ experts: Int, _ columns: Int) -> TextLine {
    var line = TextLine()
    for (text, ratio) in [
      ("none", 0), ("< 0.5", 0.4), ("< 1", 0.9), ("< 1.5", 1.3), ("≥ 1.5", 2),
    ] {
      line.add(String(repeating: Self.shade(ratio), count: 2), .heat(Self.level(ratio)))
      line.add(" \(text)   ", .quiet)
    }
    let perCell = Self.perCell(experts, columns - 28)
    if perCell > 1 { line.add("a cell: the fullest of \(perCell)", .quiet) }
    return line
  }
}
