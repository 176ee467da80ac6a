// The memory behind tensors: blocks of a few sizes, kept for reuse when a tensor ends, so that a
// training step allocates nothing after the first one. Counts live, peak and fresh bytes by what
// they are for.

internal import CSystem
internal import Glibc
internal import Synchronization

/// What memory is used for on the simulated GPU.
package enum MemoryCategory: Int, Sendable, CaseIterable {
  case parameters
  case gradients
  case optimizer
  /// What micro-batches leave for their backward.
  case activations
  /// Working space, hidden states and their gradients that are made, awaited or used, tables. Not
  /// what the expert exchange holds of its messages: on a GPU that is the communication library's.
  case buffers
  /// What only a CPU needs, such as FP32 copies of FP8 operands: nothing on a GPU.
  case emulation
  /// In the memory of the GPU's host.
  case host
  /// Handed to MPI, until the other side has it, which counts it since it awaits it. How long that
  /// takes depends on the load of this machine.
  case sent

  /// Whether the bytes are on the GPU.
  package var isOnGPU: Bool { rawValue <= MemoryCategory.buffers.rawValue }
}

/// Process-wide recycling allocator for tensor storage.
package enum TensorMemory {
  /// Bytes counted by the allocator.
  package struct Usage: Sendable {
    /// Bytes alive now, by `MemoryCategory.rawValue`.
    package var byCategory = SIMD8<Int>.zero
    /// The same when `peak` was reached.
    package var atPeak = SIMD8<Int>.zero
    /// Most of each category since the last `resetPeak()`, each at its own moment.
    package var most = SIMD8<Int>.zero
    /// Bytes of everything alive now that is on the GPU.
    package var live = 0
    /// Largest `live` since the start or the last `resetPeak()`.
    package var peak = 0
    /// Blocks ever asked of the system; constant once a training step has warmed up.
    package var blocksAllocated = 0

    mutating func add(_ bytes: Int, _ category: MemoryCategory) {
      byCategory[category.rawValue] += bytes
      most.replace(with: byCategory, where: byCategory .> most)
      if !category.isOnGPU { return }
      live += bytes
      if live > peak {
        peak = live
        atPeak = byCategory
      }
    }
  }

  struct State {
    var free: [[UInt]] = Array(repeating: [], count: 64 * 4)
    var usage = Usage()
  }

  static let state = Mutex(State())
  static let alignment = 64

  package static var usage: Usage { state.withLock { $0.usage } }

  package static func resetPeak() {
    state.withLock { state in
      state.usage.peak = state.usage.live
      state.usage.atPeak = state.usage.byCategory
      state.usage.most = state.usage.byCategory
    }
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

  static func acquire(_ bytes: Int, _ category: MemoryCategory) -> UnsafeMutableRawPointer {
    let (index, capacity) = sizeClass(bytes)
    let recycled: UInt? = state.withLock { state in
      state.usage.add(bytes, category)
      if let block = state.free[index].popLast() { return block }
      state.usage.blocksAllocated += 1
      return nil
    }
    if let recycled, let pointer = UnsafeMutableRawPointer(bitPattern: recycled) { return pointer }
    var block: UnsafeMutableRawPointer?
    guard posix_memalign(&block, alignment, capacity) == 0, let block else {
      endForLackOfMemory(capacity, "for tensors, beside \(usage.live) bytes of them")
    }
    return block
  }

  /// Says that the system has no memory left and ends the process with EX_OSERR, 71. No
  /// computation can go on without it, and none that calls this is prepared for an error.
  package static func endForLackOfMemory(_ bytes: Int, _ purpose: String) -> Never {
    let end = ending.withLock { $0 }
    end(
      "out of memory: the system refused \(bytes) bytes \(purpose); choose a smaller model, "
        + "sequence or micro-batch, spread it over more ranks or machines, or raise the limit "
        + "('ulimit -v')")
  }

  /// What ends the process with a message, where a process is not alone.
  package static func onLackOfMemory(_ end: @escaping @Sendable (String) -> Never) {
    ending.withLock { $0 = end }
  }

  private static let ending = Mutex<@Sendable (String) -> Never>({ message in
    fputs("dsv3: \(message)\n", dsv3_stderr())
    exit(71)
  })

  static func release(
    _ pointer: UnsafeMutableRawPointer, _ bytes: Int, _ category: MemoryCategory
  ) {
    let (index, _) = sizeClass(bytes)
    state.withLock { state in
      state.usage.add(-bytes, category)
      state.free[index].append(UInt(bitPattern: pointer))
    }
  }

  /// Bytes that were counted as `old` count as `new` from now on.
  static func recount(_ bytes: Int, from old: MemoryCategory, as new: MemoryCategory) {
    state.withLock { state in
      state.usage.add(-bytes, old)
      state.usage.add(bytes, new)
    }
  }
}

/// Bytes in memory of another kind, such as Swift's arrays, that count as long as this value lives.
package final class CountedBytes: Sendable {
  private let bytes: Int
  private let category: MemoryCategory

  package init(_ bytes: Int, for category: MemoryCategory) {
    self.bytes = bytes
    self.category = category
    TensorMemory.state.withLock { $0.usage.add(bytes, category) }
  }

  deinit { TensorMemory.state.withLock { $0.usage.add(-bytes, category) } }
}
