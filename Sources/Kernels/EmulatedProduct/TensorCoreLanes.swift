// Thirty-two sums of the tensor core at once: the columns of a panel of B against one row of A.

/// Thirty-two floats. Vector v has the columns 4 l + v of lanes l, which is how bytes of 32-bit
/// lanes come apart.
struct Lanes32 {
  var v0 = Vector.zero
  var v1 = Vector.zero
  var v2 = Vector.zero
  var v3 = Vector.zero

  @inline(__always)
  init() {}

  @inline(__always)
  init(_ base: UnsafePointer<Float>) {
    (v0, v1) = (base.vector(0), base.vector(8))
    (v2, v3) = (base.vector(16), base.vector(24))
  }

  @inline(__always)
  func store(_ base: UnsafeMutablePointer<Float>) {
    base.store(v0, 0)
    base.store(v1, 8)
    base.store(v2, 16)
    base.store(v3, 24)
  }

  /// Where column 0..<32 of a panel lies.
  @inline(__always)
  static func position(_ column: Int) -> Int { (column & 3) * 8 + column >> 2 }

  @inline(__always)
  func map(_ change: (Vector) -> Vector) -> Lanes32 {
    var result = self
    (result.v0, result.v1) = (change(v0), change(v1))
    (result.v2, result.v3) = (change(v2), change(v3))
    return result
  }

  @inline(__always)
  func zip(_ other: Lanes32, _ combine: (Vector, Vector) -> Vector) -> Lanes32 {
    var result = self
    (result.v0, result.v1) = (combine(v0, other.v0), combine(v1, other.v1))
    (result.v2, result.v3) = (combine(v2, other.v2), combine(v3, other.v3))
    return result
  }
}

typealias Exponents = SIMD8<Int32>

@inline(__always)
private func larger(_ a: Exponents, _ b: Exponents) -> Exponents {
  a.replacing(with: b, where: b .> a)
}

/// Sixteen, since only to that many does this become one instruction.
@inline(__always)
private func larger(_ a: SIMD16<Int8>, _ b: SIMD16<Int8>) -> SIMD16<Int8> {
  a.replacing(with: b, where: b .> a)
}

/// Exponents of normal numbers; −127 of zero.
@inline(__always)
private func storedExponents(_ x: Vector) -> Exponents {
  let fields = unsafeBitCast(x, to: SIMD8<UInt32>.self) &>> 23 & 255
  return unsafeBitCast(fields, to: Exponents.self) &- 127
}

/// 2^e for e in −126...127.
@inline(__always)
private func power(_ e: Exponents) -> Vector {
  unsafeBitCast((e &+ 127) &<< 23, to: Vector.self)
}

/// The first 14 significant bits. Before that, at most 33 · 2¹⁶ units, so that FP32 had room.
/// Adding zero turns −0 into 0.
@inline(__always)
private func cut(_ x: Vector) -> Vector {
  let bits = unsafeBitCast(x, to: SIMD8<UInt32>.self) & 0xffff_fc00
  return unsafeBitCast(bits, to: Vector.self) + Float(0)
}

/// A row of A and a panel of B, both padded with zeros to a multiple of 32 terms.
struct PackedTerms {
  /// By term.
  let a: UnsafePointer<Float>
  let exponentsOfA: UnsafePointer<Int8>
  /// [terms, 32], the floats as in `Lanes32`, the exponents by column.
  let b: UnsafePointer<Float>
  let exponentsOfB: UnsafePointer<Int8>

  /// Adds `groups` groups of 32 products to `sums`, as EmulatedProduct.swift says.
  /// - Parameter scale: a third factor of each product; nil: none.
  @inline(__always)
  func add(groups: Int, to sums: inout Lanes32, scale: Lanes32?) {
    for group in 0..<groups { add(from: group * EmulatedProduct.group, to: &sums, scale) }
  }

  @inline(__always)
  private func add(from start: Int, to sums: inout Lanes32, _ scale: Lanes32?) {
    let exponents = largestExponents(from: start)
    let e0 = unitExponents(exponents &<< 24, sums.v0, scale?.v0)
    let e1 = unitExponents(exponents &<< 16, sums.v1, scale?.v1)
    let e2 = unitExponents(exponents &<< 8, sums.v2, scale?.v2)
    let e3 = unitExponents(exponents, sums.v3, scale?.v3)
    var (u0, u1, u2, u3) = (power(13 &- e0), power(13 &- e1), power(13 &- e2), power(13 &- e3))
    var t0 = (sums.v0 * u0).rounded(.towardZero)
    var t1 = (sums.v1 * u1).rounded(.towardZero)
    var t2 = (sums.v2 * u2).rounded(.towardZero)
    var t3 = (sums.v3 * u3).rounded(.towardZero)
    if let scale {
      (u0, u1, u2, u3) = (u0 * scale.v0, u1 * scale.v1, u2 * scale.v2, u3 * scale.v3)
    }
    var (terms, row) = (a + start, b + start * 32)
    for _ in 0..<EmulatedProduct.group {
      let factor = Vector(repeating: terms.pointee)
      // Exact up to the last multiplication, and that one too without scales.
      t0 += (row.vector(0) * factor * u0).rounded(.towardZero)
      t1 += (row.vector(8) * factor * u1).rounded(.towardZero)
      t2 += (row.vector(16) * factor * u2).rounded(.towardZero)
      t3 += (row.vector(24) * factor * u3).rounded(.towardZero)
      (terms, row) = (terms + 1, row + 32)
    }
    sums.v0 = cut(t0 * power(e0 &- 13))
    sums.v1 = cut(t1 * power(e1 &- 13))
    sums.v2 = cut(t2 * power(e2 &- 13))
    sums.v3 = cut(t3 * power(e3 &- 13))
  }

  /// The largest exponent of the products of a group, for column 4 l + v in byte v of lane l.
  @inline(__always)
  private func largestExponents(from start: Int) -> Exponents {
    var low = SIMD16<Int8>(repeating: -128)
    var high = low
    for term in start..<start + EmulatedProduct.group {
      let row = UnsafeRawPointer(exponentsOfB + term * 32)
      let exponent = SIMD16(repeating: exponentsOfA[term])
      low = larger(low, row.loadUnaligned(as: SIMD16<Int8>.self) &+ exponent)
      high = larger(
        high, row.loadUnaligned(fromByteOffset: 16, as: SIMD16<Int8>.self) &+ exponent)
    }
    return unsafeBitCast(SIMD32(lowHalf: low, highHalf: high), to: Exponents.self)
  }

  /// E of EmulatedProduct.swift.
  /// - Parameter high: the products' largest exponents in the top bytes.
  @inline(__always)
  private func unitExponents(_ high: Exponents, _ sum: Vector, _ scale: Vector?) -> Exponents {
    let products = high &>> 24
    let least = Exponents(repeating: -100)
    var exponents = products
    if let scale { exponents = exponents &+ storedExponents(scale) }
    exponents = exponents.replacing(with: least, where: products .< Exponents(repeating: -20))
    return larger(larger(exponents, storedExponents(sum)), least)
  }
}
