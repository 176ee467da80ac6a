// Durations as people read them.

package import Units

extension VirtualDuration {
  /// With a unit that suits it and three digits or so: "1.23 ms", "340 µs", "0 s".
  package var brief: String {
    let units: [(name: String, size: Int64)] = [
      ("s", 1_000_000_000_000), ("ms", 1_000_000_000), ("µs", 1_000_000), ("ns", 1000), ("ps", 1),
    ]
    guard let (name, size) = units.first(where: { abs(picoseconds) >= $0.size }) else {
      return "0 s"
    }
    let value = Double(picoseconds) / Double(size)
    let decimals = abs(value) >= 100 ? 0 : abs(value) >= 10 ? 1 : 2
    return Self.decimal(value, decimals) + " " + name
  }

  /// Milliseconds in as few digits as tell the instant exactly: "12.5".
  var milliseconds: String {
    let (whole, rest) = (picoseconds / 1_000_000_000, picoseconds % 1_000_000_000)
    if rest == 0 { return "\(whole)" }
    var digits = String(rest)
    digits = String(repeating: "0", count: 9 - digits.count) + digits
    while digits.last == "0" { digits.removeLast() }
    return "\(whole).\(digits)"
  }

  /// `value` rounded to so many decimals, without needless zeros.
  private static func decimal(_ value: Double, _ decimals: Int) -> String {
    var scale = 1.0
    for _ in 0..<decimals { scale *= 10 }
    let text = "\((value * scale).rounded() / scale)"
    return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
  }
}

/// A share as a percentage with one decimal: "8.1 %".
func percentage(_ share: Double) -> String {
  let permille = Int((share * 1000).rounded())
  return "\(permille / 10).\(permille % 10) %"
}
