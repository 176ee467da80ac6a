// FP32 to codes and back.

extension NumberFormat {
  /// Writes the codes of `count` numbers, `codeBytes` each, little-endian. NaN stays NaN.
  package func encode(
    _ x: UnsafePointer<Float>, count: Int, into codes: UnsafeMutableRawPointer,
    overflow: Overflow = .saturate
  ) {
    for i in 0..<count {
      let code = slowCode(x[i], overflow)
      if codeBytes == 1 {
        codes.storeBytes(of: UInt8(truncatingIfNeeded: code), toByteOffset: i, as: UInt8.self)
      } else {
        codes.storeBytes(of: code, toByteOffset: 2 * i, as: UInt16.self)
      }
    }
  }

  /// The numbers that `count` codes stand for; exact.
  package func decode(
    _ codes: UnsafeRawPointer, count: Int, into x: UnsafeMutablePointer<Float>
  ) {
    for i in 0..<count {
      let code =
        codeBytes == 1
        ? UInt16(codes.load(fromByteOffset: i, as: UInt8.self))
        : codes.loadUnaligned(fromByteOffset: 2 * i, as: UInt16.self)
      x[i] = slowValue(code)
    }
  }

  private var bits: (exponent: Int, mantissa: Int) {
    switch self {
    case .bf16: (8, 7)
    case .e4m3: (4, 3)
    case .e5m2: (5, 2)
    case .e5m6: (5, 6)
    }
  }

  private func slowValue(_ code: UInt16) -> Float {
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

  private func slowCode(_ x: Float, _ overflow: Overflow) -> UInt16 {
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
}

/// Rounds `count` numbers to BF16 where they are.
package func roundToBF16(_ x: UnsafeMutablePointer<Float>, count: Int) {
  for i in 0..<count where !x[i].isNaN {
    let u = x[i].bitPattern
    x[i] = Float(bitPattern: (u &+ 0x7fff &+ (u >> 16) & 1) & 0xffff_0000)
  }
}
