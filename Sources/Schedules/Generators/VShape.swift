// The model folded in two over the ranks, as ZB-V, V-Half and V-Min have it: which stages a rank
// holds, what it does on them, and what it needs for that.

/// The model folded in two over the ranks.
struct VShape {
  let ranks: Int

  /// The stage of a rank's chunk 0 (down) or 1 (up).
  func stage(chunk: Int, rank: Int) -> Int { chunk == 0 ? rank : 2 * ranks - 1 - rank }
}

/// What a rank does on one of its two chunks.
struct VStep: Hashable {
  enum Kind: Int { case forward, input, weight }

  var kind: Kind
  /// 0 on the way down, 1 on the way up.
  var chunk: Int
  var microbatch: Int

  func action(rank: Int, ranks: Int) -> Action {
    let cell = Cell(
      stage: VShape(ranks: ranks).stage(chunk: chunk, rank: rank), microbatch: microbatch)
    return switch kind {
    case .forward: .forward(cell)
    case .input: .backwardInput(cell)
    case .weight: .backwardWeight(cell)
    }
  }
}

/// Which forwards and input halves of the folded model are done, and from which slot on.
struct VProgress {
  let ranks: Int
  let microbatches: Int
  /// By stage × microbatches + microbatch, the slot after which the value is there.
  private var forwardDone: [Int32]
  private var inputDone: [Int32]

  init(ranks: Int, microbatches: Int) {
    self.ranks = ranks
    self.microbatches = microbatches
    forwardDone = Array(repeating: .max, count: 2 * ranks * microbatches)
    inputDone = forwardDone
  }

  private func index(_ step: VStep, _ rank: Int) -> Int {
    VShape(ranks: ranks).stage(chunk: step.chunk, rank: rank) * microbatches + step.microbatch
  }

  /// Whether `step` has its inputs at the beginning of `slot`.
  func isReady(_ step: VStep, rank: Int, slot: Int) -> Bool {
    let index = index(step, rank)
    let now = Int32(slot)
    switch step.kind {
    case .forward:
      return index < microbatches || forwardDone[index - microbatches] <= now
    case .input:
      let isLast = index >= (2 * ranks - 1) * microbatches
      return forwardDone[index] <= now && (isLast || inputDone[index + microbatches] <= now)
    case .weight: return inputDone[index] <= now
    }
  }

  mutating func finish(_ step: VStep, rank: Int, slot: Int) {
    switch step.kind {
    case .forward: forwardDone[index(step, rank)] = Int32(slot + 1)
    case .input: inputDone[index(step, rank)] = Int32(slot + 1)
    case .weight: break
    }
  }
}
