// A Swift file taken apart just far enough for the style rules: which characters are code, which
// are comments, and which are neither because they stand in a string.

/// Lines of a file in three views of the same shape. In `code` and `comments` everything else is
/// blank; the contents of strings are in neither, but code interpolated in a string is code.
struct SwiftSource {
  let path: String
  let lines: [String]
  let code: [String]
  let comments: [String]

  init(path: String, text: String) {
    var scanner = Scanner(bytes: Array(text.utf8))
    scanner.scan()
    self.path = path
    lines = SwiftSource.split(scanner.bytes)
    code = SwiftSource.split(scanner.code)
    comments = SwiftSource.split(scanner.comments)
  }

  private static func split(_ bytes: [UInt8]) -> [String] {
    var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    if lines.last?.isEmpty == true { lines.removeLast() }
    return lines.map { String(decoding: $0, as: UTF8.self) }
  }
}

private struct Scanner {
  private enum Mode {
    case code
    /// Code in `\( )` of a string; `depth` parentheses are open.
    case interpolation(depth: Int)
    /// `quotes` is 1 or 3, `hashes` the number signs of a raw string.
    case string(quotes: Int, hashes: Int)
    case lineComment
    case blockComment(depth: Int)
  }

  let bytes: [UInt8]
  var code: [UInt8]
  var comments: [UInt8]
  private var modes: [Mode] = [.code]
  private var place = 0

  init(bytes: [UInt8]) {
    self.bytes = bytes
    code = bytes.map { $0 == UInt8(ascii: "\n") ? $0 : UInt8(ascii: " ") }
    comments = code
  }

  mutating func scan() {
    while place < bytes.count {
      switch modes[modes.count - 1] {
      case .code: scanCode(depth: nil)
      case .interpolation(let depth): scanCode(depth: depth)
      case .string(let quotes, let hashes): scanString(quotes, hashes)
      case .lineComment:
        if bytes[place] == UInt8(ascii: "\n") { modes.removeLast() }
        keepComment(1)
      case .blockComment(let depth): scanBlockComment(depth)
      }
    }
  }

  private func starts(_ text: StaticString, at offset: Int = 0) -> Bool {
    let start = place + offset
    guard start + text.utf8CodeUnitCount <= bytes.count else { return false }
    return (0..<text.utf8CodeUnitCount).allSatisfy { bytes[start + $0] == text.utf8Start[$0] }
  }

  /// How often `byte` stands in a row from `offset` on.
  private func run(of byte: UInt8, at offset: Int = 0) -> Int {
    bytes[min(place + offset, bytes.count)...].prefix { $0 == byte }.count
  }

  private mutating func keepComment(_ count: Int) {
    for _ in 0..<count where place < bytes.count {
      comments[place] = bytes[place]
      place += 1
    }
  }

  private mutating func scanCode(depth: Int?) {
    if starts("//") { return modes.append(.lineComment) }
    if starts("/*") {
      modes.append(.blockComment(depth: 1))
      return keepComment(2)
    }
    let hashes = run(of: UInt8(ascii: "#"))
    let quotes = run(of: UInt8(ascii: "\""), at: hashes)
    if quotes > 0 {
      let opening = quotes >= 3 ? 3 : 1
      modes.append(.string(quotes: opening, hashes: hashes))
      place += hashes + opening
      return
    }
    code[place] = bytes[place]
    if let depth {
      let change = starts("(") ? 1 : starts(")") ? -1 : 0
      modes[modes.count - 1] = .interpolation(depth: depth + change)
      if depth + change == 0 { modes.removeLast() }
    }
    place += 1
  }

  private mutating func scanString(_ quotes: Int, _ hashes: Int) {
    if starts("\\"), run(of: UInt8(ascii: "#"), at: 1) >= hashes {
      if starts("(", at: 1 + hashes) { modes.append(.interpolation(depth: 1)) }
      place += 2 + hashes
    } else if run(of: UInt8(ascii: "\"")) >= quotes,
      run(of: UInt8(ascii: "#"), at: quotes) >= hashes
    {
      modes.removeLast()
      place += quotes + hashes
    } else {
      if quotes == 1 && starts("\n") { modes.removeLast() }
      place += 1
    }
  }

  private mutating func scanBlockComment(_ depth: Int) {
    if starts("*/") {
      if depth == 1 { modes.removeLast() } else { deepen(to: depth - 1) }
      keepComment(2)
    } else if starts("/*") {
      deepen(to: depth + 1)
      keepComment(2)
    } else {
      keepComment(1)
    }
  }

  private mutating func deepen(to depth: Int) {
    modes[modes.count - 1] = .blockComment(depth: depth)
  }
}
