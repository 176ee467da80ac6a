// The low-precision number formats of the report's section 3.3: BF16, the two FP8 formats of
// arXiv 2209.05433, and E5M6, twelve bits for the input of the linear layer after attention.

/// A format narrower than FP32, with round-to-nearest-even.
package enum NumberFormat: String, Hashable, Sendable, CaseIterable {
  /// 8 exponent bits, 7 mantissa bits.
  case bf16
  /// 4 exponent bits, 3 mantissa bits, no infinity, one NaN for each sign; largest 448.
  case e4m3
  /// 5 exponent bits, 2 mantissa bits; largest 57344.
  case e5m2
  /// 5 exponent bits, 6 mantissa bits, in the low 12 bits of 16; largest 65024.
  case e5m6

  /// Bytes of one code as `encode` writes it.
  package var codeBytes: Int {
    switch self {
    case .bf16, .e5m6: 2
    case .e4m3, .e5m2: 1
    }
  }

  /// The largest finite number.
  package var largest: Float {
    switch self {
    case .bf16: 0x1.fep127
    case .e4m3: 448
    case .e5m2: 57344
    case .e5m6: 65024
    }
  }

  /// The smallest number with all bits of the mantissa.
  package var smallestNormal: Float {
    switch self {
    case .bf16: 0x1p-126
    case .e4m3: 0x1p-6
    case .e5m2, .e5m6: 0x1p-14
    }
  }

  /// The largest FP32 number that is rounded to `largest`; what is larger overflows. Half a unit
  /// above `largest` is a tie, which goes up except in E4M3, where 448 is even.
  package var largestRounded: Float {
    switch self {
    case .bf16: Float(0x1.ffp127).nextDown
    case .e4m3: 464
    case .e5m2: Float(61440).nextDown
    case .e5m6: Float(65280).nextDown
    }
  }
}

/// What becomes of a number that is too large for a format.
package enum Overflow: Hashable, Sendable {
  /// The largest finite number of its sign, also for infinities.
  case saturate
  /// Infinity, or NaN in E4M3, which has no infinity.
  case escape
}
