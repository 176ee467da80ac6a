// The little of protobuf's wire format that a trace needs: varints, strings, fixed64, and messages
// in messages. Lengths of messages are written behind their content, into two bytes kept free.

extension TraceFile {
  /// Where a message's length belongs.
  struct OpenMessage {
    fileprivate var place: Int
  }

  /// Largest message: what a length of two bytes can say.
  static let mostMessageBytes = 1 << 14

  // All of these append to what was reserved before.

  mutating func append(varint value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    append(UInt8(rest))
  }

  mutating func append(field: Int, _ value: UInt64) {
    append(varint: UInt64(field) << 3)
    append(varint: value)
  }

  mutating func append(field: Int, fixed value: UInt64) {
    append(varint: UInt64(field) << 3 | 1)
    for shift in stride(from: 0, to: 64, by: 8) {
      append(UInt8(truncatingIfNeeded: value >> UInt64(shift)))
    }
  }

  mutating func append(field: Int, _ text: String) {
    append(varint: UInt64(field) << 3 | 2)
    append(varint: UInt64(text.utf8.count))
    for byte in text.utf8 { append(byte) }
  }

  mutating func begin(field: Int) -> OpenMessage {
    append(varint: UInt64(field) << 3 | 2)
    let message = OpenMessage(place: place)
    append(0x80)
    append(0)
    return message
  }

  /// - Precondition: at most `mostMessageBytes` since it was opened.
  mutating func end(_ message: OpenMessage) {
    let size = place - message.place - 2
    precondition(size < Self.mostMessageBytes, "a message of a trace is small")
    put(UInt8(size & 0x7F) | 0x80, at: message.place)
    put(UInt8(size >> 7), at: message.place + 1)
  }
}
