// BF16 is the upper half of FP32, so a cast is a rounding of bits and decoding a shift.

/// BF16 in the upper halves, round-to-nearest-even; the lower halves are zero.
@inline(__always)
private func roundedToBF16(_ x: Words, limit: UInt32) -> Words {
  let magnitude = x & FloatBits.magnitude
  let sign = x & ~FloatBits.magnitude
  let bounded = atMost(limit, magnitude)
  let rounded = bounded &+ 0x7fff &+ ((bounded &>> 16) & 1)
  let code = select(isAbove(magnitude, FloatBits.exponent), FloatBits.quietNaN, rounded)
  return (code | sign) & 0xffff_0000
}

func encodeBF16(
  _ x: UnsafePointer<Float>, count: Int, into codes: UnsafeMutablePointer<UInt16>,
  _ overflow: Overflow
) {
  let limit = overflow == .saturate ? 0x7f7f_0000 : FloatBits.exponent
  @inline(__always)
  func step(_ start: Int, _ lanes: Int) {
    let words = roundedToBF16(bits(load(x + start, lanes, as: Floats.self)), limit: limit)
    store(SIMD8<UInt16>(truncatingIfNeeded: words &>> 16), lanes, to: codes + start)
  }
  forEachVector(count, step)
}

func decodeBF16(
  _ codes: UnsafePointer<UInt16>, count: Int, into x: UnsafeMutablePointer<Float>
) {
  @inline(__always)
  func step(_ start: Int, _ lanes: Int) {
    let code = Words(truncatingIfNeeded: load(codes + start, lanes, as: SIMD8<UInt16>.self))
    store(floats(code &<< 16), lanes, to: x + start)
  }
  forEachVector(count, step)
}

/// Rounds `count` numbers to BF16 where they are. NaNs become the quiet one of their sign, what is
/// too large infinity.
package func roundToBF16(_ x: UnsafeMutablePointer<Float>, count: Int) {
  @inline(__always)
  func step(_ start: Int, _ lanes: Int) {
    let words = roundedToBF16(
      bits(load(x + start, lanes, as: Floats.self)), limit: FloatBits.exponent)
    store(floats(words), lanes, to: x + start)
  }
  forEachVector(count, step)
}
