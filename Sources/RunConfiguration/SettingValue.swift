// A configuration value on its way out: as YAML that reads back to the same value, and as JSON.

/// The value of a key, ready to be written.
package enum SettingValue: Equatable, Sendable {
  case integer(Int)
  case unsigned(UInt64)
  case number(Double)
  case text(String)
  case boolean(Bool)
  /// A word of the configuration language, such as `report`, or a number with its unit.
  case word(String)
  /// The word for "not given here", such as `default`; JSON's null.
  case absent(String)
  case list([SettingValue])

  /// The value in YAML, on one line.
  package var yaml: String {
    switch self {
    case .integer(let value): String(value)
    case .unsigned(let value): String(value)
    case .number(let value): written(value)
    case .boolean(let value): String(value)
    case .text(let value): quotedIfNeeded(value)
    case .word(let value), .absent(let value): value
    case .list(let values): "[" + values.map(\.yaml).joined(separator: ", ") + "]"
    }
  }

  /// The value in JSON.
  package var json: String {
    switch self {
    case .text(let value), .word(let value): doubleQuoted(value)
    case .absent: "null"
    case .list(let values): "[" + values.map(\.json).joined(separator: ", ") + "]"
    default: yaml
    }
  }
}

/// Shortest digits that read back to the same number; with a point, which YAML 1.1 readers want
/// before an exponent.
private func written(_ value: Double) -> String {
  let text = value.description
  guard let exponent = text.firstIndex(of: "e"), !text.contains(".") else { return text }
  return text[..<exponent] + ".0" + text[exponent...]
}

/// Words that some reader of YAML takes for something else than text.
private let reservedWords: Set<String> = [
  "true", "false", "yes", "no", "on", "off", "y", "n", "null", "default", "none", "balanced",
]

private func quotedIfNeeded(_ text: String) -> String {
  let isSafe = text.utf8.allSatisfy { byte in
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."),
      UInt8(ascii: "/"), UInt8(ascii: "-"):
      true
    default: false
    }
  }
  let hasLetter = text.contains { $0.isLetter || $0 == "/" }
  let startsWell = text.first.map { $0 != "-" && $0 != "." || text.hasPrefix("./") } ?? false
  let startsLikeNumber = text.first?.isNumber == true && Double(text) != nil
  let reserved = reservedWords.contains(text.lowercased())
  let isPlain = isSafe && hasLetter && startsWell && !startsLikeNumber && !reserved
  return isPlain ? text : doubleQuoted(text)
}

/// A string that is the same in JSON and in YAML's double quotes.
private func doubleQuoted(_ text: String) -> String {
  var result = "\""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "\"": result += "\\\""
    case "\\": result += "\\\\"
    case "\n": result += "\\n"
    case "\t": result += "\\t"
    case "\r": result += "\\r"
    case _ where scalar.value < 0x20 || mustEscape.contains(scalar):
      result += escaped(scalar.value)
    default: result.unicodeScalars.append(scalar)
    }
  }
  return result + "\""
}

/// Characters that YAML forbids or folds when they stand bare: DEL, C1 with NEL, the line and
/// paragraph separators, the byte order mark and the last two of the plane.
private let mustEscape: Set<Unicode.Scalar> = Set(
  ([0x7F, 0x2028, 0x2029, 0xFEFF, 0xFFFE, 0xFFFF] + Array(0x80...0x9F))
    .compactMap { Unicode.Scalar(UInt32($0)) })

private func escaped(_ value: UInt32) -> String {
  let digits = String(value, radix: 16)
  return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
}
