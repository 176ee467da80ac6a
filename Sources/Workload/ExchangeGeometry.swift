// Which ranks of an expert group share a node, and who relays for whom: the two hops of the report
// (section 3.2.2), as arithmetic on rank numbers.

package import ModelSpec

/// An expert group's nodes and relays; ranks are numbered within the group.
package struct ExchangeGeometry: Hashable, Sendable {
  /// By rank: its node within the group, numbered from 0 in ascending order.
  package let nodeOfRank: [Int]
  /// By node: its ranks, ascending.
  package let members: [[Int]]
  /// By source × nodes + node: the rank there that relays for the source; the source itself for
  /// its own node.
  package let relays: [Int]

  /// - Parameters:
  ///   - worldRanks: of the group, ascending.
  ///   - gpusPerNode: world rank / `gpusPerNode` is a rank's node.
  package init(worldRanks: [Int], gpusPerNode: Int) {
    let places = worldRanks.map { $0 / gpusPerNode }
    let present = Set(places).sorted()
    let node = places.map { place in present.firstIndex(of: place) ?? 0 }
    let members = present.indices.map { wanted in node.indices.filter { node[$0] == wanted } }
    nodeOfRank = node
    self.members = members
    let inNode = worldRanks.map { $0 % gpusPerNode }
    relays = node.indices.flatMap { source in
      members.indices.map { target in
        if node[source] == target { return source }
        if let same = members[target].first(where: { inNode[$0] == inNode[source] }) {
          return same
        }
        // A node that has no rank with the source's index takes turns by position.
        let position = members[node[source]].firstIndex(of: source) ?? 0
        return members[target][position % members[target].count]
      }
    }
  }

  /// The geometry of the group that world rank `rank` belongs to.
  package init(_ layout: Layout, groupOf rank: Int) {
    self.init(worldRanks: layout.expertGroup(of: rank), gpusPerNode: layout.gpusPerNode)
  }

  package var ranks: Int { nodeOfRank.count }
  package var nodes: Int { members.count }
}

/// What each rank of an expert group puts on its ports in one dispatch; a combine is the reverse.
/// Rows that stay on a GPU, or on a NIC's own node, are not counted.
package struct ExchangeLoads: Hashable, Sendable {
  /// By rank: rows that leave for other nodes, and that come from them.
  package var networkOut: [Int32]
  package var networkIn: [Int32]
  /// By rank: rows to and from the other GPUs of the node.
  package var nvlinkOut: [Int32]
  package var nvlinkIn: [Int32]
  /// By rank: (token, expert) pairs that its experts work on.
  package var pairs: [Int32]

  package init(ranks: Int) {
    networkOut = [Int32](repeating: 0, count: ranks)
    networkIn = networkOut
    nvlinkOut = networkOut
    nvlinkIn = networkOut
    pairs = networkOut
  }

  /// Sums the rows of all sources of a group, by place in it.
  package init(_ sources: [RoutedRows], _ geometry: ExchangeGeometry) {
    self.init(ranks: geometry.ranks)
    let nodes = geometry.nodes
    for (source, rows) in sources.enumerated() {
      let own = geometry.nodeOfRank[source]
      for node in 0..<nodes {
        let relay = geometry.relays[source * nodes + node]
        if node != own {
          networkOut[source] += rows.toNode[node]
          networkIn[relay] += rows.toNode[node]
        }
        for rank in geometry.members[node] where rank != relay {
          nvlinkOut[relay] += rows.toRank[rank]
          nvlinkIn[rank] += rows.toRank[rank]
        }
      }
      for rank in 0..<geometry.ranks { pairs[rank] += rows.pairs[rank] }
    }
  }
}
