// A request as it came, and the strict reading of its path: whatever isn't plain is refused before
// anybody looks for a file.

/// One request's head.
struct WebRequest: Sendable {
  struct Field: Sendable, Equatable {
    var name: String
    var value: String?
  }

  var method: String
  /// With its percent signs, without the query.
  var rawPath: String
  /// The query's fields, with their percent signs.
  var arguments: [Field] = []
  var headers: [Field] = []

  /// Values of a header, whatever the case of its name.
  func header(_ name: String) -> [String] {
    headers.filter { $0.name.utf8.count == name.utf8.count && $0.name.lowercased() == name }
      .map { $0.value ?? "" }
  }

  /// Whether the client meant this machine by name. A page of another site that has its name
  /// resolve to 127.0.0.1 (DNS rebinding) sends that name here. Any port is right: it may come
  /// through a tunnel that has another.
  var isMeantForLoopback: Bool {
    let hosts = header("host")
    guard hosts.count == 1, let host = hosts.first?.lowercased() else { return false }
    return ["localhost", "127.0.0.1", "[::1]"].contains { name in
      guard host.hasPrefix(name) else { return false }
      let rest = host.dropFirst(name.count)
      guard !rest.isEmpty else { return true }
      let port = rest.dropFirst()
      return rest.first == ":" && (1...5).contains(port.utf8.count)
        && port.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }
  }

  /// The parts of the path between its slashes, decoded; nil unless the path begins with a slash
  /// and every part is valid UTF-8 without control characters, slashes, or dots alone.
  var path: [String]? {
    guard rawPath.utf8.first == UInt8(ascii: "/") else { return nil }
    var parts: [String] = []
    let raw = rawPath.utf8.dropFirst().split(
      separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    if raw.count == 1, raw[0].isEmpty { return [] }
    for part in raw {
      guard let decoded = Self.decoded(part), Self.isPlain(decoded) else { return nil }
      parts.append(decoded)
    }
    return parts
  }

  /// A query field that is a whole number in `range`; nil when it isn't there.
  /// - Throws: `WebRefusal` when it is something else, or there twice.
  func number(_ name: String, in range: ClosedRange<Int>) throws(WebRefusal) -> Int? {
    let values = arguments.filter { $0.name == name }.map { $0.value ?? "" }
    guard let text = values.first else { return nil }
    guard values.count == 1, let number = Int(text), range.contains(number) else {
      throw WebRefusal(
        400, "'\(name)' wants a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  private static func decoded(_ part: Substring.UTF8View) -> String? {
    var bytes: [UInt8] = []
    var rest = part
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "%") {
        guard let high = rest.popFirst().flatMap(hexDigit),
          let low = rest.popFirst().flatMap(hexDigit)
        else { return nil }
        bytes.append(high << 4 | low)
      } else {
        bytes.append(byte)
      }
    }
    return String(validating: bytes, as: UTF8.self)
  }

  private static func hexDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
  }

  private static func isPlain(_ part: String) -> Bool {
    !part.isEmpty && part != "." && part != ".."
      && part.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
      && !part.utf8.contains(UInt8(ascii: "/")) && !part.utf8.contains(UInt8(ascii: "\\"))
  }
}

/// A request that isn't answered, with the code and a sentence for the client.
struct WebRefusal: Error, Equatable {
  var status: Int
  var message: String

  init(_ status: Int, _ message: String) {
    self.status = status
    self.message = message
  }
}
