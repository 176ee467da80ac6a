// List scheduling: the ranks' clocks run together, and whenever a rank is free it takes, of what
// is there and fits its memory, what a rule scores highest. Micro-batches of a pipe keep their
// order at every stage.
//
// It never blocks itself. Of the chunks on a rank the deepest is the one whose activations leave
// first; the others (shallow) together never hold the whole memory. So the last stage always finds
// a place some time, its cells are backwarded without waiting for anybody, and by induction from
// there every stage does: first the deep stages, each of which finds the place that the shallow
// leave it, then the shallow ones, whose successors all drain.

/// Makes orders of one shape. Not for sharing between threads.
final class ListScheduler {
  /// A stage of a pipe on its rank: its cells are a run of neighbouring numbers.
  private struct Lane {
    var rank: Int
    var stage: Int
    var firstCell: Int
    var count: Int
    /// Lanes of the next and the previous stage; −1 at the ends.
    var following: Int
    var preceding: Int
    var isDeepest = false
    // State:
    var forwarded = 0
    var backwarded = 0
  }

  private enum Choice {
    case forward(Int)
    case input(Int)
    /// The weight half of a cell.
    case weight(Int)
    case pair(Int, Int)
  }

  private let shape: SearchShape
  private let initialLanes: [Lane]
  private var lanes: [Lane]
  private let lanesOfRank: [[Int]]
  private let deepestStage: [Int]
  private let pairsPay: Bool
  /// By cell, when its activation and its output gradient arrive; `never` before that is known.
  private var activation: [Int]
  private var gradient: [Int]
  private var clock: [Int]
  /// End of the rank's last action.
  private var free: [Int]
  private var held: [Int]
  /// The part of `held` that is not the deepest stage's.
  private var heldShallow: [Int]
  /// By rank, the cells whose weight halves are pending, from the index `firstWeight`.
  private var weights: [[Int]] = []
  private var firstWeight: [Int] = []
  private static let never = Int.max

  /// The micro-batches of each pipe of `shape` are neighbours.
  init(_ shape: SearchShape) {
    self.shape = shape
    var lanes: [Lane] = []
    for pipe in Self.pipes(of: shape) {
      for stage in 0..<shape.stages {
        let cell = stage * shape.microbatches + pipe.lowerBound
        let number = lanes.count
        lanes.append(
          Lane(
            rank: Int(shape.holder[cell]), stage: stage, firstCell: cell, count: pipe.count,
            following: stage + 1 < shape.stages ? number + 1 : -1,
            preceding: stage > 0 ? number - 1 : -1))
      }
    }
    lanesOfRank = (0..<shape.ranks).map { rank in lanes.indices.filter { lanes[$0].rank == rank } }
    deepestStage = lanesOfRank.map { list in list.map { lanes[$0].stage }.max() ?? 0 }
    for index in lanes.indices {
      lanes[index].isDeepest = lanes[index].stage == deepestStage[lanes[index].rank]
    }
    initialLanes = lanes
    self.lanes = lanes
    pairsPay = shape.pairsPay
    activation = []
    gradient = []
    clock = []
    free = []
    held = []
    heldShallow = []
  }

  /// The runs of neighbouring micro-batches that take the same ranks.
  private static func pipes(of shape: SearchShape) -> [Range<Int>] {
    var pipes: [Range<Int>] = []
    var first = 0
    for microbatch in 1...shape.microbatches {
      let isSame =
        microbatch < shape.microbatches
        && (0..<shape.stages).allSatisfy {
          let cell = $0 * shape.microbatches + microbatch
          return shape.holder[cell] == shape.holder[cell - 1]
        }
      if !isSame {
        pipes.append(first..<microbatch)
        first = microbatch
      }
    }
    return pipes
  }

  /// The order that `rule` makes; nil if the ranks got stuck, which the argument above excludes.
  func order(_ rule: ListRule, _ random: inout SplitMix64) -> FlatOrder? {
    var order = FlatOrder(shape)
    reset()
    var remaining = 3 * shape.cells
    while remaining > 0 {
      var rank = 0
      for other in 1..<max(shape.ranks, 1) where clock[other] < clock[rank] { rank = other }
      let time = clock[rank]
      guard time < Self.never else { return nil }
      guard let choice = choose(rank, time, rule, &random) else { continue }
      remaining -= perform(choice, rank, time, &order)
    }
    return order
  }

  private func reset() {
    lanes = initialLanes
    activation = Array(repeating: Self.never, count: shape.cells)
    for cell in 0..<shape.microbatches { activation[cell] = 0 }
    gradient = Array(repeating: Self.never, count: shape.cells)
    clock = Array(repeating: 0, count: shape.ranks)
    free = clock
    held = clock
    heldShallow = clock
    weights = Array(repeating: [], count: shape.ranks)
    firstWeight = clock
  }

  /// What the rank does now; nil when it waits, with its clock moved to when it looks again.
  private func choose(
    _ rank: Int, _ time: Int, _ rule: ListRule, _ random: inout SplitMix64
  ) -> Choice? {
    let own = deepestStage[rank]
    var best: Choice?
    var bestScore = Int.min
    /// The first arrival that is known and not yet there.
    var nextForward = Self.never
    var nextInput = Self.never
    func offer(_ choice: Choice, _ score: Int) {
      let score = rule.noise > 0 ? score + random.below(rule.noise) : score
      if score > bestScore {
        best = choice
        bestScore = score
      }
    }
    let list = lanesOfRank[rank]
    var isMemoryFull = false
    for lane in list {
      let state = lanes[lane]
      guard state.forwarded < state.count else { continue }
      guard state.forwarded - state.backwarded < rule.cap[state.stage] else { continue }
      guard held[rank] < shape.limit else {
        isMemoryFull = true
        continue
      }
      let mayRunAlone = state.isDeepest || heldShallow[rank] < shape.limit - 1
      isMemoryFull = isMemoryFull || !mayRunAlone
      let arrival = activation[state.firstCell + state.forwarded]
      guard arrival <= time else {
        nextForward = min(nextForward, arrival)
        continue
      }
      let score = forwardScore(state, rule)
      if mayRunAlone { offer(.forward(lane), score) }
      guard pairsPay else { continue }
      for other in list {
        let back = lanes[other]
        guard back.backwarded < back.forwarded,
          mayRunAlone || !back.isDeepest,
          gradient[back.firstCell + back.backwarded] <= time,
          shape.pairTime(forward: state.stage, backward: back.stage) < parts(state, back)
        else { continue }
        let input = inputScore(back, rule)
        offer(.pair(lane, other), max(score, input) + (score + input) / 8 + rule.pairBonus[own])
      }
    }
    for lane in list {
      let state = lanes[lane]
      if state.backwarded < state.forwarded {
        let arrival = gradient[state.firstCell + state.backwarded]
        if arrival <= time {
          offer(.input(lane), inputScore(state, rule))
        } else {
          nextInput = min(nextInput, arrival)
        }
      }
    }
    if firstWeight[rank] < weights[rank].count {
      offer(
        .weight(weights[rank][firstWeight[rank]]),
        rule.weightScore[own] + (isMemoryFull ? rule.pressure[own] : 0))
    }
    let wait = waiting(best, time, rule, own, forward: nextForward, input: nextInput)
    guard wait == time else {
      clock[rank] = wait
      return nil
    }
    return best
  }

  private func forwardScore(_ lane: Lane, _ rule: ListRule) -> Int {
    rule.forwardScore[lane.stage] - rule.fairness * lane.forwarded
      + (rule.guide.map { $0.forward[lane.firstCell + lane.forwarded] } ?? 0)
  }

  private func inputScore(_ lane: Lane, _ rule: ListRule) -> Int {
    rule.inputScore[lane.stage] - rule.fairness * lane.backwarded
      + (rule.guide.map { $0.back[lane.firstCell + lane.backwarded] } ?? 0)
  }

  private func parts(_ ahead: Lane, _ back: Lane) -> Int {
    shape.forward[ahead.stage] + shape.input[back.stage] + shape.weight[back.stage]
  }

  /// `time`, or the arrival that is worth waiting for instead of doing `choice`.
  private func waiting(
    _ choice: Choice?, _ time: Int, _ rule: ListRule, _ own: Int, forward: Int, input: Int
  ) -> Int {
    guard let choice else { return min(forward, input) }
    switch choice {
    case .weight(let cell):
      let arrival = min(forward, input)
      let patience = shape.weight[cell / shape.microbatches] * rule.weightDelay[own] / 16
      return arrival < Self.never && arrival - time < patience ? arrival : time
    case .forward, .input:
      guard pairsPay, let pair = shape.overlapped else { return time }
      let arrival: Int
      if case .forward = choice { arrival = input } else { arrival = forward }
      return arrival < Self.never && arrival - time <= pair * rule.patience[own] / 16
        ? arrival : time
    case .pair: return time
    }
  }

  /// Does it; how many of the F, I and W of all cells that was.
  private func perform(
    _ choice: Choice, _ rank: Int, _ time: Int, _ order: inout FlatOrder
  ) -> Int {
    switch choice {
    case .forward(let lane):
      let end = time + shape.forward[lanes[lane].stage]
      order.append(.forward(forwarded(lane, end)), to: rank)
      finish(rank, end)
      return 1
    case .input(let lane):
      let end = time + shape.input[lanes[lane].stage]
      let cell = backwarded(lane, end)
      order.append(.back(cell, .input), to: rank)
      weights[rank].append(cell)
      finish(rank, end)
      return 1
    case .weight(let cell):
      order.append(.back(cell, .weight), to: rank)
      firstWeight[rank] += 1
      release(rank, cell)
      finish(rank, time + shape.weight[cell / shape.microbatches])
      return 1
    case .pair(let ahead, let back):
      let end =
        time + shape.pairTime(forward: lanes[ahead].stage, backward: lanes[back].stage)
      // The backward first: a pair of one lane never joins the halves of one cell.
      let cell = backwarded(back, end)
      order.append(.pair(forward: forwarded(ahead, end), back: cell), to: rank)
      release(rank, cell)
      finish(rank, end)
      return 3
    }
  }

  private func release(_ rank: Int, _ cell: Int) {
    held[rank] -= 1
    if cell / shape.microbatches != deepestStage[rank] { heldShallow[rank] -= 1 }
  }

  private func finish(_ rank: Int, _ end: Int) {
    clock[rank] = end
    free[rank] = end
  }

  /// Notes that the lane's next forward ends at `end`; its cell.
  private func forwarded(_ lane: Int, _ end: Int) -> Int {
    let rank = lanes[lane].rank
    let cell = lanes[lane].firstCell + lanes[lane].forwarded
    lanes[lane].forwarded += 1
    held[rank] += 1
    if !lanes[lane].isDeepest { heldShallow[rank] += 1 }
    let following = lanes[lane].following
    if following < 0 {
      gradient[cell] = end
    } else {
      let there = lanes[following].rank
      let arrival = there == rank ? end : end + shape.transfer
      activation[cell + shape.microbatches] = arrival
      wake(there, arrival)
    }
    return cell
  }

  /// Notes that the lane's next backward ends at `end`; its cell.
  private func backwarded(_ lane: Int, _ end: Int) -> Int {
    let rank = lanes[lane].rank
    let cell = lanes[lane].firstCell + lanes[lane].backwarded
    lanes[lane].backwarded += 1
    let preceding = lanes[lane].preceding
    if preceding >= 0 {
      let there = lanes[preceding].rank
      let arrival = there == rank ? end : end + shape.transfer
      gradient[cell - shape.microbatches] = arrival
      wake(there, arrival)
    }
    return cell
  }

  /// A rank that waits looks again when something arrives.
  private func wake(_ rank: Int, _ arrival: Int) {
    clock[rank] = min(clock[rank], max(free[rank], arrival))
  }
}
