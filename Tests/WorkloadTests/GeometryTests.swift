// Nodes and relays of expert groups, worked out by hand, and what the sums over sources keep.
import ModelSpec
import Testing
import Workload

@Suite struct GeometryTests {
  @Test func wholeNodesRelayByTheSameIndex() {
    // Ranks 8–15 of 4 GPUs a node: nodes {8…11}, {12…15}; 9 is GPU 1, as 13 is.
    let geometry = ExchangeGeometry(worldRanks: Array(8..<16), gpusPerNode: 4)
    #expect(geometry.nodeOfRank == [0, 0, 0, 0, 1, 1, 1, 1])
    #expect(geometry.members == [[0, 1, 2, 3], [4, 5, 6, 7]])
    for source in 0..<8 {
      let other = source < 4 ? 1 : 0
      #expect(geometry.relays[source * 2 + other] == (source + 4) % 8)
      #expect(geometry.relays[source * 2 + 1 - other] == source)
    }
  }

  @Test func raggedNodesTakeTurnsWhereAnIndexIsMissing() {
    // Ranks 2–7 of 3 GPUs a node: {2}, {3, 4, 5}, {6, 7}; GPU numbers 2 | 0 1 2 | 0 1.
    let geometry = ExchangeGeometry(worldRanks: Array(2..<8), gpusPerNode: 3)
    #expect(geometry.nodeOfRank == [0, 1, 1, 1, 2, 2])
    #expect(geometry.members == [[0], [1, 2, 3], [4, 5]])
    // By source, the relay on each node. Rank 2 (GPU 2) finds GPU 2 in node 1 (place 3), none in
    // node 2: it is the first of its node, so the first there. Places 1 and 2 (GPU 0 and 1, first
    // and second of node 1) find only place 0 in node 0; place 3 (GPU 2, third) takes member
    // 2 mod 2 = 0 of node 2.
    let expected = [
      [0, 3, 4],
      [0, 1, 4],
      [0, 2, 5],
      [0, 3, 4],
      [0, 1, 4],
      [0, 2, 5],
    ]
    #expect(geometry.relays == expected.flatMap(\.self))
  }

  /// Two nodes of two. Source 0's tokens: 5 to node 0, 7 to node 1; its relay there is 2.
  @Test func loadsOfOneSourceGoOverItsRelay() {
    let geometry = ExchangeGeometry(worldRanks: [0, 1, 2, 3], gpusPerNode: 2)
    let none = RoutedRows(toNode: [0, 0], toRank: [0, 0, 0, 0], pairs: [0, 0, 0, 0])
    let rows = RoutedRows(toNode: [5, 7], toRank: [3, 4, 6, 2], pairs: [3, 5, 6, 2])
    let loads = ExchangeLoads([rows, none, none, none], geometry)
    #expect(loads.networkOut == [7, 0, 0, 0])
    #expect(loads.networkIn == [0, 0, 7, 0])
    #expect(loads.nvlinkOut == [4, 0, 2, 0])
    #expect(loads.nvlinkIn == [0, 4, 0, 2])
    #expect(loads.pairs == [3, 5, 6, 2])
  }

  @Test(arguments: [(8, 4, 0), (8, 3, 0), (6, 4, 2), (5, 2, 1), (16, 8, 8), (4, 1, 0), (4, 8, 4)])
  func whatGoesOutComesIn(ranks: Int, gpusPerNode: Int, first: Int) {
    let geometry = ExchangeGeometry(
      worldRanks: Array(first..<first + ranks), gpusPerNode: gpusPerNode)
    var random = TestRandom(state: UInt64(ranks * 100 + gpusPerNode))
    let perToken = 3
    let sources = (0..<ranks).map { _ in
      let choices = (0..<50).flatMap { _ in
        // Three distinct experts of two a rank.
        Array(
          (0..<2 * ranks).map { (random.below(1 << 20), Int32($0)) }
            .sorted { $0.0 < $1.0 }.prefix(perToken).map(\.1))
      }
      return choices.withUnsafeBufferPointer {
        RoutedRows(
          choices: $0, perToken: perToken, expertsPerRank: 2, nodeOfRank: geometry.nodeOfRank)
      }
    }
    let loads = ExchangeLoads(sources, geometry)
    func sum(_ counts: [Int32]) -> Int { counts.reduce(0) { $0 + Int($1) } }
    #expect(sum(loads.networkOut) == sum(loads.networkIn))
    #expect(sum(loads.nvlinkOut) == sum(loads.nvlinkIn))
    #expect(sum(loads.pairs) == ranks * 50 * perToken)
    for (rank, rows) in sources.enumerated() {
      let remote = rows.toNode.indices.filter { $0 != geometry.nodeOfRank[rank] }
      #expect(Int(loads.networkOut[rank]) == remote.reduce(0) { $0 + Int(rows.toNode[$1]) })
      // A rank gets over NVLink what is for it and is relayed by another GPU of its node.
      let node = geometry.nodeOfRank[rank]
      let others = sources.indices.filter {
        geometry.relays[$0 * geometry.nodes + node] != rank
      }
      #expect(
        Int(loads.nvlinkIn[rank]) == others.reduce(0) { $0 + Int(sources[$1].toRank[rank]) })
    }
  }
}
