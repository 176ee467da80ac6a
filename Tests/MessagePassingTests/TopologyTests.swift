// Relays, worked out by hand; no MPI.

import MessagePassing
import Testing

@Suite struct TopologyTests {
  private func topology(
    _ rank: Int, of worldRanks: [Int], ranksPerNode: Int, route: ExchangeRoute = .twoHop
  ) throws -> ExchangeTopology {
    try ExchangeTopology(
      rank: rank, worldRanks: worldRanks, ranksPerNode: ranksPerNode,
      experts: worldRanks.count * 2, route: route)
  }

  /// World ranks 8…15 on nodes of 4: group ranks 0…3 and 4…7. Rank 5 has index 1, and so relays
  /// for rank 1; its own relay in node 0 is rank 1.
  @Test func aRelayIsTheRankWithTheSameIndexInTheNode() throws {
    let topology = try topology(5, of: Array(8..<16), ranksPerNode: 4)
    #expect(topology.members == [[0, 1, 2, 3], [4, 5, 6, 7]])
    #expect(topology.relayInNode == [1, 5])
    #expect(topology.sources == [[0, 4], [1, 5], [2, 6], [3, 7]])
    #expect(topology.ownerOfExpert == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7])
  }

  /// World ranks 1, 2, 3, 4 on nodes of 2 are nodes {1}, {2, 3}, {4} with indices {1}, {0, 1}, {0};
  /// group ranks {0}, {1, 2}, {3}. Rank 3 (index 0) finds no index 0 in node 0, whose only member
  /// stands in; in node 1 it is rank 1. Rank 0 (index 1): in node 1 rank 2, in node 2 rank 3.
  @Test func whereTheIndexIsMissingMembersTakeTurns() throws {
    let worldRanks = [1, 2, 3, 4]
    #expect(try topology(0, of: worldRanks, ranksPerNode: 2).relayInNode == [0, 2, 3])
    #expect(try topology(3, of: worldRanks, ranksPerNode: 2).relayInNode == [0, 1, 3])
    #expect(try topology(1, of: worldRanks, ranksPerNode: 2).sources == [[1, 3], [0, 2]])
    #expect(try topology(0, of: worldRanks, ranksPerNode: 2).sources == [[0, 1, 2, 3]])
  }

  @Test(arguments: [1, 2, 3, 4, 8, 16], [1, 2, 3, 4, 8])
  func everySourceHasOneRelayInEveryNode(size: Int, ranksPerNode: Int) throws {
    for first in 0..<4 {
      let worldRanks = Array(first..<first + size)
      let views = try (0..<size).map {
        try topology($0, of: worldRanks, ranksPerNode: ranksPerNode)
      }
      for (rank, view) in views.enumerated() {
        // Seen from any member of a node, each source is in exactly one list of that node.
        #expect(view.sources.flatMap { $0 }.sorted() == Array(0..<size))
        for (node, relay) in view.relayInNode.enumerated() {
          let place = try #require(views[relay].members[node].firstIndex(of: relay))
          #expect(views[relay].sources[place].contains(rank))
        }
      }
    }
  }

  @Test func theDirectRouteIsOneNode() throws {
    let topology = try topology(2, of: [0, 1, 2, 3], ranksPerNode: 1, route: .direct)
    #expect(topology.members == [[0, 1, 2, 3]])
    #expect(topology.sources == [[0], [1], [2], [3]])
    #expect(topology.relayInNode == [2])
  }

  @Test func impossibleLayoutsAreRefused() {
    for (experts, ranksPerNode) in [(5, 2), (0, 2), (4, 0)] {
      #expect(throws: MPIError.self) {
        try ExchangeTopology(
          rank: 0, worldRanks: [0, 1], ranksPerNode: ranksPerNode, experts: experts,
          route: .twoHop)
      }
    }
  }
}
