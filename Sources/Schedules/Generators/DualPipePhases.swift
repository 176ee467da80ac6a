// The eight phases of a rank under DualPipe and DualPipeV, named by what they repeat, with 0 for
// the micro-batches of the lane that enters at the rank's own end and 1 for those of the other
// lane. Order of deepseek-ai/DualPipe@3da1bbe, `step()` in dualpipe.py and dualpipev.py.

/// Writes one rank's list.
struct DualPipePhases {
  /// One of the two ways that micro-batches take through the rank.
  struct Lane {
    var stage: Int
    /// The lane's micro-batch 0.
    var firstMicrobatch: Int
    var forwarded = 0
    var backwarded = 0

    init(stage: Int, firstMicrobatch: Int) {
      self.stage = stage
      self.firstMicrobatch = firstMicrobatch
    }

    mutating func nextForward() -> Cell {
      defer { forwarded += 1 }
      return Cell(stage: stage, microbatch: firstMicrobatch + forwarded)
    }

    mutating func nextBackward() -> Cell {
      defer { backwarded += 1 }
      return Cell(stage: stage, microbatch: firstMicrobatch + backwarded)
    }
  }

  /// H, the ranks from where micro-batches enter to where the two lanes meet.
  let half: Int
  /// d, the steps of this rank from where its own lane enters, 0..<H.
  let distance: Int
  /// Micro-batches of a lane.
  let count: Int
  /// By `own` and `other`.
  private var lanes: [Lane]
  private var actions: [Action] = []
  /// Input gradients whose weight gradients are still to be made, first in, first out.
  private var pendingWeights: [Cell] = []
  private var firstPendingWeight = 0

  private let own = 0
  private let other = 1

  init(half: Int, distance: Int, count: Int, own: Lane, other: Lane) {
    self.half = half
    self.distance = distance
    self.count = count
    lanes = [own, other]
  }

  /// The ranks where the lanes meet.
  private var isMiddle: Bool { distance == half - 1 }

  mutating func run() -> [Action] {
    nF0()
    nF0F1()
    nB1W1F1()
    nF0B1F1B0()
    nB1F1B0()
    nB1B0()
    nWB0()
    nW()
    return actions
  }

  /// Phase 1, 2 (H − d − 1) times: fill the own direction.
  private mutating func nF0() {
    for _ in 0..<(2 * (half - distance - 1)) { forward(own) }
  }

  /// Phase 2, d + 1 times: both directions fill.
  private mutating func nF0F1() {
    for _ in 0..<(distance + 1) {
      forward(own)
      forward(other)
    }
  }

  /// Phase 3, H − d − 1 times: split backwards, so that the gradient travels on at once.
  private mutating func nB1W1F1() {
    for _ in 0..<(half - distance - 1) {
      backwardInput(other)
      backwardWeight()
      forward(other)
    }
  }

  /// Phase 4, the main one, m − 2H + d + 1 times, m those of a lane: pairs in both directions. The
  /// middle ranks run their first F0 and B1 apart, which shortens the bubble.
  private mutating func nF0B1F1B0() {
    for iteration in 0..<(count - 2 * half + distance + 1) {
      if iteration == 0 && isMiddle {
        forward(own)
        backward(other)
      } else {
        pair(forward: own, backward: other)
      }
      pair(forward: other, backward: own)
    }
  }

  /// Phase 5, H − d − 1 times: the own direction has no forwards left.
  private mutating func nB1F1B0() {
    for _ in 0..<(half - distance - 1) {
      backward(other)
      pair(forward: other, backward: own)
    }
  }

  /// Phase 6, d + 1 times: both directions drain; of the 2 (d + 1) backwards the last d + 1 are
  /// split.
  private mutating func nB1B0() {
    let count = distance + 1
    for iteration in 0..<count {
      for (offset, direction) in [other, own].enumerated() {
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

  private mutating func forward(_ lane: Int) {
    actions.append(.forward(lanes[lane].nextForward()))
  }

  private mutating func backward(_ lane: Int) {
    actions.append(.backward(lanes[lane].nextBackward()))
  }

  private mutating func backwardInput(_ lane: Int) {
    let cell = lanes[lane].nextBackward()
    actions.append(.backwardInput(cell))
    pendingWeights.append(cell)
  }

  private mutating func backwardWeight() {
    actions.append(.backwardWeight(pendingWeights[firstPendingWeight]))
    firstPendingWeight += 1
  }

  private mutating func pair(forward: Int, backward: Int) {
    let ahead = lanes[forward].nextForward()
    actions.append(.overlapped(forward: ahead, backward: lanes[backward].nextBackward()))
  }
}
