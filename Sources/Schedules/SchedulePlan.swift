// A schedule with its sends and receives: what a trainer performs, rank by rank, without deciding
// anything. Made by lowering a schedule, or read from a file that has the communication in it.

/// A schedule together with the communication that carries its values between ranks.
package struct SchedulePlan: Hashable, Sendable {
  /// Where lowering puts a receive.
  package enum ReceivePlacement: Hashable, Sendable {
    /// At the moment its send is made, that is as early as possible; safe with any kind of send.
    case early
    /// Just before its use, except that the lower rank of a pair does not move a receive past a
    /// send to the same peer (PyTorch's `defer_pp_recv`). Holds fewer buffers; needs buffered
    /// sends.
    case deferred
  }

  /// The compute-only schedule underneath.
  package let schedule: Schedule
  /// By rank, compute actions and communication in the order the rank performs them.
  package let actions: [[Action]]

  /// Trusts `actions`; lowering and the checked initialiser are the ways in.
  init(trusting schedule: Schedule, actions: [[Action]]) {
    self.schedule = schedule
    self.actions = actions
  }

  package var ranks: Int { actions.count }

  /// The rank at the other end of a send or receive that `rank` performs; nil for compute.
  package func peer(of action: Action, onRank rank: Int) -> Int? {
    guard let message = action.message else { return nil }
    let peer = schedule.rank(of: action.isSend ? message.destination : message.source)
    precondition(peer != rank, "a message never stays on its rank")
    return peer
  }

  /// A number that pairs a send with its receive, unique within the step and below
  /// 2 × stages × microbatches; nil for compute.
  package func tag(of action: Action) -> Int? {
    action.message.map { schedule.tag(of: $0) }
  }
}
