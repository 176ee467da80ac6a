// How the actions of a picture look. Colours are those of the DeepSeek-V3 report's figure 5; bars
// tell the same without colour: an input gradient has one on top, a weight gradient one at the
// bottom, a full backward, which is both, has both. A shade is a rank's chunk or a direction.

/// What a rectangle of the picture stands for.
package enum ActionKind: Int, CaseIterable {
  case forward, backward, input, weight

  /// Letter of its style classes: `f0` is a forward in the first shade.
  var letter: Character {
    switch self {
    case .forward: "f"
    case .backward: "b"
    case .input: "i"
    case .weight: "w"
    }
  }

  /// As the legend calls it, after the report.
  var name: String {
    switch self {
    case .forward: "forward (F)"
    case .backward: "backward (B), both halves at once"
    case .input: "backward for input (I)"
    case .weight: "backward for weights (W)"
    }
  }
}

/// Style sheet of the pictures.
package enum SchedulePalette {
  /// Shades of a kind: more chunks than that share them in order.
  static let shades = 4

  /// Shade of chunk `chunk` of `count`: the first is the lightest, the last the darkest.
  static func shade(ofChunk chunk: Int, of count: Int) -> Int {
    count > 1 ? min(chunk, count - 1) * (shades - 1) / (count - 1) : 0
  }

  /// Lightest and darkest fill and the bars, as 0xRRGGBB.
  private static func colours(_ kind: ActionKind) -> (light: Int, dark: Int, bar: Int) {
    switch kind {
    case .forward: (0xFFD98A, 0xF0A040, 0)
    case .backward: (0xC5E0B0, 0x86BC66, 0x3F7A22)
    case .input: (0xB5E3E1, 0x66BDB9, 0x14716D)
    case .weight: (0xBCD6F2, 0x74A8DE, 0x1F5693)
    }
  }

  /// Rules of a page that have nothing to do with actions: text, background, grid.
  package static let pageRules = """
    svg{font-family:Helvetica,Arial,"DejaVu Sans",sans-serif;font-size:12px}
    text{fill:#1a1a1a;pointer-events:none}
    .page{fill:#fff}
    .idle{fill:#e9e9ec}
    .grid{stroke:#cfcfd6;stroke-width:1}
    .head{font-size:15px;font-weight:bold}
    .quiet{fill:#555}
    .end{text-anchor:end}
    .mid{text-anchor:middle}
    """

  /// A kind's darkest fill, for pictures without shades.
  package static func fill(_ kind: ActionKind) -> String { hex(colours(kind).dark) }

  /// The `<defs>` and `<style>` of a picture with these kinds and shades.
  ///
  /// - Parameters:
  ///   - outline: pixels of the line between neighbours, and of a pair's frame.
  static func styles(
    kinds: Set<ActionKind>, shades: Set<Int>, outline: Double, frame: Double
  ) -> String {
    var gradients = ""
    var rules = ""
    for kind in ActionKind.allCases where kinds.contains(kind) {
      let (light, dark, bar) = colours(kind)
      for shade in shades.sorted() {
        let name = "\(kind.letter)\(shade)"
        let fill = hex(mixed(light, dark, shade, Self.shades - 1))
        if kind == .forward {
          rules += ".\(name){fill:\(fill)}\n"
        } else {
          gradients += gradient(name, kind, fill: fill, bar: hex(bar))
          rules += ".\(name){fill:url(#\(name))}\n"
        }
      }
    }
    return """
      <defs>
      \(gradients)</defs>
      <style>
      \(pageRules)
      .cells rect,.cells path,.swatch rect{stroke:#fff;stroke-width:\(SVG.number(outline))}
      .cells .pair,.swatch .pair{fill:none;stroke:#111;stroke-width:\(SVG.number(frame));\
      pointer-events:none}
      \(rules)</style>
      """
  }

  /// Hard stops: a bar on top, at the bottom, or both.
  private static func gradient(
    _ name: String, _ kind: ActionKind, fill: String, bar: String
  ) -> String {
    let size = kind == .backward ? 0.14 : 0.2
    var stops: [(at: Double, colour: String)] = []
    if kind != .weight { stops += [(0, bar), (size, bar)] }
    if kind != .weight { stops.append((size, fill)) }
    if kind != .input { stops += [(1 - size, fill), (1 - size, bar)] }
    let list = stops.map { "<stop offset=\"\(SVG.number($0.at))\" stop-color=\"\($0.colour)\"/>" }
    return "<linearGradient id=\"\(name)\" x2=\"0\" y2=\"1\">\(list.joined())</linearGradient>\n"
  }

  private static func mixed(_ light: Int, _ dark: Int, _ part: Int, _ whole: Int) -> Int {
    [16, 8, 0].reduce(0) { colour, shift in
      let (from, to) = ((light >> shift) & 0xFF, (dark >> shift) & 0xFF)
      return colour | (from + (to - from) * part / whole) << shift
    }
  }

  private static func hex(_ colour: Int) -> String {
    let digits = String(colour, radix: 16)
    return "#" + String(repeating: "0", count: 6 - digits.count) + digits
  }
}
