// The primitives of the workload file on the way in. Any bytes may come: whatever does not fit is
// an error that names the section and the byte.

/// Reads one part of a file from its start to its end.
struct ByteReader {
  /// The file, for messages.
  let source: String
  /// What the part holds, for messages.
  let section: String
  private let bytes: ArraySlice<UInt8>
  private var position: Int

  init(_ bytes: ArraySlice<UInt8>, source: String, section: String) {
    self.source = source
    self.section = section
    self.bytes = bytes
    position = bytes.startIndex
  }

  /// Bytes that are left.
  var remaining: Int { bytes.endIndex - position }

  /// An error about what was read last.
  func error(_ message: String) -> WorkloadError {
    WorkloadError(
      .badData, source: source, place: "\(section), byte \(position)", message: message)
  }

  mutating func byte() throws(WorkloadError) -> UInt8 {
    guard position < bytes.endIndex else { throw error("ends where more is needed") }
    defer { position += 1 }
    return bytes[position]
  }

  mutating func number() throws(WorkloadError) -> UInt64 {
    var value: UInt64 = 0
    for shift in stride(from: 0, to: 64, by: 7) {
      let byte = try byte()
      guard shift < 63 || byte <= 1 else { break }
      value |= UInt64(byte & 0x7F) << UInt64(shift)
      if byte < 0x80 { return value }
    }
    throw error("a number of more than 64 bits")
  }

  mutating func signed() throws(WorkloadError) -> Int {
    let word = try number()
    return Int(Int64(bitPattern: word >> 1) ^ -Int64(bitPattern: word & 1))
  }

  /// A number within `range`, called `name` in errors.
  mutating func number(
    _ name: String, in range: ClosedRange<Int>
  ) throws(WorkloadError) -> Int {
    let value = try number()
    guard let whole = Int(exactly: value), range.contains(whole) else {
      throw error("\(name) \(value) must be from \(range.lowerBound) to \(range.upperBound)")
    }
    return whole
  }

  /// A number of things to come, each of at least one byte.
  mutating func count(of name: String) throws(WorkloadError) -> Int {
    let count = try number()
    guard count <= UInt64(remaining) else {
      throw error("\(count) \(name) do not fit in the \(remaining) bytes that are left")
    }
    return Int(count)
  }

  mutating func fixed(width: Int) throws(WorkloadError) -> UInt64 {
    var value: UInt64 = 0
    for index in 0..<width { value |= UInt64(try byte()) << UInt64(8 * index) }
    return value
  }

  /// The value of an enumeration that is stored as its raw byte.
  mutating func choice<Choice: RawRepresentable<UInt8>>(
    _ name: String, _ type: Choice.Type
  ) throws(WorkloadError) -> Choice {
    let byte = try byte()
    guard let choice = Choice(rawValue: byte) else { throw error("unknown \(name) \(byte)") }
    return choice
  }

  mutating func text() throws(WorkloadError) -> String {
    let count = try count(of: "bytes of text")
    guard let text = String(validating: bytes[position..<position + count], as: UTF8.self) else {
      throw error("\(count) bytes that are not UTF-8")
    }
    position += count
    return text
  }

  /// A part that is led by its length.
  mutating func section(_ name: String) throws(WorkloadError) -> ByteReader {
    let count = try count(of: "bytes of the section '\(name)'")
    defer { position += count }
    return ByteReader(bytes[position..<position + count], source: source, section: name)
  }

  /// Throws unless everything was read.
  func finish() throws(WorkloadError) {
    guard remaining == 0 else { throw error("\(remaining) bytes too many") }
  }
}
