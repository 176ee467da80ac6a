// The expert exchange against its obvious reference, for routings from random to absurd, nodes of
// 1, 2 and 4 ranks, whole and partial worlds, in two hops and directly.

import MPITestSupport
import MessagePassing
import Testing

/// Ranks that make up the expert group.
enum Members: CaseIterable {
  /// All ranks in one group.
  case whole
  /// Two groups, each half of the world.
  case halves
  /// All but the first rank: the first node is covered unevenly.
  case allButFirst
}

extension MPITests {
  @MainActor @Suite(.serialized) struct ExchangeTests {
    private static var groups: [String: Communicator] = [:]

    /// The group of this rank, or nil for a rank outside.
    static func group(_ members: Members) throws -> Communicator? {
      let world = try MPITestWorld.world()
      let size = world.size
      let ranks: [Int]
      switch members {
      case .whole: ranks = Array(0..<size)
      case .halves:
        guard size > 1 else { return world }
        ranks = world.rank < size / 2 ? Array(0..<size / 2) : Array(size / 2..<size)
      case .allButFirst:
        guard size > 1 else { return world }
        ranks = Array(1..<size)
      }
      guard ranks.contains(world.rank) else { return nil }
      if let known = groups["\(members)"] { return known }
      let group = try world.subgroup(worldRanks: ranks, tag: 20 + ranks[0])
      groups["\(members)"] = group
      return group
    }

    static func reference(
      _ group: Communicator, _ ranksPerNode: Int, _ routing: Routing, _ route: ExchangeRoute,
      seed: Int = 11
    ) -> ExchangeReference {
      ExchangeReference(
        worldRanks: group.worldRanks, ranksPerNode: ranksPerNode, expertsPerRank: 5, slots: 4,
        hidden: 17, routing: routing, route: route, seed: seed)
    }

    static func exchange(
      _ group: Communicator, _ reference: ExchangeReference
    ) throws -> ExpertExchange {
      try ExpertExchange(
        group: group, ranksPerNode: reference.ranksPerNode, experts: reference.experts,
        expertsPerToken: reference.slots, hidden: reference.hidden, route: reference.route)
    }

    @Test(arguments: Routing.allCases, [1, 2, 4])
    func everyRankGetsItsTokensAndEverySourceItsSums(routing: Routing, ranksPerNode: Int) throws {
      for members in Members.allCases {
        guard let group = try Self.group(members) else { continue }
        for route in [ExchangeRoute.twoHop, .direct] {
          let reference = Self.reference(group, ranksPerNode, routing, route)
          let exchange = try Self.exchange(group, reference)
          var round = Round(reference, exchange)
          for _ in 0..<2 {
            // The second time with buffers from the free list, which hold old numbers.
            try round.dispatch()
            round.checkReceived()
            try round.combine()
            try round.scatter()
            try round.gather()
          }
        }
      }
      try MPITestWorld.world().barrier()
    }

    @Test(arguments: Routing.allCases, [1, 2, 4])
    func infinibandCarriesEachTokenOncePerRemoteNode(
      routing: Routing, ranksPerNode: Int
    ) throws {
      let group = try MPITestWorld.world()
      for route in [ExchangeRoute.twoHop, .direct] {
        let reference = Self.reference(group, ranksPerNode, routing, route)
        let exchange = try Self.exchange(group, reference)
        var round = Round(reference, exchange)
        try round.dispatch()
        let row = reference.hidden * 4
        let pairs =
          route == .twoHop
          ? reference.remoteNodePairs(group.rank) : reference.remoteRankPairs(group.rank)
        // A relay may have forwarded, but only on NVLink.
        #expect(exchange.traffic.infinibandBytes == pairs * row)
        try round.combine()
        try round.scatter()
        try round.gather()
        // Over all ranks, each of the four exchanges carries every pair once.
        let all = (0..<group.size).reduce(0) { sum, source in
          sum
            + (route == .twoHop
              ? reference.remoteNodePairs(source) : reference.remoteRankPairs(source))
        }
        let bytes = try group.allReduceSum([exchange.traffic.infinibandBytes])[0]
        #expect(bytes == 4 * all * row)
        if group.size <= ranksPerNode { #expect(bytes == 0) }
        if group.size == 1 { #expect(exchange.traffic == ExchangeTraffic()) }
      }
    }

    /// Six exchanges under way on two groups' worth of tags, finished in an order that differs from
    /// rank to rank: relays must forward for others while their rank waits for something else.
    @Test(arguments: [ExchangeRoute.twoHop, .direct])
    func exchangesFinishInAnyOrder(route: ExchangeRoute) throws {
      let group = try MPITestWorld.world()
      let reference = Self.reference(group, 2, .random, route)
      let exchange = try Self.exchange(group, reference)
      let other = try Self.exchange(group, reference)
      var rounds = (0..<6).map { index in
        Round(
          Self.reference(group, 2, .random, route, seed: 100 + index),
          index % 2 == 0 ? exchange : other)
      }
      var order = Numbers(seed: 77, group.rank)
      for index in rounds.indices { try rounds[index].startDispatch() }
      for index in rounds.indices.shuffled(using: &order) {
        try rounds[index].finishDispatch()
        rounds[index].checkReceived()
      }
      for index in rounds.indices { try rounds[index].startCombine() }
      try exchange.progress()
      for index in rounds.indices.shuffled(using: &order) { try rounds[index].finishCombine() }
    }

    /// Even ranks wait for a message that the odd rank after them sends only when it has all its
    /// tokens, which even ranks must forward to it: a wait for anything must forward, too.
    @Test(needs(ranks: 4)) func aRelayForwardsWhateverItWaitsFor() throws {
      let group = try MPITestWorld.world()
      let reference = Self.reference(group, 2, .random, .twoHop)
      let exchange = try Self.exchange(group, reference)
      var byte: UInt8 = 0
      for _ in 0..<20 {
        var round = Round(reference, exchange)
        try round.startDispatch()
        try withUnsafeMutableBytes(of: &byte) { bytes in
          if group.rank % 2 == 0 {
            try group.receive(bytes, from: group.rank + 1, tag: 4).wait()
            try round.finishDispatch()
          } else {
            try round.finishDispatch()
            try group.send(UnsafeRawBufferPointer(bytes), to: group.rank - 1, tag: 4).wait()
          }
        }
        round.checkReceived()
        try round.combine()
      }
    }

    /// Rows of two rounds ago are in memory that is used again: nothing piles up.
    @Test func memoryIsUsedAgain() throws {
      let group = try MPITestWorld.world()
      let reference = Self.reference(group, 2, .random, .twoHop)
      let exchange = try Self.exchange(group, reference)
      func rounds(_ count: Int) throws {
        for _ in 0..<count {
          var round = Round(reference, exchange)
          try round.dispatch()
          try round.combine()
          try round.scatter()
          try round.gather()
        }
      }
      try rounds(5)
      try group.barrier()
      let before = exchange.bufferBytes
      try rounds(20)
      // A receiver may take a message late, and its sender then needs another buffer meanwhile.
      #expect(exchange.bufferBytes <= before + before / 2)
    }

    @Test func receivedRowsMayBePlacedByTheCaller() throws {
      let group = try MPITestWorld.world()
      let reference = Self.reference(group, 2, .random, .twoHop)
      let exchange = try Self.exchange(group, reference)
      var round = Round(reference, exchange)
      try round.startDispatch()
      let memory = UnsafeMutablePointer<Float>.allocate(
        capacity: reference.maxTokens * group.size * reference.hidden)
      defer { memory.deallocate() }
      try round.finishDispatch { _ in memory }
      #expect(round.received?.rows == UnsafePointer(memory))
      round.checkReceived()
      try round.combine()
    }

    @Test func expertsThatCannotBeDividedAreRefused() throws {
      let group = try MPITestWorld.world()
      guard group.size > 1 else { return }
      #expect(throws: MPIError.self) {
        try ExpertExchange(
          group: group, ranksPerNode: 2, experts: group.size + 1, expertsPerToken: 1, hidden: 1,
          route: .twoHop)
      }
    }
  }
}
