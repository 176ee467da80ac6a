// Casts against the values that the formats define.

import NumberFormats
import Testing

@Suite struct CastTests {
  @Test("a code's number has that code", arguments: [NumberFormat.e4m3, .e5m2, .e5m6])
  func codesRoundTrip(_ format: NumberFormat) {
    let count = format == .e5m6 ? 4096 : 256
    for code in 0..<count {
      var (value, again, wide) = (Float(0), UInt16(0), UInt16(code))
      format.decode(&wide, count: 1, into: &value)
      if value.isNaN { continue }
      format.encode(&value, count: 1, into: &again, overflow: .escape)
      #expect(again == UInt16(code), "code \(code) is \(value)")
    }
  }
}
