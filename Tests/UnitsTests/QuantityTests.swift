// Quantities with units: every unit against powers worked out by hand, what is written reads back
// to the same bits, and what is wrong is told.

import Testing
import Units

@Suite struct QuantityTests {
  /// The reason why a text is refused, or "accepted".
  private func refusal<Q: Quantity>(_ text: String, as: Q.Type) -> String {
    do throws(QuantityError) {
      _ = try Q(parsing: text)
      return "accepted"
    } catch { return error.reason }
  }

  /// Two of each unit; a byte is 8 bits.
  @Test(arguments: [
    ("2 B/s", 2), ("2 kB/s", 2e3), ("2 MB/s", 2e6), ("2 GB/s", 2e9), ("2 TB/s", 2e12),
    ("2 PB/s", 2e15), ("2 bps", 0.25), ("2 kbps", 250), ("2 Mbps", 250_000),
    ("2 Gbps", 250_000_000), ("2 Tbps", 250_000_000_000), ("2 Pbps", 250_000_000_000_000),
    ("2 Gb/s", 250_000_000), ("2 Gbit/s", 250_000_000), ("2b/s", 0.25), ("400 Gbps", 50e9),
    ("50 GB/s", 50e9), ("3.35 TB/s", 3_350_000_000_000), ("1e-3 TB/s", 1e9), ("1E3GB/s", 1e12),
  ])
  func bandwidthsOfEveryUnit(text: String, bytesPerSecond: Double) throws {
    #expect(try Bandwidth(parsing: text).bytesPerSecond == bytesPerSecond)
  }

  @Test(arguments: [
    ("0 s", 0), ("2 ps", 2), ("2 ns", 2000), ("2 us", 2_000_000), ("2 ms", 2_000_000_000),
    ("2 s", 2_000_000_000_000), ("2.8us", 2_800_000), (".5 us", 500_000),
    ("3.33 \u{B5}s", 3_330_000),
    ("3.33 \u{3BC}s", 3_330_000), ("150 us", 150_000_000), ("5\tns", 5000),
    ("  1 ms ", 1_000_000_000),
    // To the nearest picosecond, halves to even.
    ("0.0004 ns", 0), ("0.0005 ns", 0), ("0.0015 ns", 2), ("0.0016 ns", 2),
    ("9007.199254740992 s", 1 << 53),
  ])
  func durationsOfEveryUnit(text: String, picoseconds: Int64) throws {
    #expect(try VirtualDuration(parsing: text).picoseconds == picoseconds)
  }

  @Test(arguments: [
    ("2 B", 2), ("2 kB", 2000), ("2 MB", 2_000_000), ("2 GB", 2_000_000_000),
    ("2 TB", 2_000_000_000_000), ("2 PB", 2_000_000_000_000_000), ("2 KiB", 2048),
    ("2 MiB", 2_097_152), ("2 GiB", 2_147_483_648), ("2 TiB", 2_199_023_255_552),
    ("80 GB", 80_000_000_000), ("96 GiB", 103_079_215_104), ("0.5 KiB", 512), ("1.5 B", 2),
    ("2.5 B", 2), ("5EB", nil), ("8 PB", 8_000_000_000_000_000),
  ])
  func bytesOfEveryUnit(text: String, bytes: Int?) {
    #expect((try? ByteCount(parsing: text))?.bytes == bytes)
  }

  @Test(arguments: [
    ("2 FLOPS", 2), ("2 kFLOPS", 2e3), ("2 MFLOPS", 2e6), ("2 GFLOPS", 2e9), ("2 TFLOPS", 2e12),
    ("2 PFLOPS", 2e15), ("2 EFLOPS", 2e18), ("2 TFLOP/s", 2e12),
    ("989.4 TFLOPS", 989_400_000_000_000), ("1.979 PFLOPS", 1_979_000_000_000_000),
  ])
  func ratesOfEveryUnit(text: String, flopsPerSecond: Double) throws {
    #expect(try ComputeRate(parsing: text).flopsPerSecond == flopsPerSecond)
  }

  @Test func theLargestUnitIsWritten() {
    #expect(Bandwidth(gigabytesPerSecond: 50).text == "50 GB/s")
    #expect(Bandwidth(terabytesPerSecond: 3.35).text == "3.35 TB/s")
    #expect(Bandwidth(bytesPerSecond: 0.5).text == "0.5 B/s")
    #expect(Bandwidth(bytesPerSecond: 1e25).text == "10000000000 PB/s")
    #expect(VirtualDuration(picoseconds: 2_800_000).text == "2.8 us")
    #expect(VirtualDuration.zero.text == "0 ps")
    #expect(VirtualDuration(picoseconds: 999).text == "999 ps")
    #expect(ByteCount(80_000_000_000).text == "80 GB")
    #expect(ByteCount(103_079_215_104).text == "103.079215104 GB")
    #expect(ComputeRate(teraFLOPS: 989.4).text == "989.4 TFLOPS")
    #expect(ComputeRate(teraFLOPS: 1978.9).text == "1.9789 PFLOPS")
  }

  @Test func whatIsWrittenReadsBackToTheSameBits() throws {
    var random = Random(state: 20)
    for _ in 0..<20_000 {
      let bits = Double(bitPattern: random.next() & 0x7FFF_FFFF_FFFF_FFFF)
      if bits.isNormal {
        #expect(try Bandwidth(parsing: Bandwidth(bytesPerSecond: bits).text).bytesPerSecond == bits)
        let rate = ComputeRate(flopsPerSecond: bits)
        #expect(try ComputeRate(parsing: rate.text) == rate)
      }
      // As many digits as chance has it, so that every unit occurs.
      let whole = Int(random.next() >> (11 + random.next() % 53))
      let duration = VirtualDuration(picoseconds: Int64(whole))
      #expect(try VirtualDuration(parsing: duration.text) == duration)
      let bytes = ByteCount(whole + 1)
      #expect(try ByteCount(parsing: bytes.text) == bytes)
    }
  }

  static let unitsOfTime = "ps, ns, us, ms, s"

  @Test(arguments: [
    ("", "write a number and a unit: \(unitsOfTime)"),
    (" ", "write a number and a unit: \(unitsOfTime)"),
    ("us", "write a number and a unit: \(unitsOfTime)"),
    ("inf us", "write a number and a unit: \(unitsOfTime)"),
    ("nan us", "write a number and a unit: \(unitsOfTime)"),
    ("-inf us", "write a number and a unit: \(unitsOfTime)"),
    (". us", "write a number and a unit: \(unitsOfTime)"),
    ("5. us", "write a number and a unit: \(unitsOfTime)"),
    ("1,000 us", "write a number and a unit: \(unitsOfTime)"),
    ("1_000 us", "write a number and a unit: \(unitsOfTime)"),
    ("+1 us", "write a number and a unit: \(unitsOfTime)"),
    ("٣ us", "write a number and a unit: \(unitsOfTime)"),
    ("5", "a unit is missing: \(unitsOfTime)"), ("1e3", "a unit is missing: \(unitsOfTime)"),
    ("5 u", "there is no unit 'u'; units are \(unitsOfTime)"),
    ("5 US", "there is no unit 'US'; units are \(unitsOfTime)"),
    ("5 u s", "there is no unit 'u s'; units are \(unitsOfTime)"),
    ("0x5 us", "there is no unit 'x5 us'; units are \(unitsOfTime)"),
    ("1e us", "there is no unit 'e us'; units are \(unitsOfTime)"),
    ("1e+-3 us", "there is no unit 'e+-3 us'; units are \(unitsOfTime)"),
    ("-5 us", "it cannot be negative"), ("−5 us", "it cannot be negative"),
    ("9007.3 s", "it is too large"), ("1e400 ps", "it is too large"),
    ("1e99999999999999999999 ps", "it is too large"),
  ])
  func whatIsNoDurationIsTold(text: String, reason: String) {
    #expect(refusal(text, as: VirtualDuration.self) == reason)
  }

  @Test func zeroIsADurationAndNothingElse() {
    #expect(refusal("0 us", as: VirtualDuration.self) == "accepted")
    #expect(refusal("0.0e9 GB/s", as: Bandwidth.self) == "it must be more than zero")
    #expect(refusal("0 TFLOPS", as: ComputeRate.self) == "it must be more than zero")
    #expect(refusal("0 GB", as: ByteCount.self) == "it must be more than zero")
    #expect(refusal("0.9 B", as: ByteCount.self) == "it is too small")
    #expect(refusal("1e-400 B/s", as: Bandwidth.self) == "it must be more than zero")
    #expect(refusal("1e-310 B/s", as: Bandwidth.self) == "it is too small")
    #expect(refusal("1e309 B/s", as: Bandwidth.self) == "it is too large")
    #expect(refusal("9.1 PB", as: ByteCount.self) == "it is too large")
  }

  @Test func errorsSayWhatWasWanted() {
    let error = #expect(throws: QuantityError.self) { try Bandwidth(parsing: "400") }
    #expect(
      error?.description
        == "expected a bandwidth such as 400 Gbps, got '400'; a unit is missing: B/s, kB/s, MB/s, "
        + "GB/s, TB/s, PB/s, bps, kbps, Mbps, Gbps, Tbps, Pbps")
  }

  @Test func textsByChanceAreReadOrRefused() {
    var random = Random(state: 3)
    let pieces = [
      "1", "0", "9", ".", "e", "E", "+", "-", " ", "\t", "G", "B", "b", "/", "s", "p", "u", "µ",
      "FLOPS", "GB/s", "us", "\u{0}", "é", "👩‍🚀", "99999999999999999999", "inf",
    ]
    var accepted = 0
    for _ in 0..<100_000 {
      let text = (0..<Int(1 + random.next() % 7)).map { _ in
        pieces[Int(random.next() % UInt64(pieces.count))]
      }.joined()
      if let value = try? Bandwidth(parsing: text) {
        accepted += 1
        #expect(value.bytesPerSecond > 0 && value.bytesPerSecond.isFinite)
        #expect((try? Bandwidth(parsing: value.text)) == value)
      }
      if let value = try? VirtualDuration(parsing: text) {
        accepted += 1
        #expect(value >= .zero)
      }
    }
    #expect(accepted > 100)
  }
}

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
private struct Random {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
