// Figures as people read them on a screen: few digits, with units.

internal import Glibc

package enum Figures {
  /// `value` with so many decimals.
  package static func fixed(_ value: Double, _ digits: Int) -> String {
    printed(value, "%.\(digits)f")
  }

  /// With so many significant digits, by an exponent where it is very small or large.
  package static func significant(_ value: Double, _ digits: Int) -> String {
    printed(value, "%.\(digits)g")
  }

  private static func printed(_ value: Double, _ format: String) -> String {
    var buffer = [CChar](repeating: 0, count: 400)
    let count = withVaList([value]) { vsnprintf(&buffer, buffer.count, format, $0) }
    return String(
      decoding: buffer.prefix(max(0, Int(count))).map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  package static func percent(_ fraction: Double) -> String { fixed(100 * fraction, 1) + "%" }

  /// Bytes with a binary unit, three digits.
  package static func bytes(_ count: Int) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"]
    var value = Double(count)
    var unit = 0
    while value >= 1000 && unit < units.count - 1 {
      value /= 1024
      unit += 1
    }
    return fixed(value, unit == 0 || value >= 99.95 ? 0 : value < 9.995 ? 2 : 1) + " " + units[unit]
  }

  /// A count with three digits: 671 B, 37.6 M, 985.
  package static func count(_ value: Double) -> String {
    for (unit, name) in [(1e9, " B"), (1e6, " M"), (1e3, " k")] where value >= 0.9995 * unit {
      let part = value / unit
      return fixed(part, part < 9.995 ? 2 : part < 99.95 ? 1 : 0) + name
    }
    return fixed(value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0)
  }

  /// A virtual or measured time: 18.500 s, 382.9 ms.
  package static func seconds(_ value: Double) -> String {
    if value >= 0.9995 || value == 0 { return fixed(value, value < 100 ? 3 : 1) + " s" }
    if value >= 0.0009995 { return fixed(value * 1e3, 1) + " ms" }
    return fixed(value * 1e6, 1) + " µs"
  }

  /// A span that somebody waits: 12 s, 5 min 03 s, 2 h 07 min, 3 d 04 h.
  package static func span(_ seconds: Double) -> String {
    guard seconds.isFinite, seconds < 1e9 else { return "long" }
    let whole = Int(seconds.rounded())
    func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
    if whole < 60 { return "\(whole) s" }
    if whole < 3600 { return "\(whole / 60) min \(two(whole % 60)) s" }
    if whole < 86_400 { return "\(whole / 3600) h \(two(whole / 60 % 60)) min" }
    return "\(whole / 86_400) d \(two(whole / 3600 % 24)) h"
  }

  /// A moment by the local clock, by a format of strftime.
  package static func clock(_ time: Double, _ format: String = "%H:%M:%S") -> String {
    var seconds = time_t(max(0, min(time, 1e11)))
    var parts = tm()
    localtime_r(&seconds, &parts)
    var buffer = [CChar](repeating: 0, count: 64)
    let count = strftime(&buffer, buffer.count, format, &parts)
    return String(decoding: buffer.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  /// `text` on the right of so many columns.
  package static func right(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }

  /// A bar of so many columns, filled by eighths.
  package static func bar(_ fraction: Double, columns: Int) -> String {
    let eighths = Int(
      (min(max(fraction.isFinite ? fraction : 0, 0), 1) * Double(8 * columns)).rounded())
    let parts = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]
    return String(repeating: "█", count: eighths / 8) + parts[eighths % 8]
  }
}
