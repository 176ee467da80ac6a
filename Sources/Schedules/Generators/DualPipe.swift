// DualPipe (DeepSeek-V3 report, arXiv 2412.19437, section 3.2.1 and figure 5), in the order of
// deepseek-ai/DualPipe@3da1bbe, dualpipe/dualpipe.py `step()`: every rank works through eight
// phases named by what they repeat, with 0 for the micro-batches that enter at its own end of the
// pipe and 1 for those from the other end.

extension Schedule {
  /// DualPipe. Rank r holds stages r and P − 1 − r. Micro-batches 0..<m/2 enter at rank 0,
  /// m/2..<m at rank P − 1. Holds at most P + 1 activations.
  ///
  /// - Throws: `ScheduleError` of rule `shape` unless `ranks` is even and `microbatches` is even
  ///   and at least 2 × `ranks`.
  package static func dualpipe(ranks: Int, microbatches: Int) throws(ScheduleError) -> Schedule {
    try checkDualPipe(ranks: ranks, microbatches: microbatches)
    let actions = (0..<ranks).map { rank in
      var builder = DualPipeRank(ranks: ranks, microbatches: microbatches, rank: rank)
      builder.run()
      return builder.actions
    }
    return try Schedule(
      name: "dualpipe", stages: ranks, microbatches: microbatches, actions: actions)
  }

  private static func checkDualPipe(ranks: Int, microbatches: Int) throws(ScheduleError) {
    let rule = MicrobatchRule.dualpipe(ranks: ranks)
    guard ranks >= 2, ranks % 2 == 0, rule.allows(microbatches) else {
      throw ScheduleError(
        .shape,
        "DualPipe needs an even number of ranks and at least 2 × ranks micro-batches, "
          + "an even number: got \(ranks) ranks and \(microbatches) micro-batches")
    }
    try rule.check("DualPipe", ranks: ranks, microbatches: microbatches)
  }
}

extension MicrobatchRule {
  /// Two pipes with as many micro-batches each, and each pipe at least filled.
  static func dualpipe(ranks: Int) -> MicrobatchRule {
    MicrobatchRule(minimum: 2 * min(max(ranks, 1), Schedule.largestCellCount), multiple: 2)
  }
}

/// Writes one rank's list.
private struct DualPipeRank {
  /// Which way a micro-batch goes through the ranks.
  enum Direction: Int {
    case down, up

    var opposite: Direction { self == .down ? .up : .down }
  }

  let ranks: Int
  /// Micro-batches of one direction (m/2).
  let perDirection: Int
  let rank: Int
  private(set) var actions: [Action] = []
  /// Micro-batches of each direction forwarded and backwarded so far.
  private var forwarded = [0, 0]
  private var backwarded = [0, 0]
  /// Input gradients whose weight gradients are still to be made, first in, first out.
  private var pendingWeights: [Cell] = []
  private var firstPendingWeight = 0

  init(ranks: Int, microbatches: Int, rank: Int) {
    self.ranks = ranks
    self.perDirection = microbatches / 2
    self.rank = rank
  }

  /// P/2, written H below.
  private var half: Int { ranks / 2 }
  /// Steps from the nearer end of the pipe, 0..<H, written d below.
  private var distance: Int { min(rank, ranks - 1 - rank) }
  /// Direction "0" of the phase names.
  private var own: Direction { rank < half ? .down : .up }
  private var isMiddle: Bool { distance == half - 1 }

  mutating func run() {
    nF0()
    nF0F1()
    nB1W1F1()
    nF0B1F1B0()
    nB1F1B0()
    nB1B0()
    nWB0()
    nW()
  }

  /// Phase 1, 2 (H − d − 1) times: fill the own direction.
  private mutating func nF0() {
    for _ in 0..<(2 * (half - distance - 1)) { forward(own) }
  }

  /// Phase 2, d + 1 times: both directions fill.
  private mutating func nF0F1() {
    for _ in 0..<(distance + 1) {
      forward(own)
      forward(own.opposite)
    }
  }

  /// Phase 3, H − d − 1 times: split backwards, so that the gradient travels on at once.
  private mutating func nB1W1F1() {
    for _ in 0..<(half - distance - 1) {
      backwardInput(own.opposite)
      backwardWeight()
      forward(own.opposite)
    }
  }

  /// Phase 4, the main one, m/2 − P + d + 1 times: pairs in both directions. The middle ranks run
  /// their first F0 and B1 apart, which shortens the bubble.
  private mutating func nF0B1F1B0() {
    for iteration in 0..<(perDirection - ranks + distance + 1) {
      if iteration == 0 && isMiddle {
        forward(own)
        backward(own.opposite)
      } else {
        pair(forward: own, backward: own.opposite)
      }
      pair(forward: own.opposite, backward: own)
    }
  }

  /// Phase 5, H − d − 1 times: the own direction has no forwards left.
  private mutating func nB1F1B0() {
    for _ in 0..<(half - distance - 1) {
      backward(own.opposite)
      pair(forward: own.opposite, backward: own)
    }
  }

  /// Phase 6, d + 1 times: both directions drain; of the 2 (d + 1) backwards the last d + 1 are
  /// split.
  private mutating func nB1B0() {
    let count = distance + 1
    for iteration in 0..<count {
      for (offset, direction) in [own.opposite, own].enumerated() {
        if 2 * iteration + offset < count {
          backward(direction)
        } else {
          backwardInput(direction)
        }
      }
    }
  }

  /// Phase 7, H − d − 1 times: weight gradients fill the wait for the own direction's last
  /// backwards.
  private mutating func nWB0() {
    for _ in 0..<(half - distance - 1) {
      backwardWeight()
      backwardInput(own)
    }
  }

  /// Phase 8, d + 1 times: the weight gradients left.
  private mutating func nW() {
    for _ in 0..<(distance + 1) { backwardWeight() }
  }

  // MARK: single actions

  private mutating func forward(_ direction: Direction) {
    actions.append(.forward(nextForward(direction)))
  }

  private mutating func backward(_ direction: Direction) {
    actions.append(.backward(nextBackward(direction)))
  }

  private mutating func backwardInput(_ direction: Direction) {
    let cell = nextBackward(direction)
    actions.append(.backwardInput(cell))
    pendingWeights.append(cell)
  }

  private mutating func backwardWeight() {
    actions.append(.backwardWeight(pendingWeights[firstPendingWeight]))
    firstPendingWeight += 1
  }

  private mutating func pair(forward: Direction, backward: Direction) {
    actions.append(
      .overlapped(forward: nextForward(forward), backward: nextBackward(backward)))
  }

  private mutating func nextForward(_ direction: Direction) -> Cell {
    defer { forwarded[direction.rawValue] += 1 }
    return cell(direction, forwarded[direction.rawValue])
  }

  private mutating func nextBackward(_ direction: Direction) -> Cell {
    defer { backwarded[direction.rawValue] += 1 }
    return cell(direction, backwarded[direction.rawValue])
  }

  private func cell(_ direction: Direction, _ number: Int) -> Cell {
    switch direction {
    case .down: Cell(stage: rank, microbatch: number)
    case .up: Cell(stage: ranks - 1 - rank, microbatch: perDirection + number)
    }
  }
}
