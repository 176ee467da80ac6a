// Lowering: compute-only lists become lists with sends and receives. Each send goes in together
// with its receive, in one global order that executes; so the plan finishes even when a send waits
// for its receive (the argument of torch.distributed.pipelining's `_add_send_recv`, torch 2.13).

extension SchedulePlan {
  /// Adds the communication to `schedule`.
  ///
  /// Ranks take turns, one action each; an action whose inputs exist is appended, its sends right
  /// after it, and each receive to the end of the receiver's list at that moment. Values between
  /// two stages on one rank are not sent. A pair's activation is sent before its gradient.
  ///
  /// - Throws: `ScheduleError` of rule `deadlock` when no rank can go on, with who waits for what.
  package init(lowering schedule: Schedule, receives: ReceivePlacement = .early)
    throws(ScheduleError)
  {
    var lowering = Lowering(schedule)
    let actions = try lowering.run()
    let plan = SchedulePlan(trusting: schedule, actions: actions)
    self = receives == .early ? plan : plan.deferringReceives()
  }

  /// The same plan with receives moved down to their use; see `ReceivePlacement.deferred`.
  private func deferringReceives() -> SchedulePlan {
    let moved = actions.enumerated().map { rank, list in
      var pending: [Message] = []
      var result: [Action] = []
      result.reserveCapacity(list.count)
      func flush(_ isDue: (Message) -> Bool) {
        result += pending.filter(isDue).map(\.receive)
        pending.removeAll(where: isDue)
      }
      for action in list {
        if let message = action.message {
          guard action.isSend else {
            pending.append(message)
            continue
          }
          let peer = schedule.rank(of: message.destination)
          if rank < peer { flush { schedule.rank(of: $0.source) == peer } }
        } else {
          for input in schedule.messages(before: action) { flush { $0 == input } }
        }
        result.append(action)
      }
      return result
    }
    return SchedulePlan(trusting: schedule, actions: moved)
  }
}

/// The state of one lowering.
private struct Lowering {
  let schedule: Schedule
  /// By message tag, whether the value exists where it is used.
  private var isReady: [Bool]
  /// By rank, the index of its next compute action.
  private var next: [Int]
  private var lowered: [[Action]]

  init(_ schedule: Schedule) {
    self.schedule = schedule
    isReady = Array(repeating: false, count: 2 * schedule.stages * schedule.microbatches)
    next = Array(repeating: 0, count: schedule.ranks)
    lowered = Array(repeating: [], count: schedule.ranks)
  }

  mutating func run() throws(ScheduleError) -> [[Action]] {
    var unfinished = Array(0..<schedule.ranks)
    while !unfinished.isEmpty {
      var progressed = false
      for rank in unfinished where takeTurn(rank) { progressed = true }
      guard progressed else { throw stall() }
      unfinished.removeAll { next[$0] == schedule.actions[$0].count }
    }
    return lowered
  }

  private mutating func takeTurn(_ rank: Int) -> Bool {
    let action = schedule.actions[rank][next[rank]]
    for input in schedule.inputs(of: action) where !isReady[schedule.tag(of: input)] {
      return false
    }
    lowered[rank].append(action)
    if let cell = action.forwarded, cell.stage < schedule.stages - 1 {
      isReady[schedule.tag(of: Message(payload: .activation, source: cell))] = true
    }
    if let cell = action.backwarded, cell.stage > 0 {
      isReady[schedule.tag(of: Message(payload: .gradient, source: cell))] = true
    }
    for message in schedule.messages(after: action) {
      lowered[rank].append(message.send)
      lowered[schedule.rank(of: message.destination)].append(message.receive)
    }
    next[rank] += 1
    return true
  }

  private func stall() -> ScheduleError {
    var stall = Stall(actions: schedule.actions)
    for (rank, index) in next.enumerated() where index < schedule.actions[rank].count {
      let inputs = schedule.inputs(of: schedule.actions[rank][index])
      guard let input = inputs.first(where: { !isReady[schedule.tag(of: $0)] }) else { continue }
      let kind = input.payload == .activation ? "the output" : "the input gradient"
      stall.waits[rank] = Stall.Wait(
        index: index, peer: schedule.rank(of: input.source),
        reason: "\(kind) of stage \(input.source.stage), micro-batch \(input.source.microbatch)")
    }
    return stall.error
  }
}
