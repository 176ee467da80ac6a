// What the engine knows of one GPU at a moment: what each of its streams does, since when and how
// fast, and where its time went so far.

internal import Workload

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
  /// Left to do, in time alone; what that takes beside a transfer is `ratio` times as long.
  var remaining: Int64 = 0
  var ratio = 1.0
  var start: Int64 = 0
  var since: Int64 = 0
  var end: Int64 = 0
  /// When the last segment ended.
  var idleSince: Int64 = 0
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
  /// The same of the last one that is done, for who waited for it.
  var doneReady: Int64 = 0
  var doneStart: Int64 = 0
  var doneEnd: Int64 = 0
  var doneLastRank: Int32 = -1
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

/// Where a GPU's step goes, as its compute stream sees it. The parts add up to the step.
struct TimeSpent {
  /// By `ActionClass`: computing, or waiting for an exchange inside an action.
  var actions: (Int64, Int64, Int64, Int64, Int64) = (0, 0, 0, 0, 0)
  /// Of that, waiting for exchanges; and for collectives.
  var exposed: Int64 = 0
  var exposedCollectives: Int64 = 0
  /// The update: computing, and collectives that are under way.
  var optimizer: Int64 = 0
  /// Waiting for other pipeline ranks, and for the slowest at the end.
  var bubble: Int64 = 0
  /// Computing, of the actions and of the update.
  var computing: Int64 = 0

  subscript(_ action: ActionClass) -> Int64 {
    switch action {
    case .forward: actions.0
    case .backward: actions.1
    case .input: actions.2
    case .weight: actions.3
    case .overlapped: actions.4
    }
  }

  mutating func add(_ time: Int64, to action: ActionClass) {
    switch action {
    case .forward: actions.0 += time
    case .backward: actions.1 += time
    case .input: actions.2 += time
    case .weight: actions.3 += time
    case .overlapped: actions.4 += time
    }
  }
}
