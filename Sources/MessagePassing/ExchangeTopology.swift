// Who relays for whom in the expert exchange (DeepSeek-V3 report, section 3.2.2): a token crosses
// InfiniBand once per target node, to the rank with the same index in that node, and goes on over
// NVLink to the ranks that own its experts.

/// How tokens travel to the ranks that own their experts.
package enum ExchangeRoute: Sendable {
  /// Across nodes once per target node, then within the node. What the report does.
  case twoHop
  /// One message from each rank to each other: the reference.
  case direct
}

/// The nodes of a group of ranks, and its relays. Everything in ranks of the group.
///
/// The direct route is the same with all ranks in one node: there is no first hop.
package struct ExchangeTopology {
  /// The rank whose view this is, and the ranks of the group.
  package let rank: Int
  package let size: Int
  /// Expert → the rank that owns it.
  package let ownerOfExpert: [Int32]
  let expertsPerRank: Int
  /// Rank → node that routes (0 for all on the direct route), numbered from 0 in ascending order.
  let node: [Int]
  /// Rank → node of the simulated cluster.
  let fabricNode: [Int]
  /// Ranks of each routing node, ascending.
  package let members: [[Int]]
  /// Ranks for which each member of this rank's node relays into this node, itself among them;
  /// by index in the node, ascending.
  package let sources: [[Int]]

  var ownNode: Int { node[rank] }
  /// Ranks of this rank's node, this one among them.
  var local: [Int] { members[ownNode] }
  let ownLocal: Int

  /// - Parameters:
  ///   - worldRanks: of the group, ascending; world rank / `ranksPerNode` is a rank's node.
  ///   - experts: of the whole group, a multiple of its size.
  /// - Throws: an `MPIError` when the experts can't be divided among the ranks.
  package init(
    rank: Int, worldRanks: [Int], ranksPerNode: Int, experts: Int, route: ExchangeRoute
  ) throws(MPIError) {
    let size = worldRanks.count
    guard ranksPerNode > 0, experts > 0, experts % size == 0 else {
      throw .refused(
        "ExpertExchange",
        "\(experts) experts over \(size) ranks, \(ranksPerNode) ranks a node: every rank must "
          + "own the same number of experts, and a node must have ranks")
    }
    self.rank = rank
    self.size = size
    expertsPerRank = experts / size
    let perRank = expertsPerRank
    ownerOfExpert = (0..<experts).map { Int32($0 / perRank) }

    let places = worldRanks.map { $0 / ranksPerNode }
    let present = Set(places).sorted()
    let fabric = places.map { place in present.firstIndex(of: place) ?? 0 }
    fabricNode = fabric
    let node = route == .direct ? [Int](repeating: 0, count: size) : fabric
    self.node = node
    let nodes = route == .direct ? 1 : present.count
    let members = (0..<nodes).map { wanted in (0..<size).filter { node[$0] == wanted } }
    self.members = members
    let own = members[node[rank]]
    ownLocal = own.firstIndex(of: rank) ?? 0
    let inNode = worldRanks.map { $0 % ranksPerNode }
    sources = own.map { relay in
      (0..<size).filter { source in
        relay == Self.relay(source, node[rank], node: node, members: members, inNode: inNode)
      }
    }
    relayInNode = members.indices.map { target in
      Self.relay(rank, target, node: node, members: members, inNode: inNode)
    }
  }

  /// The rank in each node that relays this rank's tokens; this rank itself for its own node.
  package let relayInNode: [Int]

  /// The rank of `target` that relays for `source`: the one with the same index in its node. Where
  /// a group covers nodes unevenly and there is none, the members take turns by position.
  private static func relay(
    _ source: Int, _ target: Int, node: [Int], members: [[Int]], inNode: [Int]
  ) -> Int {
    if node[source] == target { return source }
    if let same = members[target].first(where: { inNode[$0] == inNode[source] }) { return same }
    let position = members[node[source]].firstIndex(of: source) ?? 0
    return members[target][position % members[target].count]
  }
}
