// The arithmetic of the formats with fewer exponent bits than FP32, for sixteen numbers at once and
// without branches.
//
// Rounding: a power of two M, 23 − m binary places above x's exponent, is added to |x|. The sum
// has no room for what the format's m mantissa bits cannot hold, and the adder rounds it away, to
// nearest even. Sum − M in bits is |x| in units of its last place; in FP32, |x| rounded. Below
// the smallest normal number M stays where it is, which makes subnormals.

/// A sign, some exponent bits and some mantissa bits, as IEEE 754 has them, or E4M3.
struct SmallFloat {
  let mantissaBits: UInt32
  /// FP32's bits of the smallest normal number.
  let smallestNormal: UInt32
  /// FP32's bits of the largest number.
  let largest: UInt32
  /// FP32's bits of the number after the largest, if the format went on; its code is that of
  /// infinity, in E4M3 of NaN.
  let beyond: UInt32
  /// The code of `beyond`.
  let top: UInt32
  /// The code of NaN.
  let nan: UInt32
  /// The sign's bit.
  let sign: UInt32

  static var e4m3: Self {
    @inline(__always) get {
      Self(
        mantissaBits: 3, smallestNormal: (127 - 6) << 23, largest: Float(448).bitPattern,
        beyond: Float(480).bitPattern, top: 0x7f, nan: 0x7f, sign: 0x80)
    }
  }
  static var e5m2: Self {
    @inline(__always) get {
      Self(
        mantissaBits: 2, smallestNormal: (127 - 14) << 23, largest: Float(57344).bitPattern,
        beyond: Float(65536).bitPattern, top: 0x7c, nan: 0x7e, sign: 0x80)
    }
  }
  static var e5m6: Self {
    @inline(__always) get {
      Self(
        mantissaBits: 6, smallestNormal: (127 - 14) << 23, largest: Float(65024).bitPattern,
        beyond: Float(65536).bitPattern, top: 0x7c0, nan: 0x7e0, sign: 0x800)
    }
  }

  private var droppedBits: UInt32 { @inline(__always) get { 23 &- mantissaBits } }

  /// Codes, and the numbers that they stand for, of magnitudes up to `beyond`.
  @inline(__always)
  func rounded(_ magnitude: Words) -> (code: Words, value: Floats) {
    let exponent = pointwiseMax(
      magnitude & FloatBits.exponent, Words(repeating: smallestNormal))
    let shifter = exponent &+ (droppedBits &<< 23)
    let sum = floats(magnitude) + floats(shifter)
    let units = bits(sum) &- shifter
    let code = units &+ ((exponent &- smallestNormal) &>> droppedBits)
    return (code, sum - floats(shifter))
  }

  /// FP32's sign bit moved to the code's.
  @inline(__always)
  func signCode(_ x: Words) -> Words { (x &>> UInt32(31 &- sign.trailingZeroBitCount)) & sign }

  @inline(__always)
  func codes(_ x: Floats, _ overflow: Overflow) -> Words {
    let magnitude = bits(x) & FloatBits.magnitude
    let limit = overflow == .saturate ? largest : beyond
    var code = rounded(pointwiseMin(magnitude, Words(repeating: limit))).code
    // NaN is above every limit, so where the code beyond the largest is NaN there is no more to do.
    if overflow == .saturate || nan != top {
      code = select(isAbove(magnitude, FloatBits.exponent), nan, code)
    }
    return code | signCode(bits(x))
  }

  /// The numbers that codes stand for. The codes' higher bits must be zero.
  @inline(__always)
  func values(_ code: Words) -> Floats {
    let magnitude = code & (sign &- 1)
    let shifted = magnitude &<< droppedBits
    // Code 1 << mantissaBits is the smallest normal number.
    let normal = shifted &+ (smallestNormal &- (1 &<< 23))
    // With its own exponent a subnormal lies as far above the smallest normal number.
    let subnormal = floats(shifted &+ smallestNormal) - Float(bitPattern: smallestNormal)
    var value = select(isAbove(magnitude, (1 &<< mantissaBits) &- 1), normal, bits(subnormal))
    if nan != top { value = select(isAbove(magnitude, top &- 1), FloatBits.exponent, value) }
    let lastNumber = nan == top ? top &- 1 : top
    value = select(isAbove(magnitude, lastNumber), FloatBits.quietNaN, value)
    return floats(value | ((code & sign) &<< UInt32(31 &- sign.trailingZeroBitCount)))
  }
}
