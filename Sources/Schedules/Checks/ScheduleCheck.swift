// The checks of a compute-only schedule that need no execution: every cell forward and backward
// exactly once, on one rank, in an order that the rank itself allows.

/// Checks the lists of a schedule; see `Schedule.init` for the rules.
struct ScheduleCheck {
  typealias Position = ScheduleError.Position

  let stages: Int
  let microbatches: Int
  let actions: [[Action]]
  /// Filled by `holders()`.
  private var holder: [Int32] = []
  private var done: [Done] = []

  /// What a cell has been through so far.
  private struct Done: OptionSet {
    var rawValue: UInt8
    static let forward = Done(rawValue: 1)
    static let backward = Done(rawValue: 2)
    static let input = Done(rawValue: 4)
    static let weight = Done(rawValue: 8)
  }

  init(stages: Int, microbatches: Int, actions: [[Action]]) {
    self.stages = stages
    self.microbatches = microbatches
    self.actions = actions
  }

  /// By cell number, the rank that forwards the cell. Proves that each is forwarded exactly once.
  mutating func holders() throws(ScheduleError) -> [Int32] {
    try checkSize()
    var holder = [Int32](repeating: -1, count: stages * microbatches)
    for (rank, list) in actions.enumerated() {
      guard !list.isEmpty else {
        throw ScheduleError(.placement, "rank \(rank) of \(actions.count) has nothing to do")
      }
      for (step, action) in list.enumerated() {
        let position = Position(rank: rank, index: step)
        try checkCells(of: action, at: position)
        guard let cell = action.forwarded else { continue }
        let index = number(of: cell)
        if holder[index] >= 0 {
          let text = "`\(Action.forward(cell))` runs a second time; rank \(holder[index]) had it"
          throw ScheduleError(.completeness, text, at: position, in: actions)
        }
        holder[index] = Int32(rank)
      }
    }
    if let index = holder.firstIndex(of: -1) { throw missing(cell(numbered: index)) }
    self.holder = holder
    return holder
  }

  /// Refuses shapes that the lists cannot fill before anything is sized by them.
  private func checkSize() throws(ScheduleError) {
    guard stages > 0, microbatches > 0, !actions.isEmpty else {
      throw ScheduleError(
        .size,
        "a schedule has ranks, stages and micro-batches; got \(actions.count) ranks, "
          + "\(stages) stages, \(microbatches) micro-batches")
    }
    let (cells, overflow) = stages.multipliedReportingOverflow(by: microbatches)
    var forwards = 0
    for list in actions {
      for action in list where action.forwarded != nil { forwards += 1 }
    }
    if overflow || cells > forwards {
      let present = Set(actions.joined().compactMap(\.forwarded))
      for stage in 0..<stages {
        for microbatch in 0..<microbatches {
          let cell = Cell(stage: stage, microbatch: microbatch)
          if !present.contains(cell) { throw missing(cell) }
        }
      }
    }
    guard cells <= Schedule.largestCellCount else {
      throw ScheduleError(
        .size,
        "\(stages) stages × \(microbatches) micro-batches are more than "
          + "\(Schedule.largestCellCount) cells")
    }
  }

  private func checkCells(of action: Action, at position: Position) throws(ScheduleError) {
    if action.isCommunication {
      throw ScheduleError(
        .communication, "`\(action)` among compute actions", at: position, in: actions)
    }
    for cell in action.cells {
      guard (0..<stages).contains(cell.stage), (0..<microbatches).contains(cell.microbatch) else {
        throw ScheduleError(
          .size,
          "`\(action)` is outside \(stages) stages × \(microbatches) micro-batches",
          at: position, in: actions)
      }
    }
  }

  /// The error points at an action that makes the absent cell necessary.
  private func missing(_ cell: Cell) -> ScheduleError {
    let text =
      "`\(Action.forward(cell))` is on no rank; each of \(stages) stages × \(microbatches) "
      + "micro-batches, both numbered from 0, is forwarded once"
    let tests: [(Cell) -> Bool] = [
      { $0.microbatch == cell.microbatch }, { $0.stage == cell.stage },
      { $0.stage > cell.stage || $0.microbatch > cell.microbatch },
    ]
    for test in tests {
      if let position = actions.firstPosition(where: { $0.cells.contains(where: test) }) {
        return ScheduleError(.completeness, text, at: position, in: actions)
      }
    }
    return ScheduleError(.completeness, text)
  }

  /// Proves that each cell has one whole backward, on the rank of its forward and after it.
  mutating func backwardsAndOrder() throws(ScheduleError) {
    done = [Done](repeating: [], count: holder.count)
    for (rank, list) in actions.enumerated() {
      for (step, action) in list.enumerated() {
        let position = Position(rank: rank, index: step)
        switch action {
        case .backward(let cell), .overlapped(_, let cell):
          try record(.backward, excludes: [.input, .weight], cell, action, position)
        case .backwardInput(let cell):
          try record(.input, excludes: .backward, cell, action, position)
        case .backwardWeight(let cell):
          try record(.weight, excludes: .backward, cell, action, position)
        default: break
        }
        if let cell = action.forwarded { done[number(of: cell)].insert(.forward) }
      }
    }
    try checkEveryBackward()
  }

  private mutating func record(
    _ part: Done, excludes: Done, _ cell: Cell, _ action: Action, _ position: Position
  ) throws(ScheduleError) {
    let index = number(of: cell)
    let forward = Action.forward(cell)
    func refused(_ rule: ScheduleError.Rule, _ message: String) -> ScheduleError {
      ScheduleError(rule, "`\(action)`: " + message, at: position, in: actions)
    }
    if holder[index] != position.rank {
      throw refused(.placement, "`\(forward)` ran on rank \(holder[index]), with its activations")
    }
    if !done[index].contains(.forward) {
      throw refused(.order, "`\(forward)` has not run before it")
    }
    if part == .weight && !done[index].contains(.input) && !done[index].contains(.backward) {
      throw refused(.order, "`\(Action.backwardInput(cell))` has not run before it")
    }
    if done[index].contains(part) {
      throw refused(.completeness, "it is the second of this cell")
    }
    if !done[index].isDisjoint(with: excludes) {
      throw refused(
        .completeness, "the cell has a full backward `B` or halves `I` and `W`, not both")
    }
    done[index].insert(part)
  }

  private func checkEveryBackward() throws(ScheduleError) {
    for index in done.indices
    where !done[index].contains(.backward) && !done[index].isSuperset(of: [.input, .weight]) {
      let cell = cell(numbered: index)
      let rank = Int(holder[index])
      let hasInput = done[index].contains(.input)
      let last = hasInput ? Action.backwardInput(cell) : .forward(cell)
      let absent =
        hasInput
        ? "`\(Action.backwardWeight(cell))`"
        : "`\(Action.backward(cell))`, nor `\(Action.backwardInput(cell))` "
          + "with `\(Action.backwardWeight(cell))`"
      let step = actions[rank].lastIndex { $0 == last || (!hasInput && $0.forwarded == cell) }
      throw ScheduleError(
        .completeness, "`\(last)` is never followed by \(absent)",
        at: Position(rank: rank, index: step ?? 0), in: actions)
    }
  }

  private func number(of cell: Cell) -> Int { cell.stage * microbatches + cell.microbatch }

  private func cell(numbered index: Int) -> Cell {
    Cell(stage: index / microbatches, microbatch: index % microbatches)
  }
}

extension [[Action]] {
  /// The first action, rank by rank, of which `test` is true.
  func firstPosition(where test: (Action) -> Bool) -> ScheduleError.Position? {
    for (rank, list) in enumerated() {
      if let index = list.firstIndex(where: test) { return .init(rank: rank, index: index) }
    }
    return nil
  }
}
