// Virtual time is whole picoseconds: conversions round to the nearest, sums are exact.

import Testing
import Units

@Suite struct VirtualTimeTests {
  @Test func aDurationIsTheNearestPicosecond() {
    // 1 byte at 3 bytes a second: a third of 1e12 ps.
    #expect(Bandwidth(bytesPerSecond: 3).time(for: 1).picoseconds == 333_333_333_333)
    #expect(VirtualDuration(microseconds: 2.8).picoseconds == 2_800_000)
    #expect(VirtualDuration(picoseconds: 3).scaled(by: 0.5).picoseconds == 2)
  }

  @Test func sumsOfInstantsAndDurationsAreExact() {
    let third = VirtualDuration(picoseconds: 333_333_333_333)
    let end = VirtualInstant.start + third * 3
    #expect(end - .start == VirtualDuration(picoseconds: 999_999_999_999))
    #expect(end.sinceStart.seconds == 0.999999999999)
  }
}
