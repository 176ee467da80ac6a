// A line of the terminal as text with styles, so that what is shown can be checked without a
// terminal, cut to its width, and written with colours or without.

/// How a piece of text looks; without colours all look the same.
package enum TextStyle: Equatable, Sendable {
  case plain, bold, quiet, good, warning, bad, accent, inverse
  /// From 0, cold, to `TextStyle.hottest`.
  case heat(Int)

  /// Blue, green, yellow and red of the 256 colours that terminals have.
  private static let heatColours = [27, 33, 37, 35, 70, 148, 220, 208, 196]
  package static let hottest = heatColours.count - 1

  /// The parameters of the escape sequence that selects it.
  fileprivate var parameters: String {
    switch self {
    case .plain: "0"
    case .bold: "1"
    case .quiet: "2"
    case .good: "32"
    case .warning: "33"
    case .bad: "1;31"
    case .accent: "36"
    case .inverse: "7"
    case .heat(let level):
      "38;5;\(Self.heatColours[min(max(level, 0), Self.hottest)])"
    }
  }
}

package struct TextLine: Equatable, Sendable {
  struct Piece: Equatable, Sendable {
    var text: String
    var style: TextStyle
  }

  private(set) var pieces: [Piece] = []
  /// Columns that it takes.
  package private(set) var width = 0

  package init() {}

  package init(_ text: String, _ style: TextStyle = .plain) { add(text, style) }

  /// Adds text on the right; control characters become blanks.
  package mutating func add(_ text: String, _ style: TextStyle = .plain) {
    guard !text.isEmpty else { return }
    let clean = String(text.map { Self.isControl($0) ? " " : $0 })
    width += clean.reduce(0) { $0 + Self.columns(of: $1) }
    if pieces.last?.style == style {
      pieces[pieces.count - 1].text += clean
    } else {
      pieces.append(Piece(text: clean, style: style))
    }
  }

  package mutating func add(_ line: TextLine) {
    for piece in line.pieces { add(piece.text, piece.style) }
  }

  /// Adds blanks up to a column.
  package mutating func pad(to column: Int) {
    add(String(repeating: " ", count: max(0, column - width)))
  }

  /// The line in `columns` columns at most, with an ellipsis where it was cut.
  package func cut(to columns: Int) -> TextLine {
    guard width > columns else { return self }
    var line = TextLine()
    var left = columns - 1
    guard left >= 0 else { return line }
    for piece in pieces {
      var text = ""
      for character in piece.text {
        let needed = Self.columns(of: character)
        guard needed <= left else {
          line.add(text, piece.style)
          line.add("…", piece.style)
          return line
        }
        text.append(character)
        left -= needed
      }
      line.add(text, piece.style)
    }
    return line
  }

  /// Without styles.
  package var plain: String { pieces.reduce("") { $0 + $1.text } }

  /// With the escape sequences of a terminal; ends in the plain style.
  package var coloured: String {
    pieces.reduce("") { text, piece in
      piece.style == .plain
        ? text + piece.text : text + "\u{1B}[\(piece.style.parameters)m\(piece.text)\u{1B}[0m"
    }
  }

  private static func isControl(_ character: Character) -> Bool {
    character.unicodeScalars.contains {
      $0.properties.generalCategory == .control || $0.properties.generalCategory == .format
    }
  }

  /// Two for the wide characters of East Asia and for pictures.
  private static func columns(of character: Character) -> Int {
    guard let first = character.unicodeScalars.first?.value, first >= 0x1100 else { return 1 }
    let wide: [ClosedRange<UInt32>] = [
      0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F,
      0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1FAFF, 0x20000...0x3FFFD,
    ]
    return wide.contains { $0.contains(first) } ? 2 : 1
  }

  /// `text` in lines of so many columns, broken between words where there are any.
  package static func wrapped(_ text: String, columns: Int, _ style: TextStyle = .plain)
    -> [TextLine]
  {
    let columns = max(columns, 1)
    var lines: [TextLine] = []
    var line = TextLine()
    for word in text.split(separator: " ") {
      var rest = TextLine(String(word), style)
      if line.width > 0, line.width + 1 + rest.width > columns {
        lines.append(line)
        line = TextLine()
      }
      if line.width > 0 { line.add(" ", style) }
      // A word that is longer than a line.
      while line.width + rest.width > columns {
        let head = String(rest.plain.prefix(max(1, columns - line.width)))
        line.add(head, style)
        lines.append(line)
        line = TextLine()
        rest = TextLine(String(rest.plain.dropFirst(head.count)), style)
      }
      line.add(rest)
    }
    return line.width > 0 || lines.isEmpty ? lines + [line] : lines
  }

  /// Columns of lines next to each other, each column as wide as said, as many lines as the
  /// longest has.
  package static func beside(_ columns: [(width: Int, lines: [TextLine])], gap: Int = 2)
    -> [TextLine]
  {
    let count = columns.map(\.lines.count).max() ?? 0
    return (0..<count).map { row in
      var line = TextLine()
      var end = 0
      for (width, lines) in columns {
        line.pad(to: end)
        if row < lines.count { line.add(lines[row].cut(to: width)) }
        end += width + gap
      }
      return line
    }
  }
}
