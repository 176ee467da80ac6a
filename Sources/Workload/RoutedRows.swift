// How many rows the routing of one micro-batch in one layer sends where. Kept at the source: what a
// relay forwards and what a rank receives are sums over the sources of its group.

/// Rows of one source rank, for one layer and micro-batch. A token counts once for each node, and
/// once for each rank, that has one of its experts; its own node and rank included (report 3.2.2).
package struct RoutedRows: Hashable, Sendable {
  /// By node of the expert group: tokens with an expert there.
  package var toNode: [Int32]
  /// By rank of the expert group: tokens with an expert there.
  package var toRank: [Int32]
  /// By rank of the expert group: (token, expert) pairs of its experts.
  package var pairs: [Int32]

  package init(toNode: [Int32], toRank: [Int32], pairs: [Int32]) {
    self.toNode = toNode
    self.toRank = toRank
    self.pairs = pairs
  }

  /// Counts the rows of `choices`: for each token, its experts' numbers.
  ///
  /// - Parameters:
  ///   - choices: [tokens × perToken] expert numbers, of all experts of the layer.
  ///   - expertsPerRank: neighbouring experts that one rank of the group holds.
  ///   - nodeOfRank: by rank of the group, its node within the group, counted from 0.
  package init(
    choices: UnsafeBufferPointer<Int32>, perToken: Int, expertsPerRank: Int, nodeOfRank: [Int]
  ) {
    let nodes = (nodeOfRank.max() ?? 0) + 1
    var toNode = [Int32](repeating: 0, count: nodes)
    var toRank = [Int32](repeating: 0, count: nodeOfRank.count)
    var pairs = toRank
    // The token that was last counted there, so that it counts once.
    var nodeSeen = [Int](repeating: -1, count: nodes)
    var rankSeen = [Int](repeating: -1, count: nodeOfRank.count)
    for slot in choices.indices {
      let token = slot / perToken
      let rank = Int(choices[slot]) / expertsPerRank
      let node = nodeOfRank[rank]
      pairs[rank] += 1
      if rankSeen[rank] != token {
        rankSeen[rank] = token
        toRank[rank] += 1
      }
      if nodeSeen[node] != token {
        nodeSeen[node] = token
        toNode[node] += 1
      }
    }
    self.init(toNode: toNode, toRank: toRank, pairs: pairs)
  }
}
