// ZB-V (Qi et al. 2024, "Zero Bubble Pipeline Parallelism", arXiv 2401.10241, section 6) in the
// handcrafted order that sail-sg and torch.distributed.pipelining's ScheduleZBVZeroBubble run. The
// model is folded: rank r holds stage r on the way down and stage 2P − 1 − r on the way up.

extension Schedule {
  /// ZB-V: two chunks per rank, split backwards. Holds at most 2P half-rank activations; no idle
  /// time within a rank's span when F = I = W and there are at least 2P − 1 micro-batches.
  ///
  /// - Throws: `ScheduleError` of rule `shape` unless both numbers are at least 1.
  package static func zeroBubbleV(ranks: Int, microbatches: Int) throws(ScheduleError) -> Schedule {
    try MicrobatchRule.any.check(
      "ZB-V", ranks: ranks, microbatches: microbatches, stagesPerRank: 2)
    let actions = (0..<ranks).map { rank in
      var builder = ZeroBubbleVRank(ranks: ranks, microbatches: microbatches, rank: rank)
      builder.run()
      return builder.actions
    }
    return try Schedule(
      name: "zb-v", stages: 2 * ranks, microbatches: microbatches, actions: actions)
  }
}

/// Writes one rank's list. Phases are named by what they repeat, with the chunk behind each kind.
private struct ZeroBubbleVRank {
  let ranks: Int
  let microbatches: Int
  let rank: Int
  private(set) var actions: [Action] = []
  /// By chunk, micro-batches forwarded, backwarded, and done with their weight half.
  private var forwarded = [0, 0]
  private var backwarded = [0, 0]
  private var weighted = [0, 0]

  init(ranks: Int, microbatches: Int, rank: Int) {
    self.ranks = ranks
    self.microbatches = microbatches
    self.rank = rank
  }

  /// The order is that of at least 2P − 1 micro-batches, with those that are not there left out.
  private var planned: Int { max(microbatches, 2 * ranks - 1) }

  mutating func run() {
    for _ in 0..<(2 * (ranks - rank) - 1) { forward(0) }
    for _ in 0..<rank {
      forward(1)
      forward(0)
    }
    for _ in 0..<(ranks - rank) {
      forward(1)
      input(1)
      weight(1)
    }
    nF0I0W0F1I1W1()
    for _ in 0..<rank {
      input(0)
      input(1)
    }
    for _ in 0..<(ranks - rank) {
      input(0)
      weight(0)
    }
    while weighted[1] < backwarded[1] { weight(1) }
    while weighted[0] < backwarded[0] { weight(0) }
  }

  /// The steady phase, until both chunks have had all forwards.
  private mutating func nF0I0W0F1I1W1() {
    while forwarded[1] < planned {
      if forwarded[0] < planned { forward(0) }
      input(0)
      weight(0)
      forward(1)
      input(1)
      weight(1)
    }
  }

  private mutating func forward(_ chunk: Int) {
    add(chunk, forwarded[chunk]) { .forward($0) }
    forwarded[chunk] += 1
  }

  private mutating func input(_ chunk: Int) {
    add(chunk, backwarded[chunk]) { .backwardInput($0) }
    backwarded[chunk] += 1
  }

  private mutating func weight(_ chunk: Int) {
    add(chunk, weighted[chunk]) { .backwardWeight($0) }
    weighted[chunk] += 1
  }

  private mutating func add(_ chunk: Int, _ number: Int, _ make: (Cell) -> Action) {
    guard number < microbatches else { return }
    let stage = VShape(ranks: ranks).stage(chunk: chunk, rank: rank)
    actions.append(make(Cell(stage: stage, microbatch: number)))
  }
}
