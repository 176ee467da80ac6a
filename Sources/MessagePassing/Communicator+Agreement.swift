// Small collectives: sums of scalars in the order of ranks, extremes, broadcast, barrier, and the
// agreement on a failure. All go to the group's first rank and back.

/// A rank that failed, and the exit code it asks for.
package struct Failure: Sendable, Equatable {
  package let rank: Int
  package let code: Int32

  package init(rank: Int, code: Int32) {
    self.rank = rank
    self.code = code
  }
}

/// A figure over all ranks.
package struct Spread: Sendable, Equatable {
  package let minimum: Double
  package let mean: Double
  package let maximum: Double

  package init(minimum: Double, mean: Double, maximum: Double) {
    self.minimum = minimum
    self.mean = mean
    self.maximum = maximum
  }
}

extension Communicator {
  /// Sum over ranks, element by element, in ascending order of ranks; the same bits on every rank.
  /// All ranks give the same number of values. Collective.
  package func allReduceSum(_ values: [Double]) throws(MPIError) -> [Double] {
    try reduced(values) { $0 + $1 }
  }

  /// Sum over ranks, element by element; traps on overflow. Collective.
  package func allReduceSum(_ values: [Int]) throws(MPIError) -> [Int] {
    try reduced(values) { $0 + $1 }
  }

  /// Largest over ranks, element by element. A NaN anywhere gives NaN. Collective.
  package func allReduceMax(_ values: [Double]) throws(MPIError) -> [Double] {
    try reduced(values) { $0.isNaN || $0 > $1 ? $0 : $1 }
  }

  /// Smallest over ranks, element by element. A NaN anywhere gives NaN. Collective.
  package func allReduceMin(_ values: [Double]) throws(MPIError) -> [Double] {
    try reduced(values) { $0.isNaN || $0 < $1 ? $0 : $1 }
  }

  /// Smallest, mean and largest of one figure per rank. Collective.
  package func spread(_ value: Double) throws(MPIError) -> Spread {
    let all = try allGather([value])
    let sum = all.reduce(0) { $0 + $1 }
    return Spread(
      minimum: all.reduce(value) { min($0, $1) }, mean: sum / Double(size),
      maximum: all.reduce(value) { max($0, $1) })
  }

  /// The lowest rank that reports a failure and its code, the same on all ranks; nil if none does.
  /// Each rank passes an exit code, or nil if it is well. Collective.
  package func agree(failure code: Int32?) throws(MPIError) -> Failure? {
    let codes = try allGather([code.map { Int64($0) } ?? Int64.max])
    guard let rank = codes.firstIndex(where: { $0 != Int64.max }) else { return nil }
    return Failure(rank: rank, code: Int32(codes[rank]))
  }

  /// Whether any rank says yes (for example: a signal asked for a checkpoint). Collective.
  package func agreeOnAny(_ flag: Bool) throws(MPIError) -> Bool {
    try allReduceSum([flag ? 1 : 0])[0] > 0
  }

  /// Returns when all ranks have come here. Collective.
  package func barrier() throws(MPIError) { _ = try allReduceSum([0]) }

  /// Values of all ranks, by rank; every rank gives the same number. Collective.
  package func allGather<Value: BitwiseCopyable>(
    _ values: [Value]
  ) throws(MPIError) -> [Value] {
    guard size > 1, let first = values.first else { return values }
    var all = [Value](repeating: first, count: values.count * size)
    try collect(values, into: &all)
    try broadcast(&all, root: 0)
    return all
  }

  /// `values` of `root` replace those of all other ranks, which must be as many. Collective.
  package func broadcast<Value: BitwiseCopyable>(
    _ values: inout [Value], root: Int
  ) throws(MPIError) {
    let transfer = Transfer(waiter: waiter)
    let tag = takeTags(1)
    guard size > 1, !values.isEmpty else { return }
    try withBytes(of: &values) { bytes throws(MPIError) in
      try spreadTree(bytes, root: root, tag: tag, transfer)
    }
  }

  /// Bytes of `root`, on every rank; the others need not know how many. Collective.
  package func broadcast(bytes: [UInt8], root: Int) throws(MPIError) -> [UInt8] {
    var length = [bytes.count]
    try broadcast(&length, root: root)
    var result = rank == root ? bytes : [UInt8](repeating: 0, count: length[0])
    try broadcast(&result, root: root)
    return result
  }

  /// Memory of `root` replaces that of all other ranks. Collective.
  package func broadcast(
    _ bytes: UnsafeMutableRawBufferPointer, root: Int
  ) throws(MPIError) {
    let tag = takeTags(1)
    guard size > 1, !bytes.isEmpty else { return }
    try spreadTree(bytes, root: root, tag: tag, Transfer(waiter: waiter))
  }

  // MARK: Parts

  private func reduced<Value: BitwiseCopyable>(
    _ values: [Value], _ combine: (Value, Value) -> Value
  ) throws(MPIError) -> [Value] {
    guard size > 1, let first = values.first else { return values }
    var all = [Value](repeating: first, count: rank == 0 ? values.count * size : 0)
    try collect(values, into: &all)
    var result = values
    if rank == 0 {
      for peer in 1..<size {
        for index in values.indices {
          result[index] = combine(result[index], all[peer * values.count + index])
        }
      }
    }
    try broadcast(&result, root: 0)
    return result
  }

  /// Rank 0's `all` becomes the values of all ranks, by rank.
  private func collect<Value: BitwiseCopyable>(
    _ values: [Value], into all: inout [Value]
  ) throws(MPIError) {
    let tag = takeTags(1)
    let transfer = Transfer(waiter: waiter)
    var own = values
    if rank != 0 {
      try withBytes(of: &own) { bytes throws(MPIError) in
        try send(UnsafeRawBufferPointer(bytes), to: 0, tag: tag, on: transfer)
        try transfer.wait()
      }
      return
    }
    for index in values.indices { all[index] = values[index] }
    let length = values.count * MemoryLayout<Value>.stride
    try withBytes(of: &all) { bytes throws(MPIError) in
      for peer in 1..<size {
        let part = UnsafeMutableRawBufferPointer(
          rebasing: bytes[peer * length..<(peer + 1) * length])
        try receive(part, from: peer, tag: tag, on: transfer)
      }
      try transfer.wait()
    }
  }

  /// Binomial tree: a rank that has the bytes passes them on in halves.
  private func spreadTree(
    _ bytes: UnsafeMutableRawBufferPointer, root: Int, tag: Int, _ transfer: Transfer
  ) throws(MPIError) {
    let place = (rank - root + size) % size
    var reach = 1
    while reach < size { reach *= 2 }
    if place != 0 {
      let lowest = place & -place
      try receive(bytes, from: (place - lowest + root) % size, tag: tag, on: transfer)
      try transfer.wait()
      reach = lowest
    }
    while reach > 1 {
      reach /= 2
      if place + reach < size {
        try send(
          UnsafeRawBufferPointer(bytes), to: (place + reach + root) % size, tag: tag, on: transfer)
      }
    }
    try transfer.wait()
  }

  private func withBytes<Value: BitwiseCopyable>(
    of values: inout [Value], _ body: (UnsafeMutableRawBufferPointer) throws(MPIError) -> Void
  ) throws(MPIError) {
    try values.withUnsafeMutableBufferPointer { (buffer) throws(MPIError) in
      try body(UnsafeMutableRawBufferPointer(buffer))
    }
  }
}
