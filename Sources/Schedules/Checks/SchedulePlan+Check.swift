// The checks of a plan whose communication was written by someone else (a file): each value that
// crosses ranks is sent once, after it is made, and received once, before it is used.

extension SchedulePlan {
  /// Takes `actions`, with their communication, as a plan of `schedule`.
  ///
  /// - Precondition: the compute actions of `actions` are those of `schedule`, in the same order.
  /// - Throws: `ScheduleError` of rule `communication` when a message is missing, doubled, on the
  ///   wrong rank, sent before it is made or used before it is received; of rule `deadlock` when
  ///   the ranks cannot finish under `transport`.
  package init(
    schedule: Schedule, actions: [[Action]], transport: Transport = Transport()
  ) throws(ScheduleError) {
    precondition(
      actions.map { $0.filter { !$0.isCommunication } } == schedule.actions,
      "the plan computes what the schedule says")
    var check = CommunicationCheck(schedule: schedule, actions: actions)
    try check.run()
    self.init(trusting: schedule, actions: actions)
    try dryRun(transport)
  }
}

private struct CommunicationCheck {
  typealias Position = ScheduleError.Position

  let schedule: Schedule
  let actions: [[Action]]
  /// By tag.
  private var made: [Bool]
  private var sent: [Position?]
  private var received: [Position?]

  init(schedule: Schedule, actions: [[Action]]) {
    self.schedule = schedule
    self.actions = actions
    let messages = 2 * schedule.stages * schedule.microbatches
    made = Array(repeating: false, count: messages)
    sent = Array(repeating: nil, count: messages)
    received = Array(repeating: nil, count: messages)
  }

  mutating func run() throws(ScheduleError) {
    for (rank, list) in actions.enumerated() {
      for (step, action) in list.enumerated() {
        let position = Position(rank: rank, index: step)
        if let message = action.message {
          try checkPlace(of: action, message, position)
          try record(action, message, position)
        } else {
          try compute(action, position)
        }
      }
    }
    for list in actions {
      for action in list {
        for message in schedule.messages(after: action) { try checkEnds(of: message) }
      }
    }
  }

  private mutating func compute(_ action: Action, _ position: Position) throws(ScheduleError) {
    for input in schedule.messages(before: action) where received[schedule.tag(of: input)] == nil {
      throw refused("`\(action)` comes without a `\(input.receive)` before it", position)
    }
    for message in schedule.messages(after: action) { made[schedule.tag(of: message)] = true }
  }

  private func checkPlace(of action: Action, _ message: Message, _ position: Position)
    throws(ScheduleError)
  {
    guard schedule.contains(message.source), schedule.contains(message.destination) else {
      throw refused("`\(action)`: there is no such neighbour stage or micro-batch", position)
    }
    let source = schedule.rank(of: message.source)
    let destination = schedule.rank(of: message.destination)
    guard source != destination else {
      throw refused("`\(action)`: both stages are on rank \(source), nothing is sent", position)
    }
    let right = action.isSend ? source : destination
    guard right == position.rank else {
      throw refused("`\(action)` belongs on rank \(right)", position)
    }
  }

  private mutating func record(_ action: Action, _ message: Message, _ position: Position)
    throws(ScheduleError)
  {
    let tag = schedule.tag(of: message)
    if action.isSend {
      if sent[tag] != nil { throw refused("`\(action)` is sent a second time", position) }
      if !made[tag] { throw refused("`\(action)` is sent before it is made", position) }
      sent[tag] = position
    } else {
      if received[tag] != nil { throw refused("`\(action)` is received a second time", position) }
      received[tag] = position
    }
  }

  private func checkEnds(of message: Message) throws(ScheduleError) {
    let tag = schedule.tag(of: message)
    guard let receive = received[tag] else {
      preconditionFailure("the user of a value was checked to receive it")
    }
    if sent[tag] == nil {
      let rank = schedule.rank(of: message.source)
      throw refused("`\(message.receive)`: rank \(rank) has no `\(message.send)`", receive)
    }
  }

  private func refused(_ message: String, _ position: Position) -> ScheduleError {
    ScheduleError(.communication, message, at: position, in: actions)
  }
}
