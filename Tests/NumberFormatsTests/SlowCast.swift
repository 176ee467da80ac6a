// The slow twin of the casts: one number at a time, by the definition of the formats, in double
// precision.

import NumberFormats

extension NumberFormat {
  private var bits: (exponent: Int, mantissa: Int) {
    switch self {
    case .bf16: (8, 7)
    case .e4m3: (4, 3)
    case .e5m2: (5, 2)
    case .e5m6: (5, 6)
    }
  }

  /// How many codes there are.
  var codeCount: Int { 2 << (bits.exponent + bits.mantissa) }

  func slowValue(_ code: UInt16) -> Float {
    let (exponentBits, mantissaBits) = bits
    let all = 1 + exponentBits + mantissaBits
    let sign: Float = (Int(code) >> (all - 1)) & 1 == 1 ? -1 : 1
    let exponent = (Int(code) >> mantissaBits) & ((1 << exponentBits) - 1)
    let mantissa = Int(code) & ((1 << mantissaBits) - 1)
    let bias = (1 << (exponentBits - 1)) - 1
    if self == .e4m3 {
      if exponent == 15 && mantissa == 7 { return .nan }
    } else if exponent == (1 << exponentBits) - 1 {
      return mantissa == 0 ? sign * .infinity : .nan
    }
    let fraction = Double(mantissa) / Double(1 << mantissaBits)
    func power(_ e: Int) -> Double { Double(sign: .plus, exponent: e, significand: 1) }
    let value =
      exponent == 0
      ? fraction * power(1 - bias) : (1 + fraction) * power(exponent - bias)
    return sign * Float(value)
  }

  func slowCode(_ x: Float, _ overflow: Overflow) -> UInt16 {
    let (exponentBits, mantissaBits) = bits
    let signBit = UInt16(x.sign == .minus ? 1 : 0) << UInt16(exponentBits + mantissaBits)
    let bias = (1 << (exponentBits - 1)) - 1
    let top = UInt16((1 << exponentBits) - 1) << UInt16(mantissaBits)
    if x.isNaN {
      return signBit | (self == .e4m3 ? 0x7f : top | UInt16(1 << (mantissaBits - 1)))
    }
    let magnitude = Double(abs(x))
    let exponent = magnitude == 0 ? 1 - bias : max(Int(abs(x).exponent), 1 - bias)
    let unit = Double(sign: .plus, exponent: exponent - mantissaBits, significand: 1)
    let rounded =
      magnitude.isInfinite ? magnitude : (magnitude / unit).rounded(.toNearestOrEven) * unit
    if rounded > Double(largest) {
      switch overflow {
      case .saturate:
        return signBit | (self == .e4m3 ? 0x7e : top - 1)
      case .escape: return signBit | (self == .e4m3 ? 0x7f : top)
      }
    }
    let units = Int(rounded / unit)
    // A mantissa that rounds up to a power of two carries into the exponent by itself.
    let hidden = 1 << mantissaBits
    let code = units < hidden ? units : ((exponent + bias) << mantissaBits) + units - hidden
    return signBit | UInt16(code)
  }

  /// `encode` as an array.
  func codes(of x: [Float], _ overflow: Overflow) -> [UInt16] {
    var bytes = [UInt8](repeating: 0, count: x.count * codeBytes)
    bytes.withUnsafeMutableBytes { codes in
      if let base = codes.baseAddress {
        encode(x, count: x.count, into: base, overflow: overflow)
      }
    }
    return x.indices.map {
      codeBytes == 1
        ? UInt16(bytes[$0]) : UInt16(bytes[2 * $0]) | UInt16(bytes[2 * $0 + 1]) << 8
    }
  }

  /// `decode` as an array.
  func values(of codes: [UInt16]) -> [Float] {
    let bytes = codes.map { UInt8(truncatingIfNeeded: $0) }
    var values = [Float](repeating: 0, count: codes.count)
    if codeBytes == 1 {
      bytes.withUnsafeBytes { data in
        if let base = data.baseAddress { decode(base, count: codes.count, into: &values) }
      }
    } else {
      codes.withUnsafeBytes { data in
        if let base = data.baseAddress { decode(base, count: codes.count, into: &values) }
      }
    }
    return values
  }
}
