// The peak of what a rank holds of its micro-batches, by the order of its actions alone. A full
// backward frees a block's half as soon as it is through with it; in an overlapped pair the halves
// of both micro-batches alternate as in figure 4 of the report.

package import Schedules

/// The moment at which a rank needs the most for its micro-batches.
package struct HeldPeak: Hashable, Sendable {
  /// What it keeps of them then.
  package fileprivate(set) var bytes = 0
  /// What the half that is running backward makes beside that.
  package fileprivate(set) var workingSpace = 0
  /// By stage, the micro-batches that it holds something of then.
  package fileprivate(set) var microbatches: [Int: Int] = [:]

  /// Walks the compute actions of one rank. O(actions × blocks of a stage).
  ///
  /// - Parameter stages: by number, the stages that the rank holds.
  package init(of actions: [Action], stages: [Int: StageActivations]) {
    self.init()
    var walk = HeldBytes(stages: stages)
    for action in actions { walk.perform(action) }
    precondition(walk.now == 0, "a schedule is checked: every forward has its whole backward")
    self = walk.peak
  }

  fileprivate init() {}

  init(bytes: Int, workingSpace: Int, microbatches: [Int: Int]) {
    self.bytes = bytes
    self.workingSpace = workingSpace
    self.microbatches = microbatches
  }
}

/// What a rank holds while it goes through its list.
private struct HeldBytes {
  let stages: [Int: StageActivations]
  var now = 0
  var held: [Int: Int] = [:]
  var peak = HeldPeak()

  mutating func perform(_ action: Action) {
    switch action {
    case .forward(let cell):
      held[cell.stage, default: 0] += 1
      for unit in units(cell) {
        add(unit.attention.kept)
        add(unit.mlp.kept)
      }
    case .backward(let cell):
      for unit in units(cell).reversed() {
        runBackward(unit.mlp)
        runBackward(unit.attention)
      }
      held[cell.stage, default: 0] -= 1
    case .backwardInput(let cell):
      for unit in units(cell).reversed() {
        for half in [unit.mlp, unit.attention] {
          record(working: half.workingSpace)
          now += half.inputToWeight - half.forwardToInput
        }
      }
    case .backwardWeight(let cell):
      for unit in units(cell) {
        for half in [unit.mlp, unit.attention] {
          now -= half.forwardToWeight + half.inputToWeight
        }
      }
      held[cell.stage, default: 0] -= 1
    case .overlapped(let forward, let backward): performPair(forward, backward)
    case .sendForward, .receiveForward, .sendBackward, .receiveBackward: break
    }
  }

  mutating func performPair(_ forward: Cell, _ backward: Cell) {
    held[forward.stage, default: 0] += 1
    let coming = units(forward)
    let going = Array(units(backward).reversed())
    for index in 0..<max(coming.count, going.count) {
      if index < coming.count { add(coming[index].attention.kept) }
      if index < going.count { runBackward(going[index].mlp) }
      if index < coming.count { add(coming[index].mlp.kept) }
      if index < going.count { runBackward(going[index].attention) }
    }
    held[backward.stage, default: 0] -= 1
  }

  func units(_ cell: Cell) -> [UnitActivations] {
    guard let stage = stages[cell.stage] else {
      preconditionFailure("a rank's list names only stages that it holds")
    }
    return stage.units
  }

  /// A forward leaves `bytes`.
  mutating func add(_ bytes: Int) {
    now += bytes
    record(working: 0)
  }

  /// Both halves of the gradients, after which nothing is left.
  mutating func runBackward(_ half: SavedTensors) {
    record(working: half.workingSpace)
    now -= half.kept
  }

  mutating func record(working: Int) {
    guard now + working > peak.bytes + peak.workingSpace else { return }
    peak.bytes = now
    peak.workingSpace = working
    peak.microbatches = held.filter { $0.value > 0 }
  }
}
