// Memory that is used again: a buffer that owns its bytes, and the free list of an exchange.

internal import Glibc

/// Uninitialised memory, aligned to cache lines.
final class ScratchBuffer {
  private(set) var base: UnsafeMutableRawPointer
  private(set) var capacity: Int

  init(bytes: Int) {
    capacity = max(bytes, 64)
    base = Self.allocate(capacity)
  }

  deinit { free(base) }

  private static func allocate(_ bytes: Int) -> UnsafeMutableRawPointer {
    var block: UnsafeMutableRawPointer?
    guard posix_memalign(&block, 64, bytes) == 0, let block else {
      MPIRuntime.abort(
        71, saying: "out of memory: the system refused \(bytes) bytes for messages between ranks")
    }
    return block
  }

  /// Makes room for `bytes`; what was in it is lost if it has to grow.
  func reserve(bytes: Int) {
    guard bytes > capacity else { return }
    free(base)
    capacity = bytes
    base = Self.allocate(capacity)
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
