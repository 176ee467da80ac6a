// The room's only error: a text that should be a quantity with a unit and is not.

/// Why a text is not the quantity that was wanted.
package struct QuantityError: Error, Equatable, Sendable {
  package enum Kind: Equatable, Sendable {
    /// Not a decimal number with a unit behind it.
    case malformed
    /// A number alone.
    case noUnit
    case unknownUnit(String)
    case negative
    case zero
    /// Less than the type can hold.
    case tooSmall
    /// More than the type can hold.
    case tooLarge
  }

  package var kind: Kind
  /// The text as given.
  package var text: String
  /// What was wanted, such as "a bandwidth such as 400 Gbps".
  package var wanted: String
  /// The units that there are, smallest first.
  package var units: [String]
}

extension QuantityError: CustomStringConvertible {
  /// What is wrong with the text, and what would be right.
  package var reason: String {
    let list = units.joined(separator: ", ")
    return switch kind {
    case .malformed: "write a number and a unit: \(list)"
    case .noUnit: "a unit is missing: \(list)"
    case .unknownUnit(let unit): "there is no unit '\(unit)'; units are \(list)"
    case .negative: "it cannot be negative"
    case .zero: "it must be more than zero"
    case .tooSmall: "it is too small"
    case .tooLarge: "it is too large"
    }
  }

  package var description: String { "expected \(wanted), got '\(text)'; \(reason)" }
}
