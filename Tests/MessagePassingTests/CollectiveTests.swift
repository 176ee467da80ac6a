// Collectives against the obvious: every rank makes all contributions again from their seeds and
// adds them up one after the other.

import MPITestSupport
import MessagePassing
import Testing

extension MPITests {
  @MainActor @Suite(.serialized) struct CollectiveTests {
    /// Shards of a buffer of `length`: even, one rank with most of it, empty ones.
    nonisolated enum Cut: CaseIterable { case even, lopsided, withEmptyShards }

    static func shards(_ length: Int, _ size: Int, _ cut: Cut) -> [Range<Int>] {
      var bounds = (0...size).map { length * $0 / size }
      switch cut {
      case .even: break
      case .lopsided: for index in 1..<max(size, 1) { bounds[index] = length - size + index }
      case .withEmptyShards: for index in 1..<max(size, 1) { bounds[index] = bounds[index & ~1] }
      }
      return (0..<size).map { bounds[$0]..<bounds[$0 + 1] }
    }

    /// Lengths around the 16,384 floats of a chunk, so that one, two and several rounds are made.
    @Test(arguments: [16, 1_003, 16_384 * 4, 16_384 * 17 + 5], Cut.allCases)
    func reduceScatterIsTheSumInAscendingOrderBitForBit(length: Int, cut: Cut) throws {
      let world = try MPITestWorld.world()
      let shards = Self.shards(length, world.size, cut)
      let contributions = (0..<world.size).map { rank in
        var numbers = Numbers(seed: 7, length, rank)
        return numbers.floats(length)
      }
      var expected = contributions[0]
      for rank in 1..<max(world.size, 1) {
        for index in 0..<length { expected[index] += contributions[rank][index] }
      }
      var buffer = contributions[world.rank]
      try buffer.withUnsafeMutableBufferPointer { buffer in
        try world.reduceScatterSum(buffer, shards: shards)
      }
      let own = shards[world.rank]
      let same = own.allSatisfy { buffer[$0].bitPattern == expected[$0].bitPattern }
      #expect(same)
    }

    @Test(arguments: [16, 1_003, 500_000], Cut.allCases)
    func allGatherGivesEveryRankTheOwnersFloats(length: Int, cut: Cut) throws {
      let world = try MPITestWorld.world()
      let shards = Self.shards(length, world.size, cut)
      var numbers = Numbers(seed: 8, length)
      let expected = numbers.floats(length)
      var buffer = [Float](repeating: .nan, count: length)
      for index in shards[world.rank] { buffer[index] = expected[index] }
      try buffer.withUnsafeMutableBufferPointer { buffer in
        try world.allGather(buffer, shards: shards)
      }
      #expect(buffer == expected)
    }

    /// Elements of 2 bytes, as BF16 weights have, and of 7; what belongs to nobody stays.
    @Test(arguments: [2, 7], Cut.allCases)
    func allGatherOfBytesGivesEveryRankTheOwnersElements(elementBytes: Int, cut: Cut) throws {
      let world = try MPITestWorld.world()
      let shards = Self.shards(10_007, world.size, cut)
      var numbers = Numbers(seed: 10, elementBytes)
      let expected = (0..<10_007 * elementBytes).map { _ in
        UInt8(truncatingIfNeeded: numbers.next())
      }
      var buffer = [UInt8](repeating: 0, count: expected.count) + [1, 2, 3]
      for element in shards[world.rank] {
        for byte in element * elementBytes..<(element + 1) * elementBytes {
          buffer[byte] = expected[byte]
        }
      }
      try buffer.withUnsafeMutableBytes { bytes in
        try world.allGather(bytes: bytes, shards: shards, elementBytes: elementBytes)
      }
      let same = buffer == expected + [1, 2, 3]
      #expect(same)
    }

    @Test func scalarSumsAreInOrderAndTheSameOnAllRanks() throws {
      let world = try MPITestWorld.world()
      func values(_ rank: Int) -> [Double] {
        var numbers = Numbers(seed: 9, rank)
        return (0..<5).map { _ in Double.random(in: -1e6...1e6, using: &numbers) }
      }
      var expected = values(0)
      var largest = values(0)
      var smallest = values(0)
      for rank in 1..<max(world.size, 1) {
        for (index, value) in values(rank).enumerated() {
          expected[index] += value
          largest[index] = max(largest[index], value)
          smallest[index] = min(smallest[index], value)
        }
      }
      #expect(try world.allReduceSum(values(world.rank)) == expected)
      #expect(try world.allReduceMax(values(world.rank)) == largest)
      #expect(try world.allReduceMin(values(world.rank)) == smallest)
      // 0 + 1 + … + (n − 1) = n (n − 1) / 2.
      #expect(
        try world.allReduceSum([world.rank, 1]) == [world.size * (world.size - 1) / 2, world.size])
    }

    @Test func aNaNOnAnyRankIsSeenByAll() throws {
      let world = try MPITestWorld.world()
      let value = world.rank == world.size - 1 ? Double.nan : 1
      #expect(try world.allReduceMax([value])[0].isNaN)
      #expect(try world.allReduceMin([value])[0].isNaN)
      #expect(try world.allReduceSum([value])[0].isNaN)
    }

    @Test func spreadIsMinimumMeanAndMaximum() throws {
      let world = try MPITestWorld.world()
      let last = Double(world.size - 1)
      let spread = try world.spread(Double(world.rank))
      #expect(spread == Spread(minimum: 0, mean: last / 2, maximum: last))
    }

    @Test func broadcastReachesEveryRankFromAnyRoot() throws {
      let world = try MPITestWorld.world()
      for root in 0..<world.size {
        let message = Array("from \(root)".utf8)
        let own = world.rank == root ? message : []
        #expect(try world.broadcast(bytes: own, root: root) == message)
        #expect(try world.broadcast(bytes: [], root: root) == [])
        var numbers = [Int](repeating: world.rank, count: 10_000)
        try world.broadcast(&numbers, root: root)
        #expect(numbers.allSatisfy { $0 == root })
      }
    }

    @Test func theLowestFailingRankIsAgreedOn() throws {
      let world = try MPITestWorld.world()
      #expect(try world.agree(failure: nil) == nil)
      for failing in 0..<world.size {
        let code = world.rank >= failing ? Int32(60 + world.rank) : nil
        #expect(
          try world.agree(failure: code) == Failure(rank: failing, code: Int32(60 + failing)))
      }
      #expect(try world.agreeOnAny(world.rank == world.size - 1))
      #expect(try !world.agreeOnAny(false))
    }

    /// Everyone writes its rank after the barrier before may have been left by nobody early: the
    /// sum of what was entered so far can only be seen whole.
    @Test func barriersAndScalarsDoNotOvertakeEachOther() throws {
      let world = try MPITestWorld.world()
      for round in 0..<200 {
        try world.barrier()
        #expect(try world.allReduceSum([round]) == [round * world.size])
      }
    }
  }
}
