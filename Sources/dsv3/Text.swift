// Text for people: numbers with a fixed count of digits, columns, arguments that may hold anything.

import Glibc

/// `value` with `digits` decimals.
func fixed(_ value: Double, _ digits: Int) -> String {
  var bytes = [CChar](repeating: 0, count: 400)
  let count = withVaList([Int32(digits), value]) { vsnprintf(&bytes, bytes.count, "%.*f", $0) }
  return String(
    decoding: bytes.prefix(max(0, Int(count))).map(UInt8.init(bitPattern:)), as: UTF8.self)
}

/// A large count with three significant digits: 671 B, 37.6 B, 0.985 M.
func rounded(_ count: Int) -> String {
  for (unit, name) in [(1e9, "B"), (1e6, "M"), (1e3, "k")] where Double(count) >= 0.9995 * unit {
    let value = Double(count) / unit
    return fixed(value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0) + " " + name
  }
  return "\(count)"
}

/// `text` on one line and of bounded length: control characters become spaces.
func printable(_ text: String) -> String {
  var result = String.UnicodeScalarView()
  for scalar in text.unicodeScalars.prefix(120) {
    result.append(scalar.properties.generalCategory == .control ? " " : scalar)
  }
  return String(result) + (text.unicodeScalars.count > 120 ? "…" : "")
}

extension String {
  func padded(to width: Int) -> String {
    self + String(repeating: " ", count: max(0, width - count))
  }

  func aligned(to width: Int) -> String {
    String(repeating: " ", count: max(0, width - count)) + self
  }

  var capitalisedFirst: String { prefix(1).uppercased() + dropFirst() }
}

/// Lines of a table: the columns in `right` are aligned to the right, two blanks between.
func table(_ rows: [[String]], right: Set<Int> = []) -> String {
  let columns = rows.map(\.count).max() ?? 0
  let widths = (0..<columns).map { column in
    rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
  }
  return rows.map { row in
    let cells = row.enumerated().map { column, cell in
      right.contains(column) ? cell.aligned(to: widths[column]) : cell.padded(to: widths[column])
    }
    let line = cells.joined(separator: "  ")
    return String(line.reversed().drop { $0 == " " }.reversed())
  }.joined(separator: "\n")
}
