// What a dispatch leaves behind: which rows went where, so that combine and the backward exchanges
// know all sizes in advance; and the tokens that a rank received.

/// The routes of one dispatch; combine, scatter and gather follow them. Keep it until the last of
/// these has been finished.
package final class ExchangePlan {
  /// Tokens this rank dispatched.
  package internal(set) var tokens = 0
  /// Rows this rank received: (source, token) pairs with an expert here.
  package internal(set) var rowCount = 0

  /// The first received row of each source, ascending.
  package var sourceStarts: [Int] {
    routes.receivedStart.isEmpty ? [0] : routes.receivedStart
  }
  let routes: RouteLists
  private let pool: ExchangePool

  init(pool: ExchangePool) {
    self.pool = pool
    routes = pool.takeRoutes()
  }

  deinit { pool.give(routes) }
}

/// The lists of a plan; their memory is used again by later plans.
///
/// A *segment* is what a relay forwards for one source: the source's tokens that have an expert in
/// the relay's node, ascending.
final class RouteLists {
  // As the source.
  /// Experts of this rank's tokens, [tokens, expertsPerToken].
  var experts: [Int32] = []
  /// Tokens sent to each node, ascending.
  var nodeTokens: [[Int32]] = []
  /// First node (ascending) of each token.
  var firstNode: [Int32] = []

  // As a relay, by position in the relay's list of sources.
  /// Rows of each segment.
  var segmentRows: [Int] = []
  /// Experts of each segment's rows, [rows, expertsPerToken].
  var segmentExperts: [[Int32]] = []
  /// Rows of segment j that go to local rank e, ascending: at j × local ranks + e.
  var forwards: [[Int32]] = []
  /// Lowest local rank that each row of the segment goes to.
  var firstLocal: [[Int32]] = []

  // As the receiver.
  /// Rows received from each source rank, and where they start among all received rows.
  var receivedFrom: [Int] = []
  var receivedStart: [Int] = []

  /// Rows that go from this rank's segments before `segment` to local rank `local`.
  func rowsForwarded(to local: Int, of locals: Int, before segment: Int) -> Int {
    var rows = 0
    for earlier in 0..<segment { rows += forwards[earlier * locals + local].count }
    return rows
  }

  /// Rows that come from a relay for all its sources.
  func rowsReceived(from sources: [Int]) -> Int {
    var rows = 0
    for source in sources { rows += receivedFrom[source] }
    return rows
  }

  /// Empties all lists, keeping their memory.
  func prepare(for topology: ExchangeTopology) {
    let nodes = topology.members.count
    let segments = topology.sources[topology.ownLocal].count
    if nodeTokens.count != nodes {
      nodeTokens = [[Int32]](repeating: [], count: nodes)
      segmentRows = [Int](repeating: 0, count: segments)
      segmentExperts = [[Int32]](repeating: [], count: segments)
      forwards = [[Int32]](repeating: [], count: segments * topology.local.count)
      firstLocal = [[Int32]](repeating: [], count: segments)
      receivedFrom = [Int](repeating: 0, count: topology.size)
      receivedStart = [Int](repeating: 0, count: topology.size)
    }
    experts.removeAll(keepingCapacity: true)
    firstNode.removeAll(keepingCapacity: true)
    for index in nodeTokens.indices { nodeTokens[index].removeAll(keepingCapacity: true) }
    for index in forwards.indices { forwards[index].removeAll(keepingCapacity: true) }
    for index in segmentRows.indices {
      segmentExperts[index].removeAll(keepingCapacity: true)
      firstLocal[index].removeAll(keepingCapacity: true)
    }
  }
}

/// The rows that a rank received for its experts. Their order is canonical: ascending source rank,
/// then token index; a token appears once however many of its experts live here.
///
/// Rows, experts and gates live as long as this value, which owns them (or borrows them from the
/// caller, see `isBorrowed`); the memory is used again after that.
package final class ReceivedTokens {
  /// What combine and the backward exchanges need.
  package let plan: ExchangePlan
  /// Rows: R.
  package var count: Int { plan.rowCount }
  /// [R, hidden], as they came.
  package let tokenRows: TokenRows
  /// [R, expertsPerToken]: index among this rank's experts, -1 for an expert of another rank; slots
  /// as at the source.
  package let expertIDs: UnsafePointer<Int32>
  /// [R, expertsPerToken]; 0 for an expert of another rank.
  package let gates: UnsafePointer<Float>
  /// In a group of one rank nothing is copied: the pointers are those given to `startDispatch`.
  package let isBorrowed: Bool

  private let format: RowFormat
  private let pool: ExchangePool
  private let buffers: [ScratchBuffer]

  init(
    plan: ExchangePlan, format: RowFormat, tokenRows: TokenRows,
    expertIDs: UnsafePointer<Int32>, gates: UnsafePointer<Float>, isBorrowed: Bool,
    buffers: [ScratchBuffer], pool: ExchangePool
  ) {
    self.plan = plan
    self.format = format
    self.tokenRows = tokenRows
    self.expertIDs = expertIDs
    self.gates = gates
    self.isBorrowed = isBorrowed
    self.buffers = buffers
    self.pool = pool
  }

  deinit { for buffer in buffers { pool.give(buffer) } }

  /// The rows of an exchange that sends FP32.
  package var rows: UnsafePointer<Float> {
    precondition(format == .fp32, "rows came as \(format)")
    return tokenRows.floats
  }
}
