// UE8M0, the code of a scale that is a power of two (OCP Microscaling formats 1.0, section 5.4.1):
// its exponent, biased by 127, and nothing else. The expert exchange sends scales so.

/// The code of a power of two from 2⁻¹²⁶ to 2¹²⁷, as tiles with `ScaleKind.powerOfTwo` have; 255
/// for NaN. The mantissa and the sign of any other number are lost.
package func ue8m0(_ scale: Float) -> UInt8 { UInt8(truncatingIfNeeded: scale.bitPattern >> 23) }

/// The power of two that a code stands for: 2^(code − 127), NaN for 255.
package func scale(ue8m0 code: UInt8) -> Float {
  switch code {
  case 0: 0x1p-127
  case 255: .nan
  default: Float(bitPattern: UInt32(code) << 23)
  }
}

/// The codes of `count` scales.
package func ue8m0(
  _ scales: UnsafePointer<Float>, count: Int, into codes: UnsafeMutablePointer<UInt8>
) {
  @inline(__always)
  func step(_ start: Int, _ lanes: Int) {
    let exponents = bits(load(scales + start, lanes, as: Floats.self)) &>> 23
    store(SIMD8<UInt8>(truncatingIfNeeded: exponents), lanes, to: codes + start)
  }
  forEachVector(count, step)
}

/// The scales of `count` codes.
package func scales(
  ue8m0 codes: UnsafePointer<UInt8>, count: Int, into scales: UnsafeMutablePointer<Float>
) {
  for index in 0..<count { scales[index] = scale(ue8m0: codes[index]) }
}
