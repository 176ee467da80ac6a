// Token-level draws of routing: each token ranks the experts by popularity and chance (Gumbel
// noise, so that the chances are in proportion to popularity), keeps to the best groups, and takes
// the best experts there, as the router does in training (report section 2.1.2).

internal import Glibc
internal import ModelSpec

/// Draws a pool of source ranks' rows for every layer.
struct RoutingDraws {
  let spec: ModelSpec
  let layout: Layout
  /// Of one source and micro-batch.
  let tokens: Int
  let seed: UInt64
  let skew: Double

  /// Rows by layer × draws + draw. Token-level choices are drawn once; each layer sees them with
  /// its experts in an order of its own, so that its popular experts are elsewhere.
  func pool(draws: Int) -> [RoutedRows] {
    let choices = choices(draws: draws)
    let nodeOfRank = ExchangeGeometry(layout, groupOf: 0).nodeOfRank
    let expertsPerRank = spec.routedExperts / layout.expert
    let slots = tokens * spec.expertsPerToken
    var moved = [Int32](repeating: 0, count: slots)
    var rows: [RoutedRows] = []
    rows.reserveCapacity((spec.layers + spec.mtpDepth) * draws)
    for layer in 0..<spec.layers + spec.mtpDepth {
      let order = expertOrder(layer: layer)
      for draw in 0..<draws where spec.hasExperts(layer: layer) {
        for slot in 0..<slots { moved[slot] = order[Int(choices[draw * slots + slot])] }
        rows.append(
          moved.withUnsafeBufferPointer {
            RoutedRows(
              choices: $0, perToken: spec.expertsPerToken, expertsPerRank: expertsPerRank,
              nodeOfRank: nodeOfRank)
          })
      }
      if !spec.hasExperts(layer: layer) {
        rows += Array(repeating: RoutedRows(toNode: [], toRank: [], pairs: []), count: draws)
      }
    }
    return rows
  }

  /// A permutation of the experts that keeps groups together.
  private func expertOrder(layer: Int) -> [Int32] {
    var random = RandomWords(seed: mixed(seed ^ 0xA5A5) &+ UInt64(layer))
    let size = spec.routedExperts / spec.expertGroups
    let groups = random.permutation(spec.expertGroups)
    return (0..<spec.expertGroups).flatMap { group in
      random.permutation(size).map { Int32(groups[group] * size + $0) }
    }
  }

  /// Expert numbers by (draw × tokens + token) × expertsPerToken + slot.
  private func choices(draws: Int) -> [Int32] {
    var random = RandomWords(seed: mixed(seed))
    // Log-normal with mean 1 and the wanted coefficient of variation.
    let variance = log(1 + skew * skew)
    let popularity = (0..<spec.routedExperts).map { _ in
      Float(random.normal() * variance.squareRoot() - variance / 2)
    }
    let noise = (0..<4096).map { Float(-log(-log((Double($0) + 0.5) / 4096))) }
    var choice = TokenChoice(spec)
    var chosen: [Int32] = []
    chosen.reserveCapacity(draws * tokens * spec.expertsPerToken)
    for _ in 0..<draws * tokens {
      choice.choose(popularity: popularity, noise: noise, &random)
      chosen += choice.chosen
    }
    return chosen
  }
}

/// One token's group-limited choice, with its scratch space.
private struct TokenChoice {
  private(set) var chosen: [Int32]
  private var keys: [Float]
  private var groupScores: [Float]
  private let groupSize: Int
  private let groupsPerToken: Int

  init(_ spec: ModelSpec) {
    chosen = [Int32](repeating: 0, count: spec.expertsPerToken)
    keys = [Float](repeating: 0, count: spec.routedExperts)
    groupScores = [Float](repeating: 0, count: spec.expertGroups)
    groupSize = spec.routedExperts / spec.expertGroups
    groupsPerToken = spec.groupsPerToken
  }

  mutating func choose(popularity: [Float], noise: [Float], _ random: inout RandomWords) {
    keys.withUnsafeMutableBufferPointer { keys in
      var word: UInt64 = 0
      for expert in keys.indices {
        if expert % 5 == 0 { word = random.next() }
        keys[expert] = popularity[expert] + noise[Int(word & 4095)]
        word >>= 12
      }
    }
    maskGroups()
    for slot in chosen.indices {
      let best = best(of: 0..<keys.count)
      chosen[slot] = Int32(best)
      keys[best] = -.infinity
    }
  }

  /// Sets the keys outside the best groups to −∞; a group scores the affinities of its best two.
  private mutating func maskGroups() {
    guard groupsPerToken < groupScores.count else { return }
    for group in groupScores.indices {
      var (first, second) = (-Float.infinity, -Float.infinity)
      for expert in group * groupSize..<(group + 1) * groupSize {
        let key = keys[expert]
        if key > first {
          (first, second) = (key, first)
        } else if key > second {
          second = key
        }
      }
      groupScores[group] = affinity(first) + affinity(second)
    }
    for _ in 0..<groupScores.count - groupsPerToken {
      var worst = 0
      for group in groupScores.indices where groupScores[group] < groupScores[worst] {
        worst = group
      }
      groupScores[worst] = .infinity
      for expert in worst * groupSize..<(worst + 1) * groupSize { keys[expert] = -.infinity }
    }
  }

  private func affinity(_ key: Float) -> Float { 1 / (1 + expf(-key)) }

  private func best(of range: Range<Int>) -> Int {
    keys.withUnsafeBufferPointer { keys in
      var best = range.lowerBound
      for expert in range where keys[expert] > keys[best] { best = expert }
      return best
    }
  }
}

/// SplitMix64, with the few shapes of randomness that the draws need.
struct RandomWords {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    defer { state &+= 0x9E37_79B9_7F4A_7C15 }
    return mixed(state)
  }

  /// Uniform in (0, 1).
  mutating func uniform() -> Double { (Double(next() >> 11) + 0.5) / 9_007_199_254_740_992 }

  /// Box–Muller.
  mutating func normal() -> Double {
    (-2 * log(uniform())).squareRoot() * cos(2 * .pi * uniform())
  }

  mutating func permutation(_ count: Int) -> [Int] {
    var order = Array(0..<count)
    for index in stride(from: count - 1, to: 0, by: -1) {
      order.swapAt(index, Int(next() % UInt64(index + 1)))
    }
    return order
  }
}
