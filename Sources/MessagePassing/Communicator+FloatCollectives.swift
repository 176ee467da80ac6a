// Reduce-scatter and all-gather of large buffers, made of point-to-point messages: sums are
// taken in ascending order of ranks whatever arrives first, so they have the same bits every time.

extension Communicator {
  /// Floats of a shard that travel in one message of a reduce-scatter: those of all ranks stay in
  /// the cache until they are added up.
  private static let chunk = 1 << 14

  /// Sums a buffer over the ranks, each keeping its part. On entry every rank holds a contribution
  /// to the whole buffer; on return `buffer[shards[rank]]` holds ((c₀ + c₁) + c₂) + … in fp32,
  /// ascending by rank; the other ranges are unchanged. Collective.
  ///
  /// - Parameter shards: one range of `buffer` per rank, disjoint, the same on all ranks.
  package func reduceScatterSum(
    _ buffer: UnsafeMutableBufferPointer<Float>, shards: [Range<Int>]
  ) throws(MPIError) {
    precondition(shards.count == size, "\(shards.count) shards for \(size) ranks")
    guard size > 1, let base = buffer.baseAddress else { return }
    let tag = takeTags(1)
    let longest = shards.reduce(0) { max($0, $1.count) }
    let rounds = (longest + Self.chunk - 1) / Self.chunk
    let lot = Self.chunk * size
    scratch.reserve(bytes: 2 * lot * MemoryLayout<Float>.size)
    let sends = Transfer(waiter: waiter)
    // Two rounds of receives under way: one is added up while the other arrives.
    let receives = [Transfer(waiter: waiter), Transfer(waiter: waiter)]
    if rounds > 0 {
      try exchangeChunks(0, base, shards, tag, scratch.floats, sends, receives[0])
    }
    for round in 0..<rounds {
      let next = round + 1
      if next < rounds {
        try exchangeChunks(
          next, base, shards, tag, scratch.floats + (next % 2) * lot, sends, receives[next % 2])
      }
      try receives[round % 2].wait()
      let own = Self.chunkRange(round, of: shards[rank])
      sumChunks(scratch.floats + (round % 2) * lot, into: base + own.lowerBound, count: own.count)
    }
    try sends.wait()
  }

  private static func chunkRange(_ round: Int, of shard: Range<Int>) -> Range<Int> {
    let start = min(shard.lowerBound + round * chunk, shard.upperBound)
    return start..<min(start + chunk, shard.upperBound)
  }

  private func exchangeChunks(
    _ round: Int, _ base: UnsafeMutablePointer<Float>, _ shards: [Range<Int>], _ tag: Int,
    _ into: UnsafeMutablePointer<Float>, _ sends: Transfer, _ receives: Transfer
  ) throws(MPIError) {
    let own = Self.chunkRange(round, of: shards[rank])
    for peer in 0..<size where peer != rank && !own.isEmpty {
      let slot = UnsafeMutableBufferPointer(start: into + peer * Self.chunk, count: own.count)
      try receive(UnsafeMutableRawBufferPointer(slot), from: peer, tag: tag, on: receives)
    }
    // Each rank starts with its successor, so that not all send to rank 0 first.
    for step in 1..<size {
      let peer = (rank + step) % size
      let range = Self.chunkRange(round, of: shards[peer])
      guard !range.isEmpty else { continue }
      let part = UnsafeBufferPointer(start: base + range.lowerBound, count: range.count)
      try send(UnsafeRawBufferPointer(part), to: peer, tag: tag, on: sends)
    }
  }

  /// own ← ((c₀ + c₁) + c₂) + …, where c_rank is `own` itself and the others lie in `slots`.
  private func sumChunks(
    _ slots: UnsafeMutablePointer<Float>, into own: UnsafeMutablePointer<Float>, count: Int
  ) {
    if rank > 0 {
      // Rank 0's slot accumulates; this rank's turn comes in the order of ranks.
      for peer in 1..<size {
        addFloats(slots, peer == rank ? own : slots + peer * Self.chunk, count)
      }
      own.update(from: slots, count: count)
    } else {
      for peer in 1..<size { addFloats(own, slots + peer * Self.chunk, count) }
    }
  }

  /// Every rank gets every rank's part of a buffer: on entry `buffer[shards[rank]]` is valid, on
  /// return all shards are. Collective. Shards as in `reduceScatterSum`.
  package func allGather(
    _ buffer: UnsafeMutableBufferPointer<Float>, shards: [Range<Int>]
  ) throws(MPIError) {
    try allGather(
      bytes: UnsafeMutableRawBufferPointer(buffer), shards: shards,
      elementBytes: MemoryLayout<Float>.size)
  }

  /// As above, of elements of any kind, `elementBytes` each: for example weights in BF16.
  /// Collective.
  ///
  /// - Parameter shards: in elements.
  package func allGather(
    bytes: UnsafeMutableRawBufferPointer, shards: [Range<Int>], elementBytes: Int
  ) throws(MPIError) {
    precondition(shards.count == size, "\(shards.count) shards for \(size) ranks")
    precondition(
      elementBytes > 0
        && shards.allSatisfy { $0.isEmpty || $0.upperBound * elementBytes <= bytes.count },
      "shards \(shards) of \(elementBytes) bytes an element in \(bytes.count) bytes")
    guard size > 1, let base = bytes.baseAddress else { return }
    let tag = takeTags(1)
    let under = Transfer(waiter: waiter)
    for step in 1..<size {
      let peer = (rank + size - step) % size
      for piece in Self.pieces(of: shards[peer], elementBytes) {
        let into = UnsafeMutableRawBufferPointer(
          start: base + piece.lowerBound, count: piece.count)
        try receive(into, from: peer, tag: tag, on: under)
      }
    }
    for step in 1..<size {
      let peer = (rank + step) % size
      for piece in Self.pieces(of: shards[rank], elementBytes) {
        let part = UnsafeRawBufferPointer(start: base + piece.lowerBound, count: piece.count)
        try send(part, to: peer, tag: tag, on: under)
      }
    }
    try under.wait()
  }

  /// The bytes of a shard in pieces that fit a message (MPI counts bytes in 32 bits).
  private static func pieces(of shard: Range<Int>, _ elementBytes: Int) -> [Range<Int>] {
    let (start, end) = (shard.lowerBound * elementBytes, shard.upperBound * elementBytes)
    return stride(from: start, to: end, by: 1 << 30).map { $0..<min($0 + 1 << 30, end) }
  }
}

/// sum[i] += term[i].
@inline(__always)
func addFloats(
  _ sum: UnsafeMutablePointer<Float>, _ term: UnsafePointer<Float>, _ count: Int
) {
  var index = 0
  while index + 8 <= count {
    let a = UnsafeRawPointer(sum + index).loadUnaligned(as: SIMD8<Float>.self)
    let b = UnsafeRawPointer(term + index).loadUnaligned(as: SIMD8<Float>.self)
    UnsafeMutableRawPointer(sum + index).storeBytes(of: a + b, as: SIMD8<Float>.self)
    index += 8
  }
  while index < count {
    sum[index] += term[index]
    index += 1
  }
}
