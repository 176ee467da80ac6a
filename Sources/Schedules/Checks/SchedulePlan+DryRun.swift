// A dry run of a plan: every rank's list is performed without numbers, under a given kind of
// message passing, to prove before anything runs that all ranks reach their end.

/// How the messages of a plan behave.
package struct Transport: Hashable, Sendable {
  package enum Sends: Hashable, Sendable {
    /// A send ends at once, whether or not it is received (MPI's buffered or eager mode).
    case buffered
    /// A send ends when its receive has been reached (MPI's synchronous mode, large messages).
    case rendezvous
  }

  package enum Receives: Hashable, Sendable {
    /// A receive ends when its message is there.
    case blocking
    /// A receive only opens a buffer; the compute that uses the value waits for it.
    case posted
  }

  package var sends: Sends
  package var receives: Receives

  package init(sends: Sends = .buffered, receives: Receives = .blocking) {
    self.sends = sends
    self.receives = receives
  }
}

extension SchedulePlan {
  /// Performs the plan dry. O(actions).
  ///
  /// - Throws: `ScheduleError` of rule `deadlock` when the ranks stop before their ends, with who
  ///   waits for what.
  package func dryRun(_ transport: Transport = Transport()) throws(ScheduleError) {
    var run = DryRun(plan: self, transport: transport)
    try run.perform()
  }
}

private struct DryRun {
  let plan: SchedulePlan
  let transport: Transport
  private var next: [Int]
  /// By tag: the send was reached; the receive was reached.
  private var sent: [Bool]
  private var posted: [Bool]
  private var runnable: [Int]

  init(plan: SchedulePlan, transport: Transport) {
    self.plan = plan
    self.transport = transport
    let messages = 2 * plan.schedule.stages * plan.schedule.microbatches
    next = Array(repeating: 0, count: plan.ranks)
    sent = Array(repeating: false, count: messages)
    posted = Array(repeating: false, count: messages)
    runnable = Array((0..<plan.ranks).reversed())
  }

  mutating func perform() throws(ScheduleError) {
    while let rank = runnable.popLast() {
      while next[rank] < plan.actions[rank].count, advance(rank) == nil { next[rank] += 1 }
    }
    var stall = Stall(actions: plan.actions)
    for rank in 0..<plan.ranks where next[rank] < plan.actions[rank].count {
      if let (peer, reason) = advance(rank) {
        stall.waits[rank] = Stall.Wait(index: next[rank], peer: peer, reason: reason)
      }
    }
    if !stall.waits.isEmpty { throw stall.error }
  }

  /// Performs the rank's next action, or says for whom and what it waits.
  private mutating func advance(_ rank: Int) -> (peer: Int, reason: String)? {
    let action = plan.actions[rank][next[rank]]
    guard let message = action.message, let peer = plan.peer(of: action, onRank: rank) else {
      return transport.receives == .posted ? missingInput(of: action) : nil
    }
    let tag = plan.schedule.tag(of: message)
    if action.isSend {
      if !sent[tag] { wake(peer) }
      sent[tag] = true
      let waits = transport.sends == .rendezvous && !posted[tag]
      return waits ? (peer, "`\(message.receive)`") : nil
    }
    if !posted[tag] { wake(peer) }
    posted[tag] = true
    let waits = transport.receives == .blocking && !sent[tag]
    return waits ? (peer, "`\(message.send)`") : nil
  }

  private func missingInput(of action: Action) -> (peer: Int, reason: String)? {
    for message in plan.schedule.messages(before: action)
    where !sent[plan.schedule.tag(of: message)] {
      return (plan.schedule.rank(of: message.source), "`\(message.send)`")
    }
    return nil
  }

  private mutating func wake(_ rank: Int) {
    runnable.append(rank)
  }
}
