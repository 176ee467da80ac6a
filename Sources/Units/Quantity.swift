// Quantities as people write them: a decimal number and a unit, such as `400 Gbps` or `2.8 us`.
// What is written reads back to the same value, bit for bit.

/// A unit. It is 10^`decimalExponent` × 2^`binaryExponent` base units, so that scaling is exact.
package struct QuantityUnit: Hashable, Sendable {
  package var name: String
  /// Other spellings that are read.
  package var aliases: [String] = []
  package var decimalExponent = 0
  /// −3 for bits where bytes are the base, 30 for GiB.
  package var binaryExponent = 0

  /// `number` such units in base units, rounded once; infinite when beyond a Double.
  /// - Parameter number: decimal digits, perhaps with a point, and a power of ten.
  func value(of number: (digits: Substring, exponent: Int)) -> Double? {
    Double("\(number.digits)e\(number.exponent + decimalExponent)").map {
      Double(sign: .plus, exponent: binaryExponent, significand: $0)
    }
  }
}

/// A type whose values are written as a number with a unit.
package protocol Quantity: Comparable, Sendable {
  /// What it is, with an example: "a bandwidth such as 400 Gbps".
  static var wanted: String { get }
  /// All units; among them the base unit, of which one is `baseUnits` 1. Those without a power of
  /// two are written, and stand in ascending order.
  static var units: [QuantityUnit] { get }
  /// What can be read, in base units.
  static var limits: ClosedRange<Double> { get }

  /// The nearest value of this type to so many base units, which are within `limits`.
  init(baseUnits: Double)
  var baseUnits: Double { get }
}

extension Quantity {
  /// Reads a number and a unit, with or without a blank between: `400 Gbps`, `2.8us`, `1e3 B`.
  /// Units are case-sensitive, as `Gb/s` is an eighth of `GB/s`.
  /// - Throws: `QuantityError` saying what is wrong and which units there are.
  package init(parsing text: String) throws(QuantityError) {
    func error(_ kind: QuantityError.Kind) -> QuantityError {
      QuantityError(
        kind: kind, text: text, wanted: Self.wanted, units: Self.units.map(\.name))
    }
    var rest = text.trimmingBlanks
    let isNegative = rest.first == "-" || rest.first == "−"
    if isNegative { rest = rest.dropFirst() }
    guard let number = rest.takeNumber() else { throw error(.malformed) }
    let name = rest.trimmingBlanks
    if name.isEmpty { throw error(.noUnit) }
    guard name.first?.isLetter == true else { throw error(.malformed) }
    guard
      let unit = Self.units.first(where: {
        $0.name == name || $0.aliases.contains(String(name))
      })
    else { throw error(.unknownUnit(String(name))) }
    guard let value = unit.value(of: number) else { throw error(.malformed) }
    if isNegative { throw error(.negative) }
    guard value <= Self.limits.upperBound else { throw error(.tooLarge) }
    guard value >= Self.limits.lowerBound else { throw error(value == 0 ? .zero : .tooSmall) }
    self.init(baseUnits: value)
  }

  /// The value with the largest unit of which it is at least one: `50 GB/s`. Reads back to the
  /// same value.
  package var text: String {
    let written = Self.units.filter { $0.binaryExponent == 0 }
    let one: (digits: Substring, exponent: Int) = ("1", 0)
    for unit in written.reversed() {
      guard let size = unit.value(of: one), size <= baseUnits else { continue }
      let text = shortest(baseUnits / size) + " " + unit.name
      if let read = try? Self(parsing: text), read == self { return text }
    }
    let base = written.first { $0.decimalExponent == 0 }?.name ?? ""
    return shortest(baseUnits) + " " + base
  }
}

/// The fewest digits that read back to `value`, without an empty fraction.
private func shortest(_ value: Double) -> String {
  let text = value.description
  return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
}

extension StringProtocol where SubSequence == Substring {
  /// Without blanks and tabs at both ends.
  fileprivate var trimmingBlanks: Substring {
    var result = self[...]
    while result.first == " " || result.first == "\t" { result.removeFirst() }
    while result.last == " " || result.last == "\t" { result.removeLast() }
    return result
  }
}

extension Substring {
  /// Takes a decimal number off the front: digits with perhaps a point among them, and perhaps an
  /// exponent. An `E` that no digit follows is the beginning of a unit.
  fileprivate mutating func takeNumber() -> (digits: Substring, exponent: Int)? {
    let whole = prefix(while: \.isDigit)
    var end = whole.endIndex
    if end < endIndex, self[end] == "." {
      let fraction = self[index(after: end)...].prefix(while: \.isDigit)
      if fraction.isEmpty { return nil }
      end = fraction.endIndex
    }
    let digits = self[startIndex..<end]
    guard !digits.isEmpty else { return nil }
    self = self[end...]
    guard first == "e" || first == "E" else { return (digits, 0) }
    let behind = dropFirst()
    let sign = behind.prefix { $0 == "+" || $0 == "-" }
    let power = behind[sign.endIndex...].prefix(while: \.isDigit)
    guard sign.count <= 1, !power.isEmpty else { return (digits, 0) }
    self = self[power.endIndex...]
    // Beyond any Double, and far from overflowing where powers are added.
    let magnitude = Swift.min(Int(power) ?? .max, 100_000)
    return (digits, sign == "-" ? -magnitude : magnitude)
  }
}

extension Character {
  /// A decimal digit of ASCII.
  fileprivate var isDigit: Bool { self >= "0" && self <= "9" && isASCII }
}
