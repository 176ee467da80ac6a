// Numbers as people read them, by the C library's printf.

internal import Glibc

package enum TextFormat {
  /// printf with one floating-point argument, e.g. `number(0.5, "%8.3f")`.
  package static func number(_ value: Double, _ format: String) -> String {
    var buffer = [CChar](repeating: 0, count: 64)
    let length = withVaList([value]) { vsnprintf(&buffer, buffer.count, format, $0) }
    let bytes = buffer.prefix(Int(max(0, min(length, 63)))).map { UInt8(bitPattern: $0) }
    return String(decoding: bytes, as: UTF8.self)
  }

  package static func fixed(_ value: Double, _ digits: Int, width: Int = 0) -> String {
    number(value, "%\(width).\(digits)f")
  }

  /// Bytes with a binary unit, three digits.
  package static func bytes(_ count: Int) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"]
    var value = Double(count)
    var unit = 0
    while value >= 1000 && unit < units.count - 1 {
      value /= 1024
      unit += 1
    }
    return number(value, unit == 0 ? "%.0f" : value < 10 ? "%.2f" : "%.1f") + " " + units[unit]
  }

  /// Text on the right of a column.
  package static func right(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }

  /// Text on the left of a column.
  package static func left(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }
}
