// The arithmetic of the formats with fewer exponent bits than FP32, for eight numbers at once and
// without branches.
//
// Rounding: a power of two M, 23 − m binary places above x's exponent, is added to |x|. The sum
// has no room for what the format's m mantissa bits cannot hold, and the adder rounds it away, to
// nearest even. Sum − M in bits is |x| in units of its last place; in FP32, |x| rounded. Below
// the smallest normal number M stays where it is, which makes subnormals.

/// A sign, some exponent bits and some mantissa bits, as IEEE 754 has them, or E4M3. A type for
/// each format, so that every loop is compiled with its constants.
protocol SmallFloat {
  static var mantissaBits: UInt32 { get }
  /// FP32's bits of the smallest normal number.
  static var smallestNormal: UInt32 { get }
  /// FP32's bits of the largest number.
  static var largest: UInt32 { get }
  /// FP32's bits of the number after the largest, if the format went on; its code is that of
  /// infinity, in E4M3 of NaN.
  static var beyond: UInt32 { get }
  /// The code of `beyond`.
  static var top: UInt32 { get }
  /// The code of NaN.
  static var nan: UInt32 { get }
  /// How far the code's sign lies below FP32's.
  static var signShift: UInt32 { get }
}

enum E4M3: SmallFloat {
  static var mantissaBits: UInt32 { @inline(__always) get { 3 } }
  static var smallestNormal: UInt32 { @inline(__always) get { (127 - 6) << 23 } }
  static var largest: UInt32 { @inline(__always) get { Float(448).bitPattern } }
  static var beyond: UInt32 { @inline(__always) get { Float(480).bitPattern } }
  static var top: UInt32 { @inline(__always) get { 0x7f } }
  static var nan: UInt32 { @inline(__always) get { 0x7f } }
  static var signShift: UInt32 { @inline(__always) get { 24 } }
}

enum E5M2: SmallFloat {
  static var mantissaBits: UInt32 { @inline(__always) get { 2 } }
  static var smallestNormal: UInt32 { @inline(__always) get { (127 - 14) << 23 } }
  static var largest: UInt32 { @inline(__always) get { Float(57344).bitPattern } }
  static var beyond: UInt32 { @inline(__always) get { Float(65536).bitPattern } }
  static var top: UInt32 { @inline(__always) get { 0x7c } }
  static var nan: UInt32 { @inline(__always) get { 0x7e } }
  static var signShift: UInt32 { @inline(__always) get { 24 } }
}

enum E5M6: SmallFloat {
  static var mantissaBits: UInt32 { @inline(__always) get { 6 } }
  static var smallestNormal: UInt32 { @inline(__always) get { (127 - 14) << 23 } }
  static var largest: UInt32 { @inline(__always) get { Float(65024).bitPattern } }
  static var beyond: UInt32 { @inline(__always) get { Float(65536).bitPattern } }
  static var top: UInt32 { @inline(__always) get { 0x7c0 } }
  static var nan: UInt32 { @inline(__always) get { 0x7e0 } }
  static var signShift: UInt32 { @inline(__always) get { 20 } }
}

extension SmallFloat {
  private static var droppedBits: UInt32 { @inline(__always) get { 23 &- mantissaBits } }

  /// FP32's bits of what magnitudes are brought down to before they are rounded.
  @inline(__always)
  static func limit(_ overflow: Overflow) -> UInt32 { overflow == .saturate ? largest : beyond }

  /// Codes, and the numbers that they stand for, of magnitudes up to `beyond`.
  @inline(__always)
  static func rounded(_ magnitude: Words) -> (code: Words, value: Floats) {
    let exponent = atLeast(smallestNormal, magnitude & FloatBits.exponent)
    let shifter = exponent &+ (droppedBits &<< 23)
    let sum = floats(magnitude) + floats(shifter)
    let units = bits(sum) &- shifter
    let code = units &+ ((exponent &- smallestNormal) &>> droppedBits)
    return (code, sum - floats(shifter))
  }

  /// FP32's sign bit moved to the code's.
  @inline(__always)
  static func signCode(_ x: Words) -> Words { (x &>> signShift) & (0x8000_0000 &>> signShift) }

  /// Codes of numbers of any size.
  @inline(__always)
  static func codes(_ x: Floats, limit: UInt32) -> Words {
    let magnitude = bits(x) & FloatBits.magnitude
    let code = rounded(atMost(limit, magnitude)).code
    return select(isAbove(magnitude, FloatBits.exponent), nan, code) | signCode(bits(x))
  }

  /// The numbers that codes stand for. The codes' higher bits must be zero.
  @inline(__always)
  static func values(_ code: Words) -> Floats {
    let magnitude = code & ((0x8000_0000 &>> signShift) &- 1)
    let shifted = magnitude &<< droppedBits
    // Code 1 << mantissaBits is the smallest normal number.
    let normal = shifted &+ (smallestNormal &- (1 &<< 23))
    // With its own exponent a subnormal lies as far above the smallest normal number.
    let subnormal = floats(shifted &+ smallestNormal) - Float(bitPattern: smallestNormal)
    var value = select(isAbove(magnitude, (1 &<< mantissaBits) &- 1), normal, bits(subnormal))
    if nan != top { value = select(isAbove(magnitude, top &- 1), FloatBits.exponent, value) }
    let lastNumber = nan == top ? top &- 1 : top
    value = select(isAbove(magnitude, lastNumber), FloatBits.quietNaN, value)
    return floats(value | ((code &<< signShift) & 0x8000_0000))
  }
}
