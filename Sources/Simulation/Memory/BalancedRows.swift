// How many rows of a micro-batch balanced routing brings to a rank. A token is sent once to a rank
// however many of its experts live there, so the rows are fewer than the (token, expert) pairs.

package import ModelSpec

/// Rows of one layer and micro-batch on one rank of an expert group.
package struct BalancedRows: Hashable, Sendable {
  /// Rows that arrive: (token, rank) pairs.
  package var received: Int
  /// Rows that the experts work on: (token, expert) pairs.
  package var pairs: Int
  /// Rows that the rank takes in for its node from other nodes and from its own.
  package var relayed: Int

  package init(received: Int, pairs: Int, relayed: Int) {
    self.received = received
    self.pairs = pairs
    self.relayed = relayed
  }

  /// The expectation when each allowed choice of experts is as likely as any other: groups first,
  /// then experts within the chosen groups. Rounded up. Every rank sends `tokens`, so the mean of
  /// what a rank gets is what a rank sends.
  package static func balanced(_ spec: ModelSpec, _ layout: Layout, tokens: Int) -> BalancedRows {
    guard spec.routedExperts > 0 else { return BalancedRows(received: 0, pairs: 0, relayed: 0) }
    let nodes = layout.expert / layout.gpusPerNode
    func rows(over parts: Int) -> Int {
      Int((Double(tokens) * holders(of: spec, parts: parts)).rounded(.up))
    }
    return BalancedRows(
      received: rows(over: layout.expert), pairs: tokens * spec.expertsPerToken,
      relayed: nodes > 1 ? rows(over: nodes) : 0)
  }

  /// Expected number of `parts` equal runs of experts that have at least one of a token's experts.
  static func holders(of spec: ModelSpec, parts: Int) -> Double {
    let size = spec.routedExperts / parts
    let groupSize = spec.routedExperts / spec.expertGroups
    let eligible = spec.groupsPerToken * groupSize
    func chance(_ open: Int) -> Double {
      1 - missing(open, of: eligible, drawn: spec.expertsPerToken)
    }
    let mean: Double
    if size % groupSize == 0 {
      // The part has whole groups, some of which may be among the chosen.
      let own = size / groupSize
      let all = choose(spec.expertGroups, spec.groupsPerToken)
      mean = (0...min(own, spec.groupsPerToken)).reduce(0) { sum, chosen in
        let others = choose(spec.expertGroups - own, spec.groupsPerToken - chosen)
        return sum + choose(own, chosen) * others / all * chance(chosen * groupSize)
      }
    } else if groupSize % size == 0 {
      mean = Double(spec.groupsPerToken) / Double(spec.expertGroups) * chance(size)
    } else {
      // Parts that cut across groups: as if there were no groups.
      mean = 1 - missing(size, of: spec.routedExperts, drawn: spec.expertsPerToken)
    }
    return mean * Double(parts)
  }

  /// Probability that none of `drawn` out of `all` is among `marked` of them.
  private static func missing(_ marked: Int, of all: Int, drawn: Int) -> Double {
    (0..<drawn).reduce(1) { $0 * Double(max(all - marked - $1, 0)) / Double(all - $1) }
  }

  private static func choose(_ all: Int, _ some: Int) -> Double {
    guard (0...max(all, 0)).contains(some) else { return 0 }
    return (0..<some).reduce(1) { $0 * Double(all - $1) / Double($1 + 1) }
  }
}
