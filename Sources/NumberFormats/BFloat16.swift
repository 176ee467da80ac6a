// BF16 is the upper half of FP32, so a cast is a rounding of bits and decoding a shift.

/// BF16 in the upper halves, round-to-nearest-even; the lower halves are zero.
@inline(__always)
private func roundedToBF16(_ x: Words, _ overflow: Overflow) -> Words {
  let magnitude = x & FloatBits.magnitude
  let sign = x & ~FloatBits.magnitude
  var rounded = magnitude &+ 0x7fff &+ ((magnitude &>> 16) & 1)
  if overflow == .saturate {
    rounded = pointwiseMin(rounded, Words(repeating: 0x7f7f_ffff))
  }
  rounded = select(isAbove(magnitude, FloatBits.exponent), FloatBits.quietNaN, rounded)
  return (rounded | sign) & 0xffff_0000
}

@inline(__always)
func encodeBF16(
  _ x: UnsafePointer<Float>, count: Int, into codes: UnsafeMutablePointer<UInt16>,
  _ overflow: Overflow
) {
  forEachVector(count) { start, lanes in
    let words = roundedToBF16(bits(load(x + start, lanes, as: Floats.self)), overflow)
    store(SIMD16<UInt16>(truncatingIfNeeded: words &>> 16), lanes, to: codes + start)
  }
}

func decodeBF16(
  _ codes: UnsafePointer<UInt16>, count: Int, into x: UnsafeMutablePointer<Float>
) {
  forEachVector(count) { start, lanes in
    let code = Words(truncatingIfNeeded: load(codes + start, lanes, as: SIMD16<UInt16>.self))
    store(floats(code &<< 16), lanes, to: x + start)
  }
}

/// Rounds `count` numbers to BF16 where they are. NaNs become the quiet one of their sign, what is
/// too large infinity.
package func roundToBF16(_ x: UnsafeMutablePointer<Float>, count: Int) {
  forEachVector(count) { start, lanes in
    let words = roundedToBF16(bits(load(x + start, lanes, as: Floats.self)), .escape)
    store(floats(words), lanes, to: x + start)
  }
}
