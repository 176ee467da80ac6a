// How fast no schedule of a placement can be. Three arguments, for every rank r with its N cells
// (chunk × micro-batch) and at most L activations:
//
// Chains. The first input reaches stage s after head(s) = Σ F of the stages before it (and the
// transfers between ranks); the first gradient after turn(s) = Σ F of all stages + Σ I of the
// stages behind it; and once a forward of stage s has ended, the step goes on for at least
// tail(s) = Σ F of the stages behind + Σ I of all stages from the last to stage 0 + W of stage 0.
// A pair makes its results in the pair's time, so where that is below F or I, it stands for them.
//
// 1. One micro-batch: makespan ≥ Σ F + Σ I + W.
//
// 2. Work with idle ends. Let j of r's forwards be in pairs. Its work is Σ (F + I + W) less what
// pairs save, at most (j largest F) + (j largest I + W) − j × pair. The window before its first
// action with a backward lasts at least turn = min turn(s), holds lone forwards only, and these
// are at most min(L, N − j), since nothing has been released yet. So r idles there for
// max(head, turn − that many largest F). The window after its last action with a forward lasts at
// least tail = min tail(s); what r does there belongs to cells it holds, at most L, none of them
// in a pair, so r idles there for at least tail − (min(L, N − j) largest I + W). The windows are
// disjoint unless all forwards come before all backwards; then j = 0, N ≤ L, and only the larger
// counts. The bound is the least over j.
//
// 3. Memory as an area. A cell of stage s is held for at least life(s) = F + Σ over the stages
// behind of F + I, + I + W. Held chunks × time ≤ L × (makespan − head), so makespan ≥ head +
// Σ life / L.
//
// The bound of the shape is the largest over arguments and ranks.

/// Lower bound on the makespan of any schedule of `shape`, in half units.
struct LowerBound {
  private let shape: SearchShape
  /// Shortest times in which an activation, or an input gradient, of a stage is made.
  private let forward: [Int]
  private let input: [Int]
  /// Shortest time from a gradient's arrival to the end of the stage's backward.
  private let backward: [Int]

  static func makespan(_ shape: SearchShape) -> Int { LowerBound(shape).value }

  private init(_ shape: SearchShape) {
    self.shape = shape
    let pair = shape.overlapped ?? .max
    forward = shape.forward.map { min($0, pair) }
    input = shape.input.map { min($0, pair) }
    backward = zip(shape.input, shape.weight).map { min($0 + $1, pair) }
  }

  /// Chain lengths of one pipe, by stage.
  private struct Chains: Hashable {
    var head: [Int]
    var turn: [Int]
    var tail: [Int]
    var life: [Int]
  }

  private var value: Int {
    var largest = 0
    var chains: [[Int32]: Chains] = [:]
    var cells = Array(repeating: [(stage: Int, chains: Chains)](), count: shape.ranks)
    var counts = Array(repeating: [Int](), count: shape.ranks)
    for (ranks, count) in pipes {
      let chain = chains[ranks] ?? self.chains(ranks)
      chains[ranks] = chain
      largest = max(largest, chain.tail[0] + forward[0])
      for (stage, rank) in ranks.enumerated() {
        cells[Int(rank)].append((stage, chain))
        counts[Int(rank)].append(count)
      }
    }
    for rank in 0..<shape.ranks where !cells[rank].isEmpty {
      largest = max(largest, bound(cells[rank], counts[rank]))
    }
    return largest
  }

  /// The ways micro-batches take, and how many take each.
  private var pipes: [[Int32]: Int] {
    var pipes: [[Int32]: Int] = [:]
    for microbatch in 0..<shape.microbatches {
      let ranks = (0..<shape.stages).map { shape.holder[$0 * shape.microbatches + microbatch] }
      pipes[ranks, default: 0] += 1
    }
    return pipes
  }

  private func chains(_ ranks: [Int32]) -> Chains {
    let last = shape.stages - 1
    func hop(_ stage: Int) -> Int { ranks[stage] == ranks[stage + 1] ? 0 : shape.transfer }
    var head = [Int](repeating: 0, count: last + 1)
    for stage in 0..<last { head[stage + 1] = head[stage] + forward[stage] + hop(stage) }
    // From the end of a forward to the arrival of its gradient, and from that to the end of all.
    var round = [Int](repeating: 0, count: last + 1)
    for stage in stride(from: last - 1, through: 0, by: -1) {
      round[stage] = round[stage + 1] + forward[stage + 1] + input[stage + 1] + 2 * hop(stage)
    }
    var home = [backward[0]]
    for stage in 0..<last { home.append(input[stage + 1] + hop(stage) + home[stage]) }
    let stages = 0...last
    return Chains(
      head: head,
      turn: stages.map { head[$0] + forward[$0] + round[$0] },
      tail: stages.map { round[$0] + home[$0] },
      life: stages.map { forward[$0] + round[$0] + backward[$0] })
  }

  private func bound(_ stages: [(stage: Int, chains: Chains)], _ counts: [Int]) -> Int {
    let cells = zip(stages, counts)
    let head = stages.map { $0.chains.head[$0.stage] }.min() ?? 0
    let turn = stages.map { $0.chains.turn[$0.stage] }.min() ?? 0
    let tail = stages.map { $0.chains.tail[$0.stage] }.min() ?? 0
    let life = cells.reduce(0) { $0 + $1.1 * $1.0.chains.life[$1.0.stage] }
    let area = head + (life + shape.limit - 1) / shape.limit

    // Sums of the largest k: index k.
    func largest(_ time: (Int) -> Int) -> [Int] {
      let times = cells.flatMap { Array(repeating: time($0.0.stage), count: $0.1) }
      return times.sorted(by: >).reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
    }
    let forwards = largest { shape.forward[$0] }
    let backwards = largest { shape.input[$0] + shape.weight[$0] }
    let count = forwards.count - 1
    var least = Int.max
    for pairs in 0...count {
      let alone = min(shape.limit, count - pairs)
      var work = forwards[count] + backwards[count]
      if let pair = shape.overlapped, pairs > 0 {
        work -= forwards[pairs] + backwards[pairs] - pairs * pair
      } else if pairs > 0 {
        break
      }
      let before = max(head, turn - forwards[alone])
      let after = max(0, tail - backwards[alone])
      let mayMeet = pairs == 0 && count <= shape.limit
      least = min(least, work + (mayMeet ? max(before, after) : before + after))
    }
    return max(area, least)
  }
}
