// E5M6 with power-of-two scales, two numbers in three bytes: how the input of the linear layer
// after attention is kept for the backward (report, section 3.2.3).

/// Bytes of a row of `columns` packed numbers.
package func packedE5M6Bytes(_ columns: Int) -> Int { (columns * 12 + 7) / 8 }

/// Packs rows to E5M6, twelve bits a number, two in three bytes, each row rounded up to whole
/// bytes, with power-of-two scales for tiles of 1 × 128 that bring the largest to 65024 or below.
/// NaN and infinity stay what they are and do not count for the scale.
///
/// - Parameters:
///   - codes: `packedE5M6Bytes(columns)` for each row.
///   - scales: [rows, ⌈columns / 128⌉].
package func packE5M6(
  _ x: FloatRows, codes: UnsafeMutablePointer<UInt8>, scales: UnsafeMutablePointer<Float>
) {
  let side = ScaleTile.side
  let tiles = ScaleTile.row.grid(rows: x.rows, columns: x.columns).columns
  for row in 0..<x.rows {
    let line = x.base + row * x.stride
    let target = codes + row * packedE5M6Bytes(x.columns)
    for tile in 0..<tiles {
      let start = tile * side
      let count = min(side, x.columns - start)
      var largest = largestMagnitude(line + start, count)
      if largest >= FloatBits.exponent {
        largest = largestMagnitude(line + start, count, finiteOnly: true)
      }
      let scale = tileScale(
        Float(bitPattern: largest), .powerOfTwo, smallest: 1e-30, top: 65024)
      scales[row * tiles + tile] = scale
      // Exact, and 1 / scale is exact too.
      let factor = 1 / scale
      @inline(__always)
      func step(_ offset: Int, _ lanes: Int) {
        let scaled = load(line + start + offset, lanes, as: Floats.self) * factor
        let code = E5M6.codes(scaled, limit: E5M6.beyond)
        storePacked(code, lanes, to: target + (start + offset) / 2 * 3)
      }
      forEachVector(count, step)
    }
  }
}

/// Twelve bits of each of the first `count` lanes; the others are zero.
@inline(__always)
private func storePacked(_ code: Words, _ count: Int, to target: UnsafeMutablePointer<UInt8>) {
  // The code of an even place stands in the lower half of 64 bits, its neighbour in the upper one.
  let halves = unsafeBitCast(code, to: SIMD4<UInt64>.self)
  let pairs = SIMD4<UInt32>(truncatingIfNeeded: halves | (halves &>> 20))
  guard count < laneCount else { return storePairs(pairs, to: UnsafeMutableRawPointer(target)) }
  withUnsafeTemporaryAllocation(byteCount: 12, alignment: 4) { buffer in
    let bytes = buffer.baseAddress.unsafelyUnwrapped
    storePairs(pairs, to: bytes)
    UnsafeMutableRawPointer(target).copyMemory(from: bytes, byteCount: packedE5M6Bytes(count))
  }
}

/// Three bytes of each lane.
@inline(__always)
private func storePairs(_ pairs: SIMD4<UInt32>, to target: UnsafeMutableRawPointer) {
  // A fourth byte is written, and then the next pair over it.
  for pair in 0..<3 {
    target.storeBytes(of: pairs[pair], toByteOffset: 3 &* pair, as: UInt32.self)
  }
  target.storeBytes(
    of: UInt16(truncatingIfNeeded: pairs[3]), toByteOffset: 9, as: UInt16.self)
  target.storeBytes(
    of: UInt8(truncatingIfNeeded: pairs[3] &>> 16), toByteOffset: 11, as: UInt8.self)
}

/// The reverse of `packE5M6`.
package func unpackE5M6(
  codes: UnsafePointer<UInt8>, scales: UnsafePointer<Float>, into x: FloatRows
) {
  let side = ScaleTile.side
  let tiles = ScaleTile.row.grid(rows: x.rows, columns: x.columns).columns
  for row in 0..<x.rows {
    let line = x.base + row * x.stride
    let source = codes + row * packedE5M6Bytes(x.columns)
    for tile in 0..<tiles {
      let start = tile * side
      let scale = scales[row * tiles + tile]
      @inline(__always)
      func step(_ offset: Int, _ lanes: Int) {
        let code = loadPacked(source + (start + offset) / 2 * 3, lanes)
        store(E5M6.values(code) * scale, lanes, to: line + start + offset)
      }
      forEachVector(min(side, x.columns - start), step)
    }
  }
}

/// The codes of `count` packed numbers, the other lanes zero.
@inline(__always)
private func loadPacked(_ source: UnsafePointer<UInt8>, _ count: Int) -> Words {
  let pairs: SIMD4<UInt32>
  if count == laneCount {
    pairs = loadPairs(UnsafeRawPointer(source))
  } else {
    pairs = withUnsafeTemporaryAllocation(byteCount: 12, alignment: 4) { buffer in
      buffer.initializeMemory(as: UInt8.self, repeating: 0)
      buffer.copyMemory(
        from: UnsafeRawBufferPointer(start: source, count: packedE5M6Bytes(count)))
      return loadPairs(UnsafeRawPointer(buffer.baseAddress.unsafelyUnwrapped))
    }
  }
  let wide = SIMD4<UInt64>(truncatingIfNeeded: pairs)
  let halves = (wide & 0xfff) | ((wide & 0xff_f000) &<< 20)
  return unsafeBitCast(halves, to: Words.self)
}

/// Three bytes into each lane.
@inline(__always)
private func loadPairs(_ source: UnsafeRawPointer) -> SIMD4<UInt32> {
  var pairs = SIMD4<UInt32>()
  // A fourth byte comes along, and goes with the mask of the caller.
  for pair in 0..<3 {
    pairs[pair] = source.loadUnaligned(fromByteOffset: 3 &* pair, as: UInt32.self)
  }
  pairs[3] = source.loadUnaligned(fromByteOffset: 8, as: UInt32.self) &>> 8
  return pairs
}
