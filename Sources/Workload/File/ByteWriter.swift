// The primitives of the workload file on the way out: LEB128 numbers, zigzag for signed ones.

/// Bytes under construction.
struct ByteWriter {
  private(set) var bytes: [UInt8] = []

  mutating func byte(_ value: UInt8) { bytes.append(value) }

  mutating func raw(_ values: [UInt8]) { bytes += values }

  /// Seven bits a byte, the lowest first; the top bit says that more follow.
  mutating func number(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(truncatingIfNeeded: rest))
  }

  /// 0, −1, 1, −2, … as 0, 1, 2, 3, …
  mutating func signed(_ value: Int) {
    number(UInt64(bitPattern: Int64(value << 1 ^ value >> (Int.bitWidth - 1))))
  }

  /// `width` bytes, the lowest first.
  mutating func fixed(_ value: UInt64, width: Int) {
    for index in 0..<width { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * index))) }
  }

  mutating func text(_ value: String) {
    let utf8 = Array(value.utf8)
    number(UInt64(utf8.count))
    bytes += utf8
  }

  /// Length, then content.
  mutating func section(_ content: ByteWriter) {
    number(UInt64(content.bytes.count))
    bytes += content.bytes
  }
}
