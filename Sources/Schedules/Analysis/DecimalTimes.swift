// Durations as people and programs write them, 2 or 0.25 or 1.5e-3, turned into whole numbers of a
// common unit so that the analysis stays exact, and back.

/// A non-negative decimal number, digits × 10^−decimals.
package struct DecimalTime: Hashable, Sendable {
  package let digits: Int
  /// Digits behind the point; 0 when the last would be a zero.
  package let decimals: Int

  package init(digits: Int, decimals: Int) {
    var (digits, decimals) = (digits, decimals)
    while decimals > 0, digits.isMultiple(of: 10) {
      digits /= 10
      decimals -= 1
    }
    self.digits = digits
    self.decimals = decimals
  }

  /// Digits that are read; those behind them count as zeros.
  static let mostDigits = 17

  /// Reads `2`, `0.25`, `.5` or `1.5e-3`; nil for anything else, or beyond what fits.
  package init?(_ text: String) {
    let halves = text.split(omittingEmptySubsequences: false) { $0 == "e" || $0 == "E" }
    guard halves.count <= 2, let exponent = halves.count == 2 ? Int(halves[1]) : 0,
      abs(exponent) <= 30
    else { return nil }
    let parts = halves[0].split(separator: ".", omittingEmptySubsequences: false)
    let all = parts.joined().drop { $0 == "0" }
    guard parts.count <= 2, parts.contains(where: { !$0.isEmpty }),
      all.utf8.allSatisfy({ (0x30...0x39).contains($0) })
    else { return nil }
    let kept = all.prefix(Self.mostDigits)
    guard var digits = kept.isEmpty ? 0 : Int(kept) else { return nil }
    var decimals = (parts.count == 2 ? parts[1].count : 0) - exponent - (all.count - kept.count)
    while decimals < 0, digits > 0 {
      let (product, overflow) = digits.multipliedReportingOverflow(by: 10)
      guard !overflow else { return nil }
      (digits, decimals) = (product, decimals + 1)
    }
    self.init(digits: digits, decimals: max(decimals, 0))
  }
}

extension DecimalTime: CustomStringConvertible {
  /// The number without needless zeros: `2`, `0.25`.
  package var description: String {
    guard decimals > 0 else { return "\(digits)" }
    let text = String(digits)
    let padded = String(repeating: "0", count: max(0, decimals + 1 - text.count)) + text
    return padded.dropLast(decimals) + "." + padded.suffix(decimals)
  }
}

/// A unit of 10^−decimals in which times are whole.
package struct TimeScale: Hashable, Sendable {
  package let decimals: Int

  /// The coarsest unit in which all times are whole; where they would be above
  /// `ChunkTimes.range`, the finest in which they are not, and they are rounded to it. Nil when
  /// whole numbers are too large already.
  package init?(for times: [DecimalTime]) {
    var decimals = times.map(\.decimals).max() ?? 0
    while !times.allSatisfy({ Self.fits($0, decimals) }) {
      guard decimals > 0 else { return nil }
      decimals -= 1
    }
    self.decimals = decimals
  }

  /// `time` in this unit, rounded half up.
  package func units(_ time: DecimalTime) -> Int {
    guard let units = Self.units(time, decimals) else {
      preconditionFailure("the scale was made for larger times")
    }
    return units
  }

  /// `units` as a number of ones, with as many digits as it takes.
  package func text(_ units: Int) -> String {
    DecimalTime(digits: units, decimals: decimals).description
  }

  private static func fits(_ time: DecimalTime, _ decimals: Int) -> Bool {
    units(time, decimals).map(ChunkTimes.range.contains) ?? false
  }

  private static func units(_ time: DecimalTime, _ decimals: Int) -> Int? {
    var value = time.digits
    if decimals < time.decimals {
      for _ in decimals..<(time.decimals - 1) { value /= 10 }
      return (value + 5) / 10
    }
    for _ in time.decimals..<decimals {
      let (product, overflow) = value.multipliedReportingOverflow(by: 10)
      guard !overflow else { return nil }
      value = product
    }
    return value
  }
}
