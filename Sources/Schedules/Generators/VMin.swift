// V-Min (Qi et al. 2024, "Pipeline Parallelism with Controllable Memory", arXiv 2405.15362, section
// 3): one micro-batch's forwards and backwards through the folded model as a building block,
// repeated every six slots, with the least memory that such blocks can have.

extension Schedule {
  /// V-Min: rank r holds stages r and 2P − 1 − r; split backwards. Holds about a third of what
  /// 1F1B does: near 2P/3 half-rank activations.
  ///
  /// - Throws: `ScheduleError` of rule `shape` unless both numbers are at least 1.
  package static func vMin(ranks: Int, microbatches: Int) throws(ScheduleError) -> Schedule {
    try MicrobatchRule.any.check(
      "V-Min", ranks: ranks, microbatches: microbatches, stagesPerRank: 2)
    let block = VBlock.tightest(ranks: ranks)
    let orders = (0..<ranks).map { block.order(ofRank: $0, microbatches: microbatches) }
    var squeeze = VSqueeze(ranks: ranks, microbatches: microbatches, orders: orders)
    return try Schedule(
      name: "v-min", stages: 2 * ranks, microbatches: microbatches, actions: squeeze.run())
  }
}

/// The slots of one micro-batch: each stage follows its neighbour at once, with a wait at the three
/// turns of the fold such that no rank's slots collide when the block is repeated.
private struct VBlock {
  let ranks: Int
  /// Slots from the end of one leg (F down, F up, I down, I up) to the beginning of the next.
  let waits: [Int]

  /// F, I and W of two chunks.
  static let period = 6

  /// The block with the shortest waits of which no slots collide on any rank.
  static func tightest(ranks: Int) -> VBlock {
    for sum in 3...(3 * period) {
      for first in 1...(sum - 2) {
        for second in 1...(sum - first - 1) {
          let block = VBlock(ranks: ranks, waits: [first, second, sum - first - second])
          if block.isFree { return block }
        }
      }
    }
    preconditionFailure("odd waits and a second one beside the fold's length do not collide")
  }

  /// Slots of F down, F up, I up, I down.
  private func slots(_ rank: Int) -> [Int] {
    let last = ranks - 1
    let up = last + waits[0]
    let back = up + last + waits[1]
    let home = back + last + waits[2]
    return [rank, up + last - rank, back + rank, home + last - rank]
  }

  /// Whether every rank's four slots are different ones of the period; ranks repeat with it.
  private var isFree: Bool {
    (0..<min(ranks, Self.period)).allSatisfy {
      Set(slots($0).map { $0 % Self.period }).count == 4
    }
  }

  /// The rank's steps over all micro-batches, the weight halves in the first free slot after their
  /// input half.
  func order(ofRank rank: Int, microbatches: Int) -> [VStep] {
    let slots = slots(rank)
    var taken = Set(slots.map { $0 % Self.period })
    var block: [(slot: Int, kind: VStep.Kind, chunk: Int)] = [
      (slots[0], .forward, 0), (slots[1], .forward, 1), (slots[2], .input, 1),
      (slots[3], .input, 0),
    ]
    for (input, chunk) in [(slots[2], 1), (slots[3], 0)] {
      var slot = input + 1
      while taken.contains(slot % Self.period) { slot += 1 }
      taken.insert(slot % Self.period)
      block.append((slot, .weight, chunk))
    }
    var placed: [(slot: Int, step: VStep)] = []
    for microbatch in 0..<microbatches {
      for (slot, kind, chunk) in block {
        let step = VStep(kind: kind, chunk: chunk, microbatch: microbatch)
        placed.append((slot + Self.period * microbatch, step))
      }
    }
    return placed.sorted { $0.slot < $1.slot }.map(\.step)
  }
}
