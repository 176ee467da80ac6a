// Eight floats at a time: loads and stores, sums in a fixed order, and an exponential good to
// about two units in the last place. Row tails go through the same code with padding lanes, so a
// value doesn't depend on where in a row it stands.

package typealias Vector = SIMD8<Float>

extension UnsafePointer where Pointee == Float {
  @inline(__always)
  func vector(_ offset: Int) -> Vector {
    UnsafeRawPointer(self + offset).loadUnaligned(as: Vector.self)
  }
}

extension UnsafeMutablePointer where Pointee == Float {
  @inline(__always)
  func vector(_ offset: Int) -> Vector {
    UnsafeRawPointer(self + offset).loadUnaligned(as: Vector.self)
  }

  @inline(__always)
  func store(_ vector: Vector, _ offset: Int) {
    UnsafeMutableRawPointer(self + offset).storeBytes(of: vector, as: Vector.self)
  }

  /// The last `count` < 8 floats from `offset`, other lanes `padding`.
  @inline(__always)
  func tail(_ offset: Int, _ count: Int, padding: Float = 0) -> Vector {
    var vector = Vector(repeating: padding)
    for lane in 0..<count { vector[lane] = self[offset + lane] }
    return vector
  }

  @inline(__always)
  func storeTail(_ vector: Vector, _ offset: Int, _ count: Int) {
    for lane in 0..<count { self[offset + lane] = vector[lane] }
  }
}

/// a · b + c, fused where the processor has that as one instruction.
@inline(__always)
func multiplyAdd(_ a: Vector, _ b: Vector, _ c: Vector) -> Vector {
  #if DSV3_FMA
    return c.addingProduct(a, b)
  #else
    return a * b + c
  #endif
}

@inline(__always)
func multiplyAdd(_ a: Vector, _ b: Float, _ c: Vector) -> Vector {
  multiplyAdd(a, Vector(repeating: b), c)
}

@inline(__always)
func multiplyAdd(_ a: Vector, _ b: Vector, _ c: Float) -> Vector {
  multiplyAdd(a, b, Vector(repeating: c))
}

/// The larger of each lane (`pointwiseMax` goes lane by lane).
@inline(__always)
func larger(_ a: Vector, _ b: Vector) -> Vector { a.replacing(with: b, where: b .> a) }

/// Sum of the lanes, pairwise, always in the same order.
@inline(__always)
func laneSum(_ v: Vector) -> Float {
  let four = v.lowHalf + v.highHalf
  let two = four.lowHalf + four.highHalf
  return two.x + two.y
}

@inline(__always)
func laneMax(_ v: Vector) -> Float {
  var largest = v[0]
  for lane in 1..<8 where v[lane] > largest { largest = v[lane] }
  return largest
}

/// eˣ by lanes: x = n·ln 2 + r with |r| ≤ ln 2 / 2, a degree-6 polynomial in r (minimax, as in
/// Cephes' expf), then n added to the exponent. Below −87.3 it gives about 1e-38, above 88.3 it
/// stays at e^88.3; NaN stays NaN.
@inline(__always)
package func exponential(_ x: Vector) -> Vector {
  let magic: Float = 12_582_912  // 1.5 · 2²³: adding it rounds to a whole number
  let clamped = x.replacing(with: -87.3, where: x .< -87.3).replacing(with: 88.3, where: x .> 88.3)
  let shifted = multiplyAdd(clamped, 1.442_695_04, Vector(repeating: magic))
  let n = shifted - magic
  let r = multiplyAdd(n, 2.121_944_4e-4, multiplyAdd(n, -0.693_359_375, clamped))
  var p = multiplyAdd(r, 1.987_569_15e-4, Vector(repeating: 1.398_199_95e-3))
  p = multiplyAdd(p, r, 8.333_451_9e-3)
  p = multiplyAdd(p, r, 4.166_579_6e-2)
  p = multiplyAdd(p, r, 1.666_666_55e-1)
  p = multiplyAdd(p, r, 5.000_000_1e-1)
  let value = multiplyAdd(p, r * r, r) + Float(1)
  let bits = unsafeBitCast(shifted, to: SIMD8<UInt32>.self) &+ 127
  return value * unsafeBitCast(bits &<< 23, to: Vector.self)
}

/// 1 / (1 + e⁻ˣ) by lanes.
@inline(__always)
package func sigmoid(_ x: Vector) -> Vector {
  Float(1) / (Float(1) + exponential(-x))
}
