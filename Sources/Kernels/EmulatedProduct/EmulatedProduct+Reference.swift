// The slow, obvious form of the emulation: one sum at a time, significands as whole numbers. What
// the fast form must equal bit for bit.

extension EmulatedProduct {
  /// As `apply`, for the two rules of the tensor core.
  package func applyReference(_ rule: SumRule, into c: Matrix, adding: Bool = false) {
    precondition(rule != .fp32, "FP32 sums have no reference of their own")
    for i in 0..<m {
      for j in 0..<n {
        let product = referenceSum(rule, i, j)
        c.row(i)[j] = adding ? c.row(i)[j] + product : product
      }
    }
  }

  private func referenceSum(_ rule: SumRule, _ i: Int, _ j: Int) -> Float {
    let (left, right) = (left, right)
    var sum: Float = 0
    var promotedSum: Float = 0
    for start in stride(from: 0, to: k, by: Self.group) {
      let chunk = start / Self.chunk
      let terms = start..<min(start + Self.group, k)
      let (scaleA, scaleB) = (left.scale(i, chunk: chunk), right.scale(j, chunk: chunk))
      let inTensorCore = rule == .promoted || hasOneScale ? nil : scaleA * scaleB
      sum = tensorCoreSum(
        terms.map { left.code(i, $0) }, terms.map { right.code(j, $0) }, onto: sum,
        scale: inTensorCore)
      let ends = terms.upperBound == k || terms.upperBound % Self.chunk == 0
      if rule == .promoted && ends {
        promotedSum += sum * scaleA * scaleB
        sum = 0
      }
    }
    if rule == .promoted { return promotedSum }
    if k > 0 && hasOneScale { return sum * left.scale(i, chunk: 0) * right.scale(j, chunk: 0) }
    return sum
  }
}

/// What a tensor core makes of up to 32 products and the sum so far, as EmulatedProduct.swift says.
/// - Parameter scale: a third factor of each product; nil: none.
package func tensorCoreSum(
  _ a: [UInt8], _ b: [UInt8], onto sum: Float, scale: Float? = nil
) -> Float {
  let factors = zip(a, b).map { (E4M3Parts($0), E4M3Parts($1)) }
  if sum.isNaN || factors.contains(where: { $0.isNaN || $1.isNaN }) { return .nan }

  // 1. The largest exponent.
  let scaleExponent = scale.map(storedExponent) ?? 0
  var largest = -100
  for (x, y) in factors where x.significand != 0 && y.significand != 0 {
    largest = max(largest, x.exponent + y.exponent + scaleExponent)
  }
  if sum != 0 { largest = max(largest, storedExponent(sum)) }

  // 2, 3. Whole numbers of 2^(largest − 13), summed.
  var total = 0
  for (x, y) in factors {
    // ± significands multiplied · 2^(exponents − 6), as each has three fractional bits.
    let product = x.significand * y.significand
    let magnitude: Int
    if let scale {
      let exact = Float(sign: .plus, exponent: x.exponent + y.exponent - 6, significand: 1)
      let unit = scale * Float(sign: .plus, exponent: 13 - largest, significand: 1)
      magnitude = Int(Float(product) * exact * unit)
    } else {
      let shift = x.exponent + y.exponent - 6 - (largest - 13)
      magnitude = shift >= 0 ? product << shift : product >> -shift
    }
    total += x.isNegative != y.isNegative ? -magnitude : magnitude
  }
  // The sum so far is ± significand · 2^(exponent − 23).
  let significand = sum == 0 ? 0 : Int(sum.significandBitPattern | 1 << 23)
  let carried = significand >> (23 - 13 + largest - (sum == 0 ? largest : storedExponent(sum)))
  total += sum < 0 ? -carried : carried

  // 4. Fourteen significant bits.
  let length = Int.bitWidth - total.magnitude.leadingZeroBitCount
  let lost = max(0, length - 14)
  let kept = Float((total.magnitude >> lost) << lost)
  let result = Float(sign: .plus, exponent: largest - 13, significand: kept)
  return total < 0 ? -result : result
}

/// Exponent of a normal number.
private func storedExponent(_ x: Float) -> Int { Int(x.bitPattern >> 23 & 255) - 127 }

/// A code of E4M3 taken apart: ± significand · 2^(exponent − 3), significand below 16.
private struct E4M3Parts {
  var isNegative: Bool
  var significand: Int
  var exponent: Int
  var isNaN: Bool

  init(_ code: UInt8) {
    let field = Int(code >> 3 & 15)
    isNegative = code >> 7 == 1
    significand = Int(code & 7) + (field == 0 ? 0 : 8)
    exponent = max(field, 1) - 7
    isNaN = code & 0x7f == 0x7f
  }
}
