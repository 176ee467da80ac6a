// Numbers as JSON has them, and replies put together from bytes that are JSON already.

internal import JSON

enum JSONParts {
  /// null for what JSON can't say.
  static func value(_ number: Double?) -> JSONValue {
    guard let number, number.isFinite else { return .null }
    return abs(number) < 9e15 && number == number.rounded()
      ? .integer(Int(number)) : .number(number)
  }

  static func value(_ number: Int?) -> JSONValue { number.map { .integer($0) } ?? .null }

  static func value(_ text: String?) -> JSONValue { text.map { .string($0) } ?? .null }

  /// `[1,2.5,null]`.
  static func append(_ numbers: ArraySlice<Double>, every stride: Int, to bytes: inout [UInt8]) {
    bytes.append(UInt8(ascii: "["))
    var isFirst = true
    for place in rows(numbers.indices, every: stride) {
      if !isFirst { bytes.append(UInt8(ascii: ",")) }
      isFirst = false
      bytes += text(numbers[place]).utf8
    }
    bytes.append(UInt8(ascii: "]"))
  }

  /// Every so many of the rows, counted from the last, which is always one of them.
  static func rows(_ rows: Range<Int>, every stride: Int) -> [Int] {
    guard let last = rows.last else { return [] }
    let first = rows.lowerBound + (last - rows.lowerBound) % stride
    return Array(Swift.stride(from: first, through: last, by: stride))
  }

  static func text(_ number: Double) -> String {
    guard number.isFinite else { return "null" }
    return abs(number) < 9e15 && number == number.rounded() ? "\(Int(number))" : "\(number)"
  }

  /// Whether bytes look like one whole object: a file that is being written isn't.
  static func isWholeObject(_ bytes: [UInt8]) -> Bool {
    var (depth, isString, isEscaped, isOver) = (0, false, false, false)
    for byte in bytes {
      if isOver {
        if byte > 0x20 { return false }
      } else if isString {
        if isEscaped {
          isEscaped = false
        } else if byte == UInt8(ascii: "\\") {
          isEscaped = true
        } else if byte == UInt8(ascii: "\"") {
          isString = false
        }
      } else {
        switch byte {
        case UInt8(ascii: "\""): isString = true
        case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
        case UInt8(ascii: "}"), UInt8(ascii: "]"):
          depth -= 1
          if depth == 0 { isOver = true }
        default: break
        }
        if depth == 0 && !isOver && byte > 0x20 { return false }
      }
    }
    return isOver
  }
}
