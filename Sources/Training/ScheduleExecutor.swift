// Performs the actions of a schedule plan with real numbers. It decides nothing: what runs when,
// and what is sent to whom, stands in the list.

internal import Kernels
internal import MessagePassing
internal import Model
internal import ModelSpec
internal import RunFiles
internal import Schedules
internal import Workload

final class ScheduleExecutor {
  private let model: RankModel
  private let channel: PipelineChannel
  private let clock: ActivityClock
  private let pipelineRank: Int
  /// Shape of every message: the tokens of a micro-batch × the hidden size.
  private let rows: Int
  private let columns: Int

  /// State of one pass over a plan.
  private var plan: SchedulePlan
  private var scales = LossScales(main: 0, mtp: 0, balance: 0)
  private var recorder: StepRecorder?
  private var disturbance: Disturbance?
  private var batch: (Int) -> MicroBatch = { _ in preconditionFailure("no batch is set") }
  private var passes: [Cell: StagePass] = [:]
  private var pendingWeights: [Cell: WeightGradients] = [:]
  /// Values made here, until they are sent or used by a neighbour stage on this rank. A stage
  /// takes its input as it would take that of a block of its own, so nothing is copied.
  private var made: [Message: Tensor] = [:]
  private(set) var losses = LossSums()
  private var held = HeldActivations()
  /// Of all training passes so far.
  private(set) var times: ActionTimes

  /// - Parameter tokens: positions of a micro-batch.
  init(
    _ model: RankModel, plan: SchedulePlan, tokens: Int, precision: Precision,
    world: Communicator, clock: ActivityClock
  ) {
    self.model = model
    self.plan = plan
    self.clock = clock
    let layout = model.placement.layout
    pipelineRank = layout.pipelineRank(of: world.rank)
    rows = tokens
    columns = model.placement.spec.hiddenSize
    times = ActionTimes(stages: plan.schedule.stages)
    channel = PipelineChannel(
      world: world, layout: layout, precision: precision, clock: clock)
  }

  /// Performs `plan` from start to end; `batch` gives this data rank's micro-batch of a number.
  /// Returns the summed losses. What is done is told to `recorder`.
  func run(
    _ plan: SchedulePlan, scales: LossScales, recorder: StepRecorder? = nil,
    disturbance: Disturbance? = nil, batch: @escaping (Int) -> MicroBatch
  ) throws -> LossSums {
    self.plan = plan
    self.scales = scales
    self.recorder = recorder
    self.disturbance = disturbance
    defer {
      self.recorder = nil
      self.disturbance = nil
    }
    self.batch = batch
    losses = LossSums()
    held = HeldActivations()
    var times = self.times
    for (number, action) in plan.actions[pipelineRank].enumerated() {
      try disturbance?.before(action: number)
      try clock.during(.compute) { try times.timing(action) { try perform(action) } }
      clock.beat?.did(actions: number + 1)
    }
    if plan.schedule.purpose == .training { self.times = times }
    try channel.finishSends()
    precondition(
      passes.isEmpty && made.isEmpty && pendingWeights.isEmpty,
      "the plan was checked: every value is used and every backward is whole")
    return losses
  }

  /// Most activations alive at once in the last pass.
  var peakActivations: ActivationPeaks { held.peaks }

  private func perform(_ action: Action) throws {
    try channel.dropFinishedSends()
    guard let disturbance, !action.isCommunication else { return try performNow(action) }
    try disturbance.stretching { try performNow(action) }
  }

  private func performNow(_ action: Action) throws {
    switch action {
    case .forward(let cell):
      recorder?.begin(.forward)
      let forward = try beginForward(cell)
      try forward.run()
      endForward(cell, forward)
    case .backward(let cell):
      recorder?.begin(.backward)
      let weights = WeightGradients()
      let backward = try beginBackward(cell, weights)
      try backward.run { weights.perform() }
      endBackward(cell, backward)
    case .backwardInput(let cell):
      recorder?.begin(.input)
      let backward = try beginBackward(cell, WeightGradients())
      held.postpone(backward.weights, of: backward.pass)
      try backward.run {}
      pendingWeights[cell] = backward.weights
      endBackward(cell, backward)
    case .backwardWeight(let cell):
      guard let weights = pendingWeights.removeValue(forKey: cell) else {
        preconditionFailure("the plan was checked: W follows its I")
      }
      recorder?.begin(.weight)
      weights.perform()
    case .overlapped(let forwardCell, let backwardCell):
      recorder?.begin(.overlapped)
      let forward = try beginForward(forwardCell)
      let backward = try beginBackward(backwardCell, WeightGradients())
      try OverlappedPair.run(forward, backward)
      endForward(forwardCell, forward)
      endBackward(backwardCell, backward)
    case .sendForward, .sendBackward:
      try send(action)
    case .receiveForward, .receiveBackward:
      try receive(action)
    }
  }

  // MARK: Compute

  private func beginForward(_ cell: Cell) throws -> StageForward {
    guard let stage = model.stages[cell.stage] else {
      preconditionFailure("the plan was checked: this rank holds stage \(cell.stage)")
    }
    let pass = StagePass(
      stage, batch(cell.microbatch), scales: scales,
      forwardOnly: plan.schedule.purpose == .evaluation,
      observer: recorder?.observer(of: cell))
    passes[cell] = pass
    held.begin(pass)
    let input =
      cell.stage == 0 ? nil : try value(Message(payload: .activation, source: cell.previous))
    return StageForward(pass, input: input)
  }

  private func endForward(_ cell: Cell, _ forward: StageForward) {
    losses.main += forward.pass.losses.main
    losses.mtp += forward.pass.losses.mtp
    losses.balance += forward.pass.losses.balance
    if cell.stage < plan.schedule.stages - 1, let output = forward.output {
      made[Message(payload: .activation, source: cell)] = output
    }
    if forward.pass.forwardOnly { passes.removeValue(forKey: cell) }
  }

  private func beginBackward(_ cell: Cell, _ weights: WeightGradients) throws -> StageBackward {
    guard let pass = passes[cell] else {
      preconditionFailure("the plan was checked: a backward follows its forward")
    }
    let gradient =
      cell.stage == plan.schedule.stages - 1
      ? nil : try value(Message(payload: .gradient, source: cell.next))
    return StageBackward(pass, gradient: gradient, weights: weights)
  }

  private func endBackward(_ cell: Cell, _ backward: StageBackward) {
    passes.removeValue(forKey: cell)
    if cell.stage > 0, let gradient = backward.inputGradient {
      made[Message(payload: .gradient, source: cell)] = gradient
    }
  }

  // MARK: Communication

  /// A value from a neighbour stage: received, or made on this rank.
  private func value(_ message: Message) throws -> Tensor {
    if let received = try channel.take(message) {
      recorder?.use(message)
      return received
    }
    guard let local = made.removeValue(forKey: message) else {
      preconditionFailure("the plan was checked: a value is there before it is used")
    }
    return local
  }

  private func send(_ action: Action) throws {
    guard let message = action.message, let tensor = made.removeValue(forKey: message) else {
      preconditionFailure("the plan was checked: a send follows what makes its value")
    }
    recorder?.send(
      message, to: plan.schedule.rank(of: message.destination), tokens: tensor.rows)
    try channel.send(message, tensor, in: plan.schedule)
  }

  private func receive(_ action: Action) throws {
    guard let message = action.message else { return }
    recorder?.receive(message, from: plan.schedule.rank(of: message.source), tokens: rows)
    try channel.receive(message, in: plan.schedule, rows: rows, columns: columns)
  }
}
