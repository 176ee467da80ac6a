// V-Half (Qi et al. 2024, "Pipeline Parallelism with Controllable Memory", arXiv 2405.15362,
// section 3): the folded model under half of 1F1B's activation memory. The paper fixes the memory
// and leaves the order to a greedy scheduler; so does this one, which tries rules of precedence and
// keeps the order with the shortest makespan at F = I = W.

extension Schedule {
  /// V-Half: rank r holds stages r and 2P − 1 − r; split backwards. Holds at most P + 2 half-rank
  /// activations, to `W`.
  ///
  /// - Throws: `ScheduleError` of rule `shape` unless both numbers are at least 1.
  package static func vHalf(ranks: Int, microbatches: Int) throws(ScheduleError) -> Schedule {
    try MicrobatchRule.any.check(
      "V-Half", ranks: ranks, microbatches: microbatches, stagesPerRank: 2)
    var search = VHalfSearch(ranks: ranks, microbatches: microbatches)
    return try Schedule(
      name: "v-half", stages: 2 * ranks, microbatches: microbatches, actions: search.run())
  }
}

/// Tries rules until its budget is spent, so that large pipelines are made as quickly as small
/// ones are made well. Deterministic: the budget is in decisions, not in seconds.
private struct VHalfSearch {
  let ranks: Int
  let microbatches: Int
  private var best: (slots: Int, rule: VRule, actions: [[Action]])?
  /// Decisions of a rank in a slot that may still be made.
  private var budget = 500_000

  init(ranks: Int, microbatches: Int) {
    self.ranks = ranks
    self.microbatches = microbatches
  }

  mutating func run() -> [[Action]] {
    for rule in VRule.likely(ranks: ranks) where budget > 0 || best == nil { attempt(rule) }
    improve()
    guard let best else { preconditionFailure("a rule that leaves room always finishes") }
    return best.actions
  }

  /// Changes the best rule at one place of one rank and keeps what is not worse, over and over.
  private mutating func improve() {
    var random = SplitMix64(seed: 1)
    while budget > 0, var rule = best?.rule {
      rule.change(at: random.below(ranks), how: random.below(8), by: random.below(6))
      attempt(rule)
    }
  }

  /// Runs `rule` and keeps what is not worse than the best so far.
  private mutating func attempt(_ rule: VRule) {
    var greedy = VGreedy(ranks: ranks, microbatches: microbatches, limit: ranks + 2, rule: rule)
    let actions = greedy.run(unlessLongerThan: best?.slots ?? .max)
    budget -= greedy.slots * ranks
    if let actions { best = (greedy.slots, rule, actions) }
  }
}

/// What the ranks of the greedy scheduler prefer.
struct VRule {
  /// When a weight half goes before anything but an input half.
  enum Weights: CaseIterable {
    /// Never: it fills what would be idle.
    case last
    /// When memory for only one more activation is left.
    case whenShort
    /// When two, or three, are due.
    case whenTwo, whenThree
  }

  /// By rank, forwards of chunk 0 ahead of their backwards.
  var ahead: [Int]
  /// By rank.
  var weights: [Weights]
  /// By rank, first to last, as (kind, chunk).
  var precedence: [[(kind: VStep.Kind, chunk: Int)]]

  /// Another rule at `rank`: mostly further ahead or less far, or other weights, or two steps of
  /// the precedence swapped.
  mutating func change(at rank: Int, how: Int, by amount: Int) {
    switch how {
    case 0, 1: weights[rank] = Weights.allCases[amount % Weights.allCases.count]
    case 2, 3: precedence[rank].swapAt(amount % 3, amount % 3 + 1)
    default: ahead[rank] = max(1, ahead[rank] + (amount < 3 ? -1 : 1))
    }
  }

  /// Rules that are good for some shapes, the most successful first.
  static func likely(ranks: Int) -> [VRule] {
    let orders: [[(VStep.Kind, Int)]] = [
      [(.forward, 1), (.input, 0), (.forward, 0), (.input, 1)],
      [(.forward, 1), (.input, 1), (.input, 0), (.forward, 0)],
      [(.input, 0), (.forward, 1), (.input, 1), (.forward, 0)],
      [(.forward, 1), (.input, 0), (.input, 1), (.forward, 0)],
      [(.input, 1), (.input, 0), (.forward, 1), (.forward, 0)],
    ]
    // Halfway between the first rank's P + 1 and the last one's P / 2; or room left for the
    // forwards of chunk 1 that come back before the first backward; or P.
    let ahead = [
      (0..<ranks).map { ranks + 1 - ($0 + 1) / 2 },
      (0..<ranks).map { max(ranks + 1 - $0, ranks / 2 + 1) },
      (0..<ranks).map { max(ranks + 1 - $0, ranks / 2 + 2) },
      (0..<ranks).map { _ in ranks },
    ]
    return ahead.flatMap { ahead in
      orders.flatMap { order in
        Weights.allCases.map { weights in
          VRule(
            ahead: ahead, weights: Array(repeating: weights, count: ranks),
            precedence: Array(repeating: order, count: ranks))
        }
      }
    }
  }
}
