// The legend of an SVG picture: the kinds of action and the shades that occur in it, and nothing
// else, flowing over as many lines as it takes.

/// Entries under a picture.
struct ScheduleLegend {
  private struct Item {
    /// Style classes, left to right.
    var swatch: [String]
    var isPair = false
    /// Begins a line.
    var isFirst = false
    var text: String

    var width: Double {
      (swatch.isEmpty ? 0 : ScheduleLegend.swatchWidth + 6)
        + SVG.width(of: text, size: ScheduleLegend.fontSize) + 22
    }
  }

  static let swatchWidth = 30.0
  static let lineHeight = 22.0
  private static let fontSize = 12.0
  private static let swatchHeight = 16.0

  private var items: [Item] = []
  let kinds: Set<ActionKind>
  let shades: Set<Int>

  /// What occurs in `panels`; `shadeNames` explains the shades, if there are several.
  init(of panels: [SchedulePanel], shadeNames: [(shade: Int, text: String)], notes: [String]) {
    var kinds: Set<ActionKind> = []
    var shades: [ActionKind: Set<Int>] = [:]
    for panel in panels {
      panel.eachPart { part in
        kinds.insert(part.kind)
        shades[part.kind, default: []].insert(part.shade)
      }
    }
    self.kinds = kinds
    self.shades = shades.values.reduce(into: []) { $0.formUnion($1) }
    func swatch(_ kind: ActionKind) -> [String] {
      (shades[kind] ?? []).sorted().map { "\(kind.letter)\($0)" }
    }
    for kind in ActionKind.allCases where kinds.contains(kind) {
      items.append(Item(swatch: swatch(kind), text: kind.name))
    }
    if panels.contains(where: \.hasPairs) {
      items.append(
        Item(swatch: ["f0", "b0"], isPair: true, text: "overlapped forward and backward"))
    }
    items.append(Item(swatch: ["idle"], text: "idle"))
    let shaded = ActionKind.allCases.first { kinds.contains($0) } ?? .forward
    let explained = items.count
    for (shade, text) in shadeNames {
      items.append(Item(swatch: ["\(shaded.letter)\(shade)"], text: text))
    }
    for note in notes { items.append(Item(swatch: [], text: note)) }
    if explained < items.count { items[explained].isFirst = true }
  }

  /// The legend with its first line at `y`, and its height.
  func drawing(x: Double, y: Double, width: Double) -> (text: String, height: Double) {
    var text = "<g class=\"legend\">\n"
    var (left, top) = (x, y)
    for item in items {
      if left > x, item.isFirst || left + item.width > x + width {
        (left, top) = (x, top + Self.lineHeight)
      }
      text += drawing(item, x: left, y: top)
      left += item.width
    }
    return (text + "</g>\n", top - y + Self.lineHeight)
  }

  private func drawing(_ item: Item, x: Double, y: Double) -> String {
    guard !item.swatch.isEmpty else { return SVG.text("quiet", x: x, y: y + 12, item.text) + "\n" }
    var text = "<g class=\"swatch\">"
    var left = x
    for (index, style) in item.swatch.enumerated() {
      let share = item.isPair ? Double(index + 1) / 3 : 1 / Double(item.swatch.count)
      text += SVG.rectangle(
        style, x: left, y: y, width: Self.swatchWidth * share, height: Self.swatchHeight)
      left += Self.swatchWidth * share
    }
    if item.isPair {
      text += SVG.rectangle(
        "pair", x: x, y: y, width: Self.swatchWidth, height: Self.swatchHeight)
    }
    return text + "</g>"
      + SVG.text("", x: x + Self.swatchWidth + 6, y: y + 12, item.text) + "\n"
  }
}

extension SchedulePanel {
  /// What each shade means: the micro-batches of a direction, or the stages of a chunk.
  var shadeNames: [(shade: Int, text: String)] {
    guard chunks > 1 else { return [] }
    let numbers = Dictionary(grouping: 0..<chunks) {
      SchedulePalette.shade(ofChunk: $0, of: chunks)
    }
    return numbers.sorted { $0.key < $1.key }.map { shade, list in
      (
        shade,
        list.count == 1 ? name(ofChunk: list[0]) : "chunks \(list[0])–\(list[list.count - 1])"
      )
    }
  }

  private func name(ofChunk chunk: Int) -> String {
    let held = local.chunks.compactMap { chunk < $0.count ? $0[chunk] : nil }
    let stages = Set(held.map(\.stage))
    let first = stages.min() ?? 0
    let last = stages.max() ?? 0
    let range = first == last ? "stage \(first)" : "stages \(first)–\(last)"
    guard local.pipes.count > 1 else { return "chunk \(chunk): \(range)" }
    let pipes = Set(held.map(\.pipe))
    guard pipes.count == 1, let number = pipes.first else { return "chunk \(chunk)" }
    let pipe = local.pipes[number]
    let way =
      "micro-batches \(Self.list(pipe.microbatches)): "
      + "device \(pipe.ranks.first ?? 0) to \(pipe.ranks.last ?? 0)"
    // A direction of one chunk a rank has nothing more to tell.
    return stages.count == schedule.stages ? way : way + ", \(range)"
  }

  private static func list(_ numbers: [Int]) -> String {
    guard let first = numbers.first, let last = numbers.last, first < last else {
      return numbers.map { "\($0)" }.joined()
    }
    if last - first == numbers.count - 1 { return "\(first)–\(last)" }
    let shown = numbers.prefix(3).map { "\($0)" }.joined(separator: ", ")
    return numbers.count > 3 ? "\(shown), … \(last)" : shown
  }
}
