// Reads JSON a value at a time, for files of hundreds of thousands of flows: the caller asks for
// what the format says comes next, and errors name the line. Numbers are correctly rounded.

internal import Glibc

/// A place in a JSON text, and the steps over what stands there.
struct JSONScanner {
  /// Names the file in errors.
  let source: String
  private let bytes: [UInt8]
  private var offset = 0

  init(_ bytes: [UInt8], source: String) {
    self.source = source
    // A byte that no JSON text has ends it, so that a look ahead needs no check.
    self.bytes = bytes + [0]
  }

  /// An error at this place.
  func bad(_ message: String) -> FabricError {
    let line = 1 + bytes[..<min(offset, bytes.count - 1)].count { $0 == UInt8(ascii: "\n") }
    return FabricError(.badData, source: source, message: "line \(line): \(message)")
  }

  /// Reads an object: `member` gets each key and must read its value.
  mutating func object(
    of what: @autoclosure () -> String,
    _ member: (String, inout JSONScanner) throws(FabricError) -> Void
  ) throws(FabricError) {
    var keys: [String] = []
    try open("{", what(), "an object")
    while try next("}", isFirst: keys.isEmpty) {
      let key = try string("a key of \(what())")
      guard !keys.contains(key) else { throw bad("\(what()) has the key '\(key)' twice") }
      keys.append(key)
      guard skipBlanks() == UInt8(ascii: ":") else { throw bad("':' is missing after '\(key)'") }
      offset += 1
      try member(key, &self)
    }
  }

  /// Reads a list: `element` must read each of its values.
  mutating func list(
    of what: @autoclosure () -> String,
    _ element: (Int, inout JSONScanner) throws(FabricError) -> Void
  ) throws(FabricError) {
    var count = 0
    try open("[", what(), "a list")
    while try next("]", isFirst: count == 0) {
      try element(count, &self)
      count += 1
    }
  }

  /// A number as a double.
  mutating func number(_ what: @autoclosure () -> String) throws(FabricError) -> Double {
    let first = skipBlanks()
    let start = offset
    var end = offset
    // The usual number is short: its digits fit a double and so does the power of ten.
    var digits: UInt64 = 0
    var count = 0
    var scale = 0
    if first == UInt8(ascii: "-") { end += 1 }
    let whole = end
    while let digit = digit(at: end) {
      digits = digits &* 10 &+ digit
      count += 1
      end += 1
    }
    guard end > whole, end == whole + 1 || bytes[whole] != UInt8(ascii: "0") else {
      throw bad("\(what()) is \(shown()), must be a number")
    }
    if bytes[end] == UInt8(ascii: ".") {
      end += 1
      let fraction = end
      while let digit = digit(at: end) {
        digits = digits &* 10 &+ digit
        count += 1
        end += 1
      }
      scale = end - fraction
      guard scale > 0 else { throw bad("\(what()) is \(shown()), must be a number") }
    }
    let isPlain = bytes[end] | 0x20 != UInt8(ascii: "e")
    if !isPlain {
      end += 1
      if bytes[end] == UInt8(ascii: "-") || bytes[end] == UInt8(ascii: "+") { end += 1 }
      guard digit(at: end) != nil else { throw bad("\(what()) is \(shown()), must be a number") }
      while digit(at: end) != nil { end += 1 }
    }
    offset = end
    if isPlain, count <= 15, scale <= 15 {
      let value = Double(digits) / Self.powersOfTen[scale]
      return first == UInt8(ascii: "-") ? -value : value
    }
    let value = bytes.withUnsafeBytes { raw in
      raw.baseAddress.map { strtod($0.assumingMemoryBound(to: CChar.self) + start, nil) } ?? 0
    }
    guard value.isFinite else { throw bad("\(what()) is larger than any number here can be") }
    return value
  }

  /// A whole number.
  mutating func integer(_ what: @autoclosure () -> String) throws(FabricError) -> Int {
    _ = skipBlanks()
    let start = self
    let value = try number(what())
    guard let whole = Int(exactly: value) else {
      throw start.bad("\(what()) is \(start.shown()), must be a whole number")
    }
    return whole
  }

  mutating func string(_ what: @autoclosure () -> String) throws(FabricError) -> String {
    guard skipBlanks() == UInt8(ascii: "\"") else {
      throw bad("\(what()) is \(shown()), must be a string")
    }
    offset += 1
    let start = offset
    while bytes[offset] >= 0x20, bytes[offset] != UInt8(ascii: "\"") {
      offset += bytes[offset] == UInt8(ascii: "\\") && bytes[offset + 1] >= 0x20 ? 2 : 1
    }
    guard bytes[offset] == UInt8(ascii: "\"") else {
      throw bad("\(what()) is a string without its closing quote")
    }
    offset += 1
    return String(decoding: bytes[start..<offset - 1], as: UTF8.self)
  }

  /// Steps over a value of any kind.
  mutating func skip(_ what: @autoclosure () -> String, depth: Int = 0) throws(FabricError) {
    guard depth < 32 else { throw bad("\(what()) is nested deeper than 32 levels") }
    switch skipBlanks() {
    case UInt8(ascii: "{"):
      try object(of: what()) { (_, scanner) throws(FabricError) in
        try scanner.skip(what(), depth: depth + 1)
      }
    case UInt8(ascii: "["):
      try list(of: what()) { (_, scanner) throws(FabricError) in
        try scanner.skip(what(), depth: depth + 1)
      }
    case UInt8(ascii: "\""): _ = try string(what())
    default:
      for word in ["true", "false", "null"] where bytes[offset...].starts(with: word.utf8) {
        offset += word.utf8.count
        return
      }
      _ = try number(what())
    }
  }

  /// Nothing may follow.
  mutating func finish() throws(FabricError) {
    guard skipBlanks() == 0, offset == bytes.count - 1 else {
      throw bad("\(shown()) stands after the end of the JSON value")
    }
  }

  // MARK: - Steps

  private mutating func open(
    _ bracket: Unicode.Scalar, _ what: @autoclosure () -> String, _ kind: String
  )
    throws(FabricError)
  {
    guard skipBlanks() == UInt8(ascii: bracket) else {
      throw bad("\(what()) is \(shown()), must be \(kind)")
    }
    offset += 1
  }

  /// Whether a further element comes; steps over the comma or the closing bracket.
  private mutating func next(_ closing: Unicode.Scalar, isFirst: Bool) throws(FabricError) -> Bool {
    let byte = skipBlanks()
    if byte == UInt8(ascii: closing) {
      offset += 1
      return false
    }
    guard !isFirst else { return true }
    guard byte == UInt8(ascii: ",") else {
      throw bad("\(shown()) where ',' or '\(closing)' must be")
    }
    offset += 1
    guard skipBlanks() != UInt8(ascii: closing) else { throw bad("',' before '\(closing)'") }
    return true
  }

  /// The first byte that is no blank.
  @inline(__always) private mutating func skipBlanks() -> UInt8 {
    while bytes[offset] == 0x20 || (bytes[offset] >= 9 && bytes[offset] <= 13) { offset += 1 }
    return bytes[offset]
  }

  @inline(__always) private func digit(at offset: Int) -> UInt64? {
    let value = bytes[offset] &- UInt8(ascii: "0")
    return value < 10 ? UInt64(value) : nil
  }

  /// What stands here, as a message shows it.
  func shown() -> String {
    if offset >= bytes.count - 1 { return "the end of the file" }
    let stop = [UInt8](",]}:\n".utf8)
    let text = bytes[offset..<bytes.count - 1].prefix(40).prefix { !stop.contains($0) }
    let printable = text.isEmpty ? bytes[offset...offset] : text
    return "'" + String(decoding: printable.map { max($0, 0x20) }, as: UTF8.self) + "'"
  }

  private static let powersOfTen: [Double] = (0...15).map { pow(10, Double($0)) }
}
