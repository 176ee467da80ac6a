// Casts against ml_dtypes' codes, against the values that the formats define, and against the slow
// twin where rounding is decided.

import NumberFormats
import Testing

@Suite struct CastTests {
  @Test(
    "codes are those of ml_dtypes",
    arguments: [
      ("bf16", NumberFormat.bf16, Overflow.escape), ("e4m3fn", .e4m3, .escape),
      ("e4m3fn_sat", .e4m3, .saturate), ("e5m2", .e5m2, .escape), ("e5m2_sat", .e5m2, .saturate),
      ("e5m6", .e5m6, .escape), ("e5m6_sat", .e5m6, .saturate),
    ])
  func codesAreTheGoldens(_ name: String, _ format: NumberFormat, _ overflow: Overflow) throws {
    let input = try Goldens.formats.elements("input_f32", as: Float.self)
    let expected = try Goldens.formats.codes(name, bytes: format.codeBytes)
    let codes = format.codes(of: input, overflow)
    let wrong = input.indices.filter { codes[$0] != expected[$0] }
    #expect(input.count == 20000 && wrong.isEmpty, "\(wrong.prefix(5).map { input[$0] })")
  }

  @Test(
    "all codes stand for the numbers of the goldens",
    arguments: [("e4m3fn", NumberFormat.e4m3), ("e5m2", .e5m2), ("e5m6", .e5m6)])
  func valuesAreTheGoldens(_ name: String, _ format: NumberFormat) throws {
    let expected = try Goldens.formats.elements("table_\(name)_f32", as: UInt32.self)
    let values = format.values(of: (0..<format.codeCount).map { UInt16($0) })
    #expect(expected.count == format.codeCount)
    #expect(values.map(\.bitPattern) == expected)
  }

  @Test("a code's number has that code, NaN that of its sign", arguments: NumberFormat.allCases)
  func codesRoundTrip(_ format: NumberFormat) {
    let codes = (0..<format.codeCount).map { UInt16($0) }
    let values = format.values(of: codes)
    for overflow in [Overflow.escape, .saturate] {
      let again = format.codes(of: values, overflow)
      for (code, value) in zip(codes, values) {
        let expected =
          value.isNaN || value.isInfinite
          ? format.slowCode(value.sign == .minus ? -abs(value) : value, overflow) : code
        if again[Int(code)] != expected { Issue.record("code \(code) is \(value)") }
        let slow = format.slowValue(code)
        if slow != value, !(slow.isNaN && value.isNaN) { Issue.record("\(code): \(value)") }
      }
    }
  }

  /// Every tie between neighbours, the floats beside it, and bits at random.
  @Test("rounding is that of the slow twin", arguments: NumberFormat.allCases)
  func roundsLikeTheTwin(_ format: NumberFormat) {
    var random = SplitMix64(seed: 3)
    var x: [Float] = (0..<100_000).map { _ in
      Float(bitPattern: UInt32(truncatingIfNeeded: random.next()))
    }
    let step = format == .bf16 ? 7 : 1
    for code in stride(from: 0, to: format.codeCount / 2 - 1, by: step) {
      let (low, high) = (format.slowValue(UInt16(code)), format.slowValue(UInt16(code + 1)))
      guard low.isFinite else { break }
      // Where the format ends, the next number that it would have had.
      let next = high.isFinite ? high : low + (low - format.slowValue(UInt16(code - 1)))
      let tie = low / 2 + next / 2
      for value in [low, low.nextUp, tie.nextDown, tie, tie.nextUp, next.nextDown] {
        x += [value, -value]
      }
    }
    x += [0, -0.0, .infinity, -.infinity, .nan, -.nan, .greatestFiniteMagnitude]
    x += [.leastNonzeroMagnitude, -.leastNonzeroMagnitude, Float(bitPattern: 0x7f80_0001)]
    for overflow in [Overflow.escape, .saturate] {
      let codes = format.codes(of: x, overflow)
      let wrong = x.indices.filter { codes[$0] != format.slowCode(x[$0], overflow) }
      #expect(wrong.isEmpty, "\(wrong.count): \(wrong.prefix(5).map { x[$0] })")
    }
  }

  @Test("counts that do not fill a vector", arguments: NumberFormat.allCases)
  func anyCount(_ format: NumberFormat) {
    let x: [Float] = (0..<50).map { Float($0) * 1.37 - 30 }
    let all = format.codes(of: x, .saturate)
    for start in [0, 3] {
      for count in 0...40 {
        // What lies behind stays.
        var codes = [UInt8](repeating: 0xaa, count: (count + 4) * 2)
        x.withUnsafeBufferPointer { x in
          codes.withUnsafeMutableBytes { codes in
            guard let x = x.baseAddress, let base = codes.baseAddress else { return }
            format.encode(x + start, count: count, into: base)
          }
        }
        let written = count * format.codeBytes
        #expect(codes[written...].allSatisfy { $0 == 0xaa })
        var values = [Float](repeating: 7, count: count + 4)
        codes.withUnsafeBytes { codes in
          if let base = codes.baseAddress { format.decode(base, count: count, into: &values) }
        }
        #expect(values[..<count].elementsEqual(all[start..<start + count].map(format.slowValue)))
        #expect(values[count...].allSatisfy { $0 == 7 })
      }
    }
  }

  @Test func roundingToBF16IsACastThereAndBack() throws {
    let input = try Goldens.formats.elements("input_f32", as: Float.self)
    let codes = try Goldens.formats.elements("bf16", as: UInt16.self)
    for count in [input.count, 20, 13] {
      var x = input
      roundToBF16(&x, count: count)
      #expect((0..<count).allSatisfy { x[$0].bitPattern == UInt32(codes[$0]) << 16 })
      #expect((count..<x.count).allSatisfy { x[$0].bitPattern == input[$0].bitPattern })
    }
  }

  @Test func scalesInOneByte() {
    // Powers of two from 2⁻¹²⁶ to 2¹²⁷ have the codes 1 to 254.
    let powers = (-126...127).map { Float(sign: .plus, exponent: $0, significand: 1) }
    let single = powers.map { ue8m0($0) }
    let back = (1...254).map { scale(ue8m0: $0) }
    #expect(single == Array(1...254) && back == powers)
    let (zero, last) = (scale(ue8m0: 0), scale(ue8m0: 255))
    #expect(zero == 0x1p-127 && last.isNaN && ue8m0(.nan) == 255)
    var codes = [UInt8](repeating: 0, count: 254)
    ue8m0(powers, count: 254, into: &codes)
    #expect(codes == Array(1...254))
    var again = [Float](repeating: 0, count: 254)
    scales(ue8m0: codes, count: 254, into: &again)
    #expect(again == powers)
  }
}
