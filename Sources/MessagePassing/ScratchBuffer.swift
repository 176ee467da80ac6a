// Memory that is used again: a buffer that owns its bytes, and the free list of an exchange.

/// Uninitialised memory, aligned to cache lines.
final class ScratchBuffer {
  private(set) var base: UnsafeMutableRawPointer
  private(set) var capacity: Int

  init(bytes: Int) {
    capacity = max(bytes, 64)
    base = .allocate(byteCount: capacity, alignment: 64)
  }

  deinit { base.deallocate() }

  /// Makes room for `bytes`; what was in it is lost if it has to grow.
  func reserve(bytes: Int) {
    guard bytes > capacity else { return }
    base.deallocate()
    capacity = bytes
    base = .allocate(byteCount: capacity, alignment: 64)
  }

  var floats: UnsafeMutablePointer<Float> { base.assumingMemoryBound(to: Float.self) }
  var integers: UnsafeMutablePointer<Int32> { base.assumingMemoryBound(to: Int32.self) }
}

/// Free buffers by size (powers of two), so that a step allocates nothing once the first has run.
/// Pages of a large buffer that are never touched cost no memory.
final class ExchangePool {
  private var free = [[ScratchBuffer]](repeating: [], count: 48)
  private var freeRoutes: [RouteLists] = []

  /// All buffers it ever made, in bytes.
  private(set) var bytes = 0

  /// A buffer of at least `bytes`.
  func take(bytes wanted: Int) -> ScratchBuffer {
    let order = Self.order(wanted)
    if let used = free[order].popLast() { return used }
    bytes += 1 << order
    return ScratchBuffer(bytes: 1 << order)
  }

  func give(_ buffer: ScratchBuffer) {
    free[Self.order(buffer.capacity)].append(buffer)
  }

  func takeRoutes() -> RouteLists { freeRoutes.popLast() ?? RouteLists() }

  func give(_ routes: RouteLists) { freeRoutes.append(routes) }

  private static func order(_ bytes: Int) -> Int {
    Int.bitWidth - max(bytes - 1, 63).leadingZeroBitCount
  }
}
