// A number that tells one state of memory from another, quick enough to be taken of all weights in
// every step. Not cryptographic: it is to tell flipped bits, of which a single one always shows.

/// Digest of a sequence of pieces of memory.
package struct WeightDigest {
  /// 32 lanes that each take one word of 32 bits at a time, as FNV-1a does (Fowler, Noll, Vo); the
  /// shift brings changes in a word's high bits down, which a product only moves up. Each step is a
  /// bijection of lane and of word, so two memories that differ in one word differ in the digest.
  private var lanes: (Lane, Lane, Lane, Lane)
  private var rest: UInt64 = 0xcbf2_9ce4_8422_2325

  private typealias Lane = SIMD8<UInt32>

  package init() {
    let start = Lane(0, 1, 2, 3, 4, 5, 6, 7) &+ 0x811c_9dc5
    lanes = (start, start &+ 8, start &+ 16, start &+ 24)
  }

  @inline(__always)
  private static func step(_ lane: Lane, _ word: Lane) -> Lane {
    let product = (lane ^ word) &* 0x0100_0193
    return product ^ (product &>> 15)
  }

  private mutating func addToRest(_ word: UInt64) {
    rest = (rest ^ word) &* 0x100_0000_01b3
    rest ^= rest >> 29
  }

  package mutating func add(_ bytes: UnsafeMutableRawBufferPointer) {
    guard let base = bytes.baseAddress else { return }
    let lot = 4 * MemoryLayout<Lane>.size
    let whole = bytes.count / lot * lot
    var offset = 0
    while offset < whole {
      let next = base + offset
      lanes.0 = Self.step(lanes.0, next.loadUnaligned(as: Lane.self))
      lanes.1 = Self.step(lanes.1, next.loadUnaligned(fromByteOffset: 32, as: Lane.self))
      lanes.2 = Self.step(lanes.2, next.loadUnaligned(fromByteOffset: 64, as: Lane.self))
      lanes.3 = Self.step(lanes.3, next.loadUnaligned(fromByteOffset: 96, as: Lane.self))
      offset += lot
    }
    for byte in bytes[whole...] { addToRest(UInt64(byte)) }
  }

  package var value: UInt64 {
    var all = self
    for lane in [lanes.0, lanes.1, lanes.2, lanes.3] {
      for index in lane.indices { all.addToRest(UInt64(lane[index])) }
    }
    return all.rest
  }
}
