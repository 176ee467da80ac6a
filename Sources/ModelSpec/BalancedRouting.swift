// Routing without a router: a fixed choice of experts that loads every expert, rank and node alike
// and keeps to the limit on groups. For benchmarks (`model.routing: balanced`) and for simulated
// steps whose routing nobody has run.

/// Token t takes `groupsPerToken` neighbouring groups from group t on, and in each of them experts
/// spread evenly over the group, further by one each time the groups come round.
package struct BalancedRouting: Sendable {
  private let groups: Int
  private let groupSize: Int
  /// Experts taken of each of a token's groups, in turn.
  private let shares: [Int]

  /// `spec` has routed experts.
  package init(_ spec: ModelSpec) {
    precondition(spec.routedExperts > 0, "a model with experts")
    groups = spec.expertGroups
    groupSize = spec.routedExperts / spec.expertGroups
    let used = min(spec.groupsPerToken, spec.expertsPerToken)
    shares = (0..<used).map { (spec.expertsPerToken + used - 1 - $0) / used }
  }

  /// The experts of token `token` (its number in the micro-batch), ascending, into `chosen`.
  package func choose(token: Int, into chosen: UnsafeMutableBufferPointer<Int32>) {
    var slot = 0
    let round = token / groups
    for (number, share) in shares.enumerated() {
      let group = (token + number) % groups
      let stride = groupSize / share
      for k in 0..<share {
        chosen[slot] = Int32(group * groupSize + (round + k * stride) % groupSize)
        slot += 1
      }
    }
    var slots = chosen
    slots.sort()
  }
}
