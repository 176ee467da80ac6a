// A rank's list of actions, walked as the trainer performs it, with the bytes of its tensors: the
// shape twin of Training.ScheduleExecutor, OverlappedPair and PipelineChannel.

internal import ModelSpec
internal import Schedules

/// A stage as the walk needs it.
struct TrainedStage: Sendable {
  let main: TrainedSizes
  /// Of MTP modules, whose micro-batches are shorter by a position for each sequence.
  let module: TrainedSizes
  /// By block, MTP modules' last.
  let hasExperts: [Bool]
  /// Blocks of the main model.
  let blocks: Int
  let isFirst: Bool
  let isLast: Bool
  /// Whether MTP joins what the head's norm made of the hidden state.
  let joinsNormed: Bool
}

struct TrainedStep {
  private let stages: [Int: TrainedStage]
  private let stageCount: Int
  private let hidden: Int
  private let envelope: Int
  private var tally = TrainedTally()
  private var passes: [Cell: TrainedPass] = [:]
  /// Hidden states and gradients that were received, and those that were made here.
  private var received: Set<Message> = []
  private var made: Set<Message> = []
  private var held: [Int: Int] = [:]

  private(set) var microbatches: [Int: Int] = [:]
  var activations: Int { tally.peakActivations }
  var buffers: Int { tally.peakBuffers }

  /// - Parameters:
  ///   - actions: of the rank, with sends and receives.
  ///   - stages: by number, those that the rank holds.
  ///   - stageCount: of the schedule.
  init(of actions: [Action], stages: [Int: TrainedStage], stageCount: Int) {
    self.stages = stages
    self.stageCount = stageCount
    let sizes = stages.first?.value.main
    hidden = sizes?.work(sizes?.hidden ?? 0) ?? 0
    envelope = sizes?.stream(sizes?.hidden ?? 0) ?? 0
    for action in actions {
      let before = tally.peak
      perform(action)
      if tally.peak > before { microbatches = held.filter { $0.value > 0 } }
    }
    precondition(
      tally.activations == 0 && tally.buffers == 0,
      "what is made is let go: \(tally.activations) and \(tally.buffers) bytes are left")
  }

  private mutating func perform(_ action: Action) {
    switch action {
    case .forward(let cell):
      let pass = beginForward(cell)
      while !pass.isForwardDone { forward(pass) }
      endForward(cell)
    case .backward(let cell):
      let pass = beginBackward(cell)
      while !pass.isBackwardDone { backward(pass) }
      endBackward(cell, isWhole: true)
    case .backwardInput(let cell):
      let pass = beginBackward(cell)
      while !pass.isBackwardDone { backward(pass, performsWeights: false) }
      endBackward(cell, isWhole: false)
    case .backwardWeight(let cell):
      let pass = pass(cell)
      for unit in pass.units.indices.reversed() {
        pass.mlpWeights(&tally, unit: unit)
        pass.attentionWeights(&tally, unit: unit)
      }
      end(cell)
    case .overlapped(let forwardCell, let backwardCell):
      let forward = beginForward(forwardCell)
      let backward = beginBackward(backwardCell)
      performPair(forward, backward)
      endForward(forwardCell)
      endBackward(backwardCell, isWhole: true)
    case .sendForward, .sendBackward: send(action)
    case .receiveForward, .receiveBackward:
      if let message = action.message { received.insert(message) }
      tally.make(envelope)
    }
  }

  // MARK: Compute

  private func pass(_ cell: Cell) -> TrainedPass {
    guard let pass = passes[cell] else {
      preconditionFailure("a schedule is checked: a backward follows its forward")
    }
    return pass
  }

  private mutating func beginForward(_ cell: Cell) -> TrainedPass {
    guard let stage = stages[cell.stage] else {
      preconditionFailure("a rank's list names only stages that it holds")
    }
    let pass = TrainedPass(stage)
    passes[cell] = pass
    held[cell.stage, default: 0] += 1
    if cell.stage > 0 { take(Message(payload: .activation, source: cell.previous)) }
    return pass
  }

  private mutating func endForward(_ cell: Cell) {
    guard cell.stage < stageCount - 1 else { return }
    made.insert(Message(payload: .activation, source: cell))
  }

  private mutating func beginBackward(_ cell: Cell) -> TrainedPass {
    if cell.stage < stageCount - 1 { take(Message(payload: .gradient, source: cell.next)) }
    return pass(cell)
  }

  private mutating func endBackward(_ cell: Cell, isWhole: Bool) {
    if cell.stage > 0 { made.insert(Message(payload: .gradient, source: cell)) }
    if isWhole { end(cell) }
  }

  private mutating func end(_ cell: Cell) {
    passes.removeValue(forKey: cell)
    held[cell.stage, default: 0] -= 1
  }

  /// A block of a forward.
  private mutating func forward(_ pass: TrainedPass) {
    let unit = pass.forwardUnit
    pass.attentionForward(&tally)
    unit.startDispatch(&tally)
    unit.feedForward(&tally)
    unit.routedExperts(&tally)
    pass.finishCombine(&tally)
  }

  /// A block of a backward.
  private mutating func backward(_ pass: TrainedPass, performsWeights: Bool = true) {
    let (unit, number) = (pass.backwardUnit, pass.unitNumber)
    pass.startCombineGradient(&tally)
    unit.mlpBackward(&tally)
    if performsWeights { pass.mlpWeights(&tally, unit: number) }
    unit.finishDispatchGradient(&tally)
    pass.attentionBackward(&tally)
    if performsWeights { pass.attentionWeights(&tally, unit: number) }
  }

  private mutating func performPair(_ forward: TrainedPass, _ backward: TrainedPass) {
    while !forward.isForwardDone && !backward.isBackwardDone {
      let (coming, going) = (forward.forwardUnit, backward.backwardUnit)
      let number = backward.unitNumber
      backward.startCombineGradient(&tally)
      forward.attentionForward(&tally)
      coming.startDispatch(&tally)
      going.mlpBackward(&tally)
      backward.mlpWeights(&tally, unit: number)
      coming.feedForward(&tally)
      coming.routedExperts(&tally)
      going.finishDispatchGradient(&tally)
      backward.attentionBackward(&tally)
      backward.attentionWeights(&tally, unit: number)
      forward.finishCombine(&tally)
    }
    while !forward.isForwardDone { self.forward(forward) }
    while !backward.isBackwardDone { self.backward(backward) }
  }

  // MARK: Messages

  /// A value that a stage starts from becomes its own working memory.
  private mutating func take(_ message: Message) {
    if received.remove(message) != nil {
      // In BF16 it is loaded; in FP32 it is the tensor itself.
      if envelope != hidden {
        tally.make(hidden)
        tally.free(envelope)
      }
    } else {
      made.remove(message)
    }
  }

  private mutating func send(_ action: Action) {
    if let message = action.message { made.remove(message) }
    // What is sent counts where it arrives.
    if envelope != hidden { tally.touch(envelope) }
    tally.free(hidden)
  }
}
