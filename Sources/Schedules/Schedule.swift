// A pipeline schedule as data: per rank, the compute actions of one step in the order the rank
// runs them. A value of this type is complete, placed and ordered; lowering it (SchedulePlan) adds
// the communication and proves that it finishes.

/// One step of a pipeline: ranks, stages, micro-batches, and what each rank computes in which
/// order.
///
/// A stage may stand on several ranks (DualPipe and Chimera hold each stage twice), as long as
/// each (stage, micro-batch) is forwarded once; the rank that forwarded it also runs its backward.
package struct Schedule: Hashable, Sendable {
  /// What a step is for.
  package enum Purpose: Hashable, Sendable {
    /// Each cell forward and backward.
    case training
    /// Forward only.
    case evaluation
  }

  package let name: String
  package let purpose: Purpose
  /// Length of one pipe: every micro-batch passes stages 0..<stages.
  package let stages: Int
  /// Micro-batches of one step, both directions together.
  package let microbatches: Int
  /// By rank, the compute actions in order; no sends or receives.
  package let actions: [[Action]]

  /// By stage × microbatches + microbatch, the rank that runs the cell.
  private let holders: [Int32]
  private let stagesByRank: [[Int]]
  private let ranksByStage: [[Int]]

  /// Most (stage, micro-batch) cells a schedule may have.
  package static let largestCellCount = 1 << 22

  /// Checks the lists and derives who holds what. O(actions); nothing is sized by an id.
  ///
  /// - Throws: `ScheduleError` of rule `size`, `completeness` (every cell forward exactly once,
  ///   and `B`, or `I` and `W`, exactly once), `placement` (backward where the forward ran, no
  ///   idle rank), `order` (backward after forward, `W` after `I`) or `communication` (a send or
  ///   receive among the compute actions).
  package init(name: String, stages: Int, microbatches: Int, actions: [[Action]])
    throws(ScheduleError)
  {
    var check = ScheduleCheck(stages: stages, microbatches: microbatches, actions: actions)
    let holders = try check.holders()
    try check.backwardsAndOrder()
    self.init(
      name: name, purpose: .training, stages: stages, microbatches: microbatches,
      actions: actions, holders: holders)
  }

  private init(
    name: String, purpose: Purpose, stages: Int, microbatches: Int, actions: [[Action]],
    holders: [Int32]
  ) {
    self.name = name
    self.purpose = purpose
    self.stages = stages
    self.microbatches = microbatches
    self.actions = actions
    self.holders = holders
    var stagesByRank = Array(repeating: [Int](), count: actions.count)
    var ranksByStage = Array(repeating: [Int](), count: stages)
    for stage in 0..<stages {
      let row = holders[(stage * microbatches)..<((stage + 1) * microbatches)]
      for rank in Set(row).sorted() {
        stagesByRank[Int(rank)].append(stage)
        ranksByStage[stage].append(Int(rank))
      }
    }
    self.stagesByRank = stagesByRank
    self.ranksByStage = ranksByStage
  }

  package var ranks: Int { actions.count }

  /// Stages that `rank` runs, ascending.
  package func stages(onRank rank: Int) -> [Int] { stagesByRank[rank] }

  /// Ranks that run `stage` for some micro-batch, ascending: two under DualPipe.
  package func ranks(holding stage: Int) -> [Int] { ranksByStage[stage] }

  /// The rank that runs `cell`, forward and backward.
  package func rank(of cell: Cell) -> Int { Int(holders[index(of: cell)]) }

  /// Whether `cell` is one of this schedule's.
  package func contains(_ cell: Cell) -> Bool {
    (0..<stages).contains(cell.stage) && (0..<microbatches).contains(cell.microbatch)
  }

  /// Micro-batches that `rank` runs through `stage`, ascending.
  package func microbatches(ofStage stage: Int, onRank rank: Int) -> [Int] {
    (0..<microbatches).filter { self.rank(of: Cell(stage: stage, microbatch: $0)) == rank }
  }

  /// Dense number of a cell, 0..<stages × microbatches.
  func index(of cell: Cell) -> Int {
    precondition(contains(cell), "the cell is outside the schedule")
    return cell.stage * microbatches + cell.microbatch
  }

  /// The same forwards in the same order without any backward, for evaluation.
  package var forwardOnly: Schedule {
    let forwards = actions.map { list in
      list.compactMap { action in action.forwarded.map { Action.forward($0) } }
    }
    return Schedule(
      name: name, purpose: .evaluation, stages: stages, microbatches: microbatches,
      actions: forwards, holders: holders)
  }
}

extension Schedule {
  /// What crosses ranks because of `action`, in the order it is sent: the activation of a forward,
  /// the gradient of a backward or its input half; both for a pair. Empty where the neighbour
  /// stage is on the same rank, at the ends of the pipe, and for `W`.
  package func messages(after action: Action) -> [Message] {
    var messages: [Message] = []
    if let cell = action.forwarded, cell.stage < stages - 1 {
      messages.append(Message(payload: .activation, source: cell))
    }
    if let cell = action.backwarded, cell.stage > 0 {
      messages.append(Message(payload: .gradient, source: cell))
    }
    return messages.filter { rank(of: $0.source) != rank(of: $0.destination) }
  }

  /// What `action` needs from other ranks, in the order it is sent there.
  package func messages(before action: Action) -> [Message] {
    inputs(of: action).filter { rank(of: $0.source) != rank(of: $0.destination) }
  }

  /// Every value from a neighbour stage that `action` needs, whoever holds that stage.
  func inputs(of action: Action) -> [Message] {
    var inputs: [Message] = []
    if let cell = action.forwarded, cell.stage > 0 {
      inputs.append(Message(payload: .activation, source: cell.previous))
    }
    if let cell = action.backwarded, cell.stage < stages - 1 {
      inputs.append(Message(payload: .gradient, source: cell.next))
    }
    return inputs
  }

  /// Dense number of a message, 0..<2 × stages × microbatches; the same at both ends, so it serves
  /// as the tag that pairs a send with its receive.
  package func tag(of message: Message) -> Int {
    index(of: message.source) * 2 + (message.payload == .activation ? 0 : 1)
  }
}
