// Draws of routing, counted: token-level choices are made once, and each layer sees them with its
// experts in an order of its own, so that its popular experts are elsewhere.

internal import Glibc
internal import ModelSpec

/// What a pool of source ranks' rows is drawn from.
struct RoutingDraws: Hashable, Sendable {
  let layout: Layout
  let shape: StepShape
  /// The first so many layers have no experts.
  let denseLayers: Int
  let expertGroups: Int
  let groupsPerToken: Int
  let seed: UInt64
  let skew: Double
  /// Sources of each layer.
  let draws: Int

  /// Rows by layer × draws + draw; no rows in layers without experts.
  func pool() -> [RoutedRows] {
    let sets = choices()
    var sizes: [Int: [[Int32]]] = [:]
    let nodeOfRank = ExchangeGeometry(layout, groupOf: 0).nodeOfRank
    var rows: [RoutedRows] = []
    rows.reserveCapacity((shape.layers + shape.mtpDepth) * draws)
    for layer in 0..<shape.layers + shape.mtpDepth {
      guard layer >= denseLayers else {
        rows += Array(repeating: RoutedRows(toNode: [], toRank: [], pairs: []), count: draws)
        continue
      }
      let tokens = shape.tokens(layer: layer)
      let pairs = sizes[tokens] ?? sets.map { $0.sizes(tokens: tokens) }
      sizes[tokens] = pairs
      let experts = expertsInOrder(layer: layer)
      for (set, pairs) in zip(sets, pairs) {
        rows.append(
          set.rows(experts: experts, pairs: pairs, nodeOfRank: nodeOfRank, tokens: tokens))
      }
    }
    return rows
  }

  /// By place in the layer, the drawn expert that stands there; groups stay together.
  private func expertsInOrder(layer: Int) -> [Int] {
    var random = RandomWords(seed: mixed(seed ^ 0xA5A5) &+ UInt64(layer))
    let size = shape.routedExperts / expertGroups
    return random.permutation(expertGroups).flatMap { group in
      random.permutation(size).map { group * size + $0 }
    }
  }

  /// By draw, which tokens chose which expert.
  private func choices() -> [TokenSets] {
    var random = RandomWords(seed: mixed(seed))
    // Log-normal with mean 1 and the wanted coefficient of variation. Tables are kept as Float,
    // in which the C libraries' last bits of a Double don't show.
    let variance = log(1 + skew * skew)
    let popularity = (0..<shape.routedExperts).map { _ in
      Float(exp(random.normal() * variance.squareRoot() - variance / 2))
    }
    var choice = TokenChoice(
      popularity: popularity, groups: expertGroups, groupsPerToken: groupsPerToken,
      expertsPerToken: shape.expertsPerToken)
    return (0..<draws).map { _ in
      var sets = TokenSets(experts: shape.routedExperts, tokens: shape.tokens)
      for token in 0..<shape.tokens {
        choice.choose(&random)
        for expert in choice.chosen { sets.insert(token, expert: Int(expert)) }
      }
      return sets
    }
  }
}
