// JSON as a value, so that an error can name the key and print what stands there. Parsing and
// printing are FoundationEssentials'; keys that stand twice, which it drops silently, are counted
// here.

internal import FoundationEssentials

/// Any JSON value. Numbers that fit `Int` are integers, also when written `40.0`.
package enum JSONValue: Equatable, Sendable {
  case null
  case bool(Bool)
  case integer(Int)
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([String: JSONValue])

  /// What keeps a text from being JSON.
  package struct Malformed: Error, Equatable, Sendable {
    package var reason: String
  }

  /// Parses one UTF-8 JSON document.
  ///
  /// Throws `Malformed` when it is not JSON, nested deeper than 32 levels, or has an object
  /// with a key twice.
  package init(parsing bytes: [UInt8]) throws(Malformed) {
    self = try JSONValue.decode(JSONValue.self, from: bytes)
    let keys = JSONValue.keyCount(of: bytes)
    guard keys == keyCount else {
      throw Malformed(reason: "an object has the same key twice")
    }
  }

  /// Decodes `Value` from a UTF-8 JSON document, with errors in plain words.
  package static func decode<Value: Decodable>(
    _ type: Value.Type, from bytes: [UInt8]
  ) throws(Malformed) -> Value {
    // The parser takes a zero byte for UTF-16 or UTF-32, which neither format allows.
    guard !bytes.contains(0) else { throw Malformed(reason: "not JSON: it has a zero byte") }
    // Deep nesting is not what a model's files have, and the parser's errors grow with it.
    guard structure(of: bytes).depth <= deepest else {
      throw Malformed(reason: "nested deeper than \(deepest) levels")
    }
    do {
      return try JSONDecoder().decode(type, from: Data(bytes))
    } catch let error as DecodingError {
      throw Malformed(reason: reason(of: error))
    } catch {
      throw Malformed(reason: "not JSON")
    }
  }

  private static func reason(of error: DecodingError) -> String {
    func at(_ context: DecodingError.Context) -> String {
      let path = context.codingPath.map(\.stringValue).joined(separator: ".")
      return path.isEmpty ? "" : " at \(path)"
    }
    return switch error {
    case .dataCorrupted(let context): "not JSON\(at(context)) (\(context.debugDescription))"
    case .keyNotFound(let key, let context): "no key '\(key.stringValue)'\(at(context))"
    case .typeMismatch(_, let context), .valueNotFound(_, let context):
      "a value of another type than expected\(at(context))"
    @unknown default: "not the JSON expected"
    }
  }

  private static let deepest = 32

  /// Keys of all objects of a valid document, repeated ones counted as often as they stand.
  package static func keyCount(of bytes: [UInt8]) -> Int { structure(of: bytes).keys }

  /// The colons outside strings, and how deep braces and brackets nest.
  private static func structure(of bytes: [UInt8]) -> (keys: Int, depth: Int) {
    var keys = 0
    var open = 0
    var depth = 0
    var insideString = false
    var escaped = false
    for byte in bytes {
      if escaped {
        escaped = false
      } else if insideString {
        if byte == UInt8(ascii: "\\") { escaped = true }
        if byte == UInt8(ascii: "\"") { insideString = false }
      } else {
        switch byte {
        case UInt8(ascii: "\""): insideString = true
        case UInt8(ascii: ":"): keys += 1
        case UInt8(ascii: "{"), UInt8(ascii: "["):
          open += 1
          depth = max(depth, open)
        case UInt8(ascii: "}"), UInt8(ascii: "]"): open -= 1
        default: break
        }
      }
    }
    return (keys, depth)
  }

  private var keyCount: Int {
    switch self {
    case .null, .bool, .integer, .number, .string: 0
    case .array(let values): values.reduce(0) { $0 + $1.keyCount }
    case .object(let members): members.values.reduce(members.count) { $0 + $1.keyCount }
    }
  }

  /// The value as JSON text with sorted keys, indented by two spaces, ending in a newline.
  package func text() -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    guard let data = try? encoder.encode(self) else {
      preconditionFailure("JSON has no infinite or undefined number, and this value has one")
    }
    return Array(data) + [UInt8(ascii: "\n")]
  }

  /// The value as JSON text with sorted keys on one line, without its end.
  package func line() -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    guard let data = try? encoder.encode(self) else {
      preconditionFailure("JSON has no infinite or undefined number, and this value has one")
    }
    return Array(data)
  }
}

extension JSONValue: Codable {
  package init(from decoder: any Decoder) throws {
    // Scalars first: they are the most, and each wrong guess costs a thrown error.
    if let value = try? decoder.singleValueContainer(), let scalar = JSONValue(scalar: value) {
      self = scalar
    } else if let members = try? decoder.container(keyedBy: AnyKey.self) {
      var object: [String: JSONValue] = [:]
      for key in members.allKeys {
        object[key.stringValue] = try members.decode(JSONValue.self, forKey: key)
      }
      self = .object(object)
    } else {
      var elements = try decoder.unkeyedContainer()
      var array: [JSONValue] = []
      while !elements.isAtEnd { array.append(try elements.decode(JSONValue.self)) }
      self = .array(array)
    }
  }

  private init?(scalar: any SingleValueDecodingContainer) {
    if scalar.decodeNil() {
      self = .null
    } else if let integer = try? scalar.decode(Int.self) {
      self = .integer(integer)
    } else if let string = try? scalar.decode(String.self) {
      self = .string(string)
    } else if let bool = try? scalar.decode(Bool.self) {
      self = .bool(bool)
    } else if let number = try? scalar.decode(Double.self) {
      self = .number(number)
    } else {
      return nil
    }
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .null: try container.encodeNil()
    case .bool(let value): try container.encode(value)
    case .integer(let value): try container.encode(value)
    case .number(let value): try container.encode(value)
    case .string(let value): try container.encode(value)
    case .array(let value): try container.encode(value)
    case .object(let value): try container.encode(value)
    }
  }

  private struct AnyKey: CodingKey {
    var stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }
}

extension JSONValue: CustomStringConvertible {
  /// The value as a message shows it: scalars in full, the rest by kind.
  package var description: String {
    switch self {
    case .null: "null"
    case .bool(let value): "\(value)"
    case .integer(let value): "\(value)"
    case .number(let value): "\(value)"
    case .string(let value): "\"\(value)\""
    case .array(let value): "a list of \(value.count)"
    case .object(let value): "an object of \(value.count)"
    }
  }
}
