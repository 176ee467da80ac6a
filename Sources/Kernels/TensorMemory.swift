// The memory behind tensors: blocks of a few sizes, kept for reuse when a tensor ends, so that a
// training step allocates nothing after the first one. Counts live, peak and fresh bytes.

internal import Synchronization

/// Process-wide recycling allocator for tensor storage.
package enum TensorMemory {
  /// Bytes counted by the allocator.
  package struct Usage: Sendable {
    /// Bytes of the tensors alive now.
    package var live = 0
    /// Largest `live` since the start or the last `resetPeak()`.
    package var peak = 0
    /// Blocks ever asked of the system; constant once a training step has warmed up.
    package var blocksAllocated = 0
  }

  struct State {
    var free: [[UInt]] = Array(repeating: [], count: 64 * 4)
    var usage = Usage()
  }

  static let state = Mutex(State())
  static let alignment = 64

  package static var usage: Usage { state.withLock { $0.usage } }

  package static func resetPeak() {
    state.withLock { $0.usage.peak = $0.usage.live }
  }

  /// Smallest of the sizes 4·2ⁿ, 5·2ⁿ, 6·2ⁿ, 7·2ⁿ that holds `bytes`, and its number.
  @inline(__always)
  static func sizeClass(_ bytes: Int) -> (index: Int, capacity: Int) {
    let wanted = Swift.max(bytes, 256)
    let exponent = Int.bitWidth - 1 - (wanted - 1).leadingZeroBitCount
    let step = 1 << (exponent - 2)
    let quarters = (wanted - (1 << exponent) + step - 1) / step
    return (exponent * 4 + quarters, (1 << exponent) + quarters * step)
  }

  static func acquire(_ bytes: Int) -> UnsafeMutableRawPointer {
    let (index, capacity) = sizeClass(bytes)
    let recycled: UInt? = state.withLock { state in
      state.usage.live += bytes
      state.usage.peak = Swift.max(state.usage.peak, state.usage.live)
      if let block = state.free[index].popLast() { return block }
      state.usage.blocksAllocated += 1
      return nil
    }
    if let recycled, let pointer = UnsafeMutableRawPointer(bitPattern: recycled) { return pointer }
    return .allocate(byteCount: capacity, alignment: alignment)
  }

  static func release(_ pointer: UnsafeMutableRawPointer, _ bytes: Int) {
    let (index, _) = sizeClass(bytes)
    state.withLock { state in
      state.usage.live -= bytes
      state.free[index].append(UInt(bitPattern: pointer))
    }
  }
}
