// What the engine knows of one GPU at a moment: what each of its streams does, since when and how
// fast, and where its time went so far.

package import Workload

/// One simulated GPU. Times in picoseconds.
struct RankState {
  var program: Int32 = 0
  var dataRank: Int32 = 0
  /// Number of its expert group among the simulated ones.
  var group: Int32 = 0
  /// Factor on its compute times; 1 unless it is slow.
  var slowness = 1.0
  var isTraced = false

  var compute = ComputeStream()
  var exchange = ExchangeStream()
  var send = SendStream()
  var collective = CollectiveStream()
  /// First sender whose message is on its way here; chained by `SendStream.nextIncoming`.
  var firstIncoming: Int32 = -1
  /// Messages under way over its NIC.
  var incomingCount: Int32 = 0
  var spent = TimeSpent()

  /// When its next event is, as far as it depends on nobody else.
  var nextEvent: Int64 {
    var time = TimeTree.never
    if compute.isRunning { time = min(time, compute.end) }
    if exchange.phase == .transferring { time = min(time, exchange.end) }
    if send.isRunning { time = min(time, send.end) }
    if collective.phase == .running { time = min(time, collective.end) }
    return time
  }
}

struct ComputeStream {
  var done: Int32 = 0
  var isRunning = false
  /// Which of the program's pieces it was at in the instant `since`, and what was left of that in
  /// time alone; −1 for all of it.
  var piece: Int32 = 0
  var remaining: Int64 = -1
  var start: Int64 = 0
  var since: Int64 = 0
  var end: Int64 = 0
  /// When the last segment ended, and how much of the time since then exchanges are to blame for.
  var idleSince: Int64 = 0
  var exposed: Int64 = 0
}

struct ExchangeStream {
  enum Phase: UInt8 {
    case idle
    /// At the barrier in front of the transfer.
    case waiting
    case transferring
  }

  var done: Int32 = 0
  var phase = Phase.idle
  /// When it came to the barrier, and when the transfer began.
  var ready: Int64 = 0
  var start: Int64 = 0
  /// Left to do, in time at full rate.
  var remaining: Int64 = 0
  var rate = 1.0
  /// Share of the transfer's time that the NIC is busy.
  var networkShare = 0.0
  var since: Int64 = 0
  var end: Int64 = 0
  /// Who came last to the barrier, as a world rank.
  var lastRank: Int32 = -1
}

struct SendStream {
  var done: Int32 = 0
  var isRunning = false
  var peer: Int32 = -1
  var nextIncoming: Int32 = -1
  /// Whether it goes by NIC, and so shares with the exchange.
  var overNetwork = false
  var start: Int64 = 0
  var remaining: Int64 = 0
  var rate = 1.0
  var since: Int64 = 0
  var end: Int64 = 0
}

struct CollectiveStream {
  enum Phase: UInt8 { case idle, waiting, running }

  var done: Int32 = 0
  var phase = Phase.idle
  var ready: Int64 = 0
  var start: Int64 = 0
  var end: Int64 = 0
  /// Waited for others since the last compute.
  var waited: Int64 = 0
}

/// Where a GPU's step goes, as its compute stream sees it, in picoseconds: actions, optimizer and
/// bubble add up to the step.
package struct TimeSpent: Hashable, Sendable {
  /// By `ActionClass`: computing, or waiting for one of the action's own exchanges.
  private var actions = Actions()
  /// Of that, waiting for exchanges; and for collectives.
  package var exposed: Int64 = 0
  package var exposedCollectives: Int64 = 0
  /// The update: computing, and collectives that are under way.
  package var optimizer: Int64 = 0
  /// Waiting for other pipeline ranks, and for the slowest at the end.
  package var bubble: Int64 = 0
  /// Computing, of the actions and of the update.
  package var computing: Int64 = 0

  private struct Actions: Hashable {
    var forward: Int64 = 0
    var backward: Int64 = 0
    var input: Int64 = 0
    var weight: Int64 = 0
    var overlapped: Int64 = 0
  }

  package subscript(_ action: ActionClass) -> Int64 {
    switch action {
    case .forward: actions.forward
    case .backward: actions.backward
    case .input: actions.input
    case .weight: actions.weight
    case .overlapped: actions.overlapped
    }
  }

  mutating func add(_ time: Int64, to action: ActionClass) {
    switch action {
    case .forward: actions.forward += time
    case .backward: actions.backward += time
    case .input: actions.input += time
    case .weight: actions.weight += time
    case .overlapped: actions.overlapped += time
    }
  }
}
