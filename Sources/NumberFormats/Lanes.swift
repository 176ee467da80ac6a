// Eight numbers at a time: loads and stores, whole or in part, and the operations that the casts
// are made of. Swift turns these into AVX2's packed instructions; everything is inlined, so that
// counts and formats are constants where the loops are compiled.

typealias Floats = SIMD8<Float>
typealias Words = SIMD8<UInt32>

/// Numbers of a vector.
var laneCount: Int { @inline(__always) get { 8 } }

/// Bits of FP32.
enum FloatBits {
  static var magnitude: UInt32 { @inline(__always) get { 0x7fff_ffff } }
  static var exponent: UInt32 { @inline(__always) get { 0x7f80_0000 } }
  static var quietNaN: UInt32 { @inline(__always) get { 0x7fc0_0000 } }
}

@inline(__always)
func bits(_ x: Floats) -> Words { unsafeBitCast(x, to: Words.self) }

@inline(__always)
func floats(_ bits: Words) -> Floats { unsafeBitCast(bits, to: Floats.self) }

/// Lanes whose magnitudes, which have no sign bit, are above `bound`.
@inline(__always)
func isAbove(_ magnitudes: Words, _ bound: UInt32) -> SIMDMask<SIMD8<Int32>> {
  // AVX2 compares signed numbers only; comparing with a scalar would go lane by lane.
  let signed = unsafeBitCast(magnitudes, to: SIMD8<Int32>.self)
  return signed .> SIMD8<Int32>(repeating: Int32(truncatingIfNeeded: bound))
}

/// The smaller of each lane and `bound`, of numbers without sign bit (`pointwiseMin` may stay a
/// call).
@inline(__always)
func atMost(_ bound: UInt32, _ magnitudes: Words) -> Words {
  select(isAbove(magnitudes, bound), bound, magnitudes)
}

/// The larger of each lane and `bound`.
@inline(__always)
func atLeast(_ bound: UInt32, _ magnitudes: Words) -> Words {
  select(isAbove(magnitudes, bound), magnitudes, Words(repeating: bound))
}

/// The larger of each lane, of numbers without sign bit.
@inline(__always)
func larger(_ a: Words, _ b: Words) -> Words {
  let (a, b) = (unsafeBitCast(a, to: SIMD8<Int32>.self), unsafeBitCast(b, to: SIMD8<Int32>.self))
  return unsafeBitCast(a.replacing(with: b, where: b .> a), to: Words.self)
}

/// The largest lane.
@inline(__always)
func largestLane(_ lanes: Words) -> UInt32 {
  var largest = lanes[0]
  for lane in 1..<laneCount where lanes[lane] > largest { largest = lanes[lane] }
  return largest
}

/// `chosen` in the lanes of `mask`, `other` elsewhere.
@inline(__always)
func select(_ mask: SIMDMask<SIMD8<Int32>>, _ chosen: Words, _ other: Words) -> Words {
  other.replacing(with: chosen, where: mask)
}

@inline(__always)
func select(_ mask: SIMDMask<SIMD8<Int32>>, _ chosen: UInt32, _ other: Words) -> Words {
  other.replacing(with: Words(repeating: chosen), where: mask)
}

/// `count` ≤ 8 elements from `pointer`, the other lanes zero.
@inline(__always)
func load<Lanes: SIMD>(
  _ pointer: UnsafePointer<Lanes.Scalar>, _ count: Int, as type: Lanes.Type
) -> Lanes {
  if count == laneCount { return UnsafeRawPointer(pointer).loadUnaligned(as: Lanes.self) }
  var lanes = Lanes()
  withUnsafeMutableBytes(of: &lanes) {
    $0.copyMemory(
      from: UnsafeRawBufferPointer(
        start: pointer, count: count &* MemoryLayout<Lanes.Scalar>.stride))
  }
  return lanes
}

/// The first `count` ≤ 8 lanes to `pointer`.
@inline(__always)
func store<Lanes: SIMD>(
  _ lanes: Lanes, _ count: Int, to pointer: UnsafeMutablePointer<Lanes.Scalar>
) {
  if count == laneCount {
    UnsafeMutableRawPointer(pointer).storeBytes(of: lanes, as: Lanes.self)
  } else {
    withUnsafeBytes(of: lanes) {
      UnsafeMutableRawPointer(pointer).copyMemory(
        from: $0.baseAddress.unsafelyUnwrapped,
        byteCount: count &* MemoryLayout<Lanes.Scalar>.stride)
    }
  }
}

/// Calls `body` with the start and the count of each vector of `count` numbers, the last perhaps
/// shorter. A local function marked `@inline(__always)` becomes part of the loop, where a closure
/// may stay a call.
@inline(__always)
func forEachVector(_ count: Int, _ body: (_ start: Int, _ lanes: Int) -> Void) {
  var start = 0
  while start &+ laneCount <= count {
    body(start, laneCount)
    start &+= laneCount
  }
  if start < count { body(start, count &- start) }
}
