// The slow, obvious expert exchange: everybody's tokens are made again from their seeds, and what a
// rank must receive and get back is worked out by looking at all of them.

import MessagePassing

/// How tokens choose their experts.
enum Routing: CaseIterable {
  case random, oneExpert, lastRankOnly, ownRank, emptyRanks, repeated
}

/// An exchange to be made, and the answers.
struct ExchangeReference {
  let worldRanks: [Int]
  let ranksPerNode: Int
  let expertsPerRank: Int
  let slots: Int
  let hidden: Int
  let routing: Routing
  let route: ExchangeRoute
  let seed: Int

  var size: Int { worldRanks.count }
  var experts: Int { expertsPerRank * size }
  var maxTokens: Int { (0..<size).map(tokens).max() ?? 0 }

  func tokens(_ source: Int) -> Int {
    var numbers = Numbers(seed: seed, source, 1)
    if routing == .emptyRanks, source % 2 == 0 { return 0 }
    return Int.random(in: 1...40, using: &numbers)
  }

  func rows(_ source: Int) -> [Float] {
    var numbers = Numbers(seed: seed, source, 2)
    return numbers.floats(tokens(source) * hidden)
  }

  func gates(_ source: Int) -> [Float] {
    var numbers = Numbers(seed: seed, source, 3)
    return numbers.floats(tokens(source) * slots)
  }

  /// [tokens, slots].
  func choices(_ source: Int) -> [Int32] {
    var numbers = Numbers(seed: seed, source, 4)
    return (0..<tokens(source)).flatMap { _ in
      switch routing {
      case .random, .emptyRanks:
        return Array((0..<Int32(experts)).shuffled(using: &numbers).prefix(slots))
      case .oneExpert: return [Int32](repeating: Int32(experts / 2), count: slots)
      case .lastRankOnly:
        let first = experts - expertsPerRank
        return (0..<slots).map { Int32(first + $0 % expertsPerRank) }
      case .ownRank:
        return (0..<slots).map { Int32(source * expertsPerRank + $0 % expertsPerRank) }
      case .repeated:
        return (0..<slots).map { _ in Int32.random(in: 0..<Int32(experts), using: &numbers) }
      }
    }
  }

  func owner(_ expert: Int32) -> Int { Int(expert) / expertsPerRank }
  func node(_ rank: Int) -> Int { worldRanks[rank] / ranksPerNode }

  /// Owners of a token's experts, ascending, each once.
  func owners(_ choices: [Int32], _ token: Int) -> [Int] {
    Set(choices[token * slots..<(token + 1) * slots].map(owner)).sorted()
  }

  /// (source, token) pairs that `rank` receives, in canonical order.
  func received(by rank: Int) -> [(source: Int, token: Int)] {
    (0..<size).flatMap { source in
      let choices = choices(source)
      return (0..<tokens(source)).filter { owners(choices, $0).contains(rank) }
        .map { (source, $0) }
    }
  }

  /// The row that `rank` makes for a token: what combine and gather send back.
  func answer(_ rank: Int, _ source: Int, _ token: Int) -> [Float] {
    var numbers = Numbers(seed: seed, rank, source, token, 5)
    return numbers.floats(hidden)
  }

  /// The gradient of a slot's gate on the rank that owns its expert.
  func gateGradient(_ source: Int, _ token: Int, _ slot: Int) -> Float {
    Float(source * 10_000 + token * 16 + slot + 1)
  }

  /// What combine gives `source`, with the order of additions that the route promises.
  func combined(_ source: Int) -> [Float] {
    let choices = choices(source)
    return (0..<tokens(source)).flatMap { token in
      let owners = owners(choices, token)
      let nodes = route == .direct ? [owners] : Self.groups(owners, by: node)
      let partial = nodes.map { ranks in Self.sum(ranks.map { answer($0, source, token) }) }
      return Self.sum(partial)
    }
  }

  /// The same in double precision, in no particular order.
  func exactlyCombined(_ source: Int) -> [Double] {
    let choices = choices(source)
    return (0..<tokens(source)).flatMap { token in
      owners(choices, token).map { answer($0, source, token).map(Double.init) }
        .reduce([Double](repeating: 0, count: hidden)) { zip($0, $1).map(+) }
    }
  }

  static func groups(_ ranks: [Int], by node: (Int) -> Int) -> [[Int]] {
    Set(ranks.map(node)).sorted().map { wanted in ranks.filter { node($0) == wanted } }
  }

  static func sum(_ rows: [[Float]]) -> [Float] {
    rows.dropFirst().reduce(rows[0]) { zip($0, $1).map(+) }
  }

  /// (token, node) pairs of `source` with the node another than its own.
  func remoteNodePairs(_ source: Int) -> Int {
    let choices = choices(source)
    return (0..<tokens(source)).reduce(0) { pairs, token in
      pairs + Set(owners(choices, token).map(node)).subtracting([node(source)]).count
    }
  }

  /// (token, rank) pairs of `source` with the rank in another node.
  func remoteRankPairs(_ source: Int) -> Int {
    let choices = choices(source)
    return (0..<tokens(source)).reduce(0) { pairs, token in
      pairs + owners(choices, token).filter { node($0) != node(source) }.count
    }
  }
}
