// The all-to-all of expert parallelism (DeepSeek-V3 report, section 3.2.2): tokens go to the ranks
// that own their experts and come back summed, nonblocking, in two hops or directly. Forward uses
// dispatch and combine; the backward of combine is scatter, the backward of dispatch is gather.

/// Bytes that this rank put on the simulated links, since the start.
package struct ExchangeTraffic: Sendable, Equatable {
  /// Token rows that left for another node, as they travel: rows × `RowFormat.bytes`.
  package var infinibandBytes = 0
  /// Token rows that went to another rank of the same node.
  package var nvlinkBytes = 0
  /// Of both, what was on its way to experts: dispatch, and combine's backward.
  package var outwardBytes = 0
  /// Everything else in the messages: expert numbers, gates and their gradients, counts.
  package var metadataBytes = 0

  package init() {}
}

/// The expert exchange of one group of ranks.
///
/// Each exchange is started and later finished. Several may be under way; all ranks of the group
/// start theirs in the same order and finish them in any. Rows given to a `start…` must stay valid
/// and unchanged until the matching `finish…` returns. After the first few exchanges of a size,
/// buffers come from a free list.
package final class ExpertExchange {
  package let group: Communicator
  package let expertsPerToken: Int
  package let hidden: Int
  /// Rows of dispatch and scatter, and of combine and gather.
  package let outward: RowFormat
  package let inward: RowFormat
  /// Experts that this rank owns.
  package var localExperts: Range<Int> {
    group.rank * topology.expertsPerRank..<(group.rank + 1) * topology.expertsPerRank
  }
  package internal(set) var traffic = ExchangeTraffic()

  let topology: ExchangeTopology
  let pool = ExchangePool()
  /// Index of each rank in its routing node.
  let localIndex: [Int]
  let outwardRows: RowCopier
  /// A row that was decoded, to be added.
  let decodedRow: ScratchBuffer
  /// Sent but not yet taken by the receiver, with the memory that is sent from.
  private var draining: [(sends: Transfer, buffers: [ScratchBuffer])] = []

  /// - Parameters:
  ///   - group: ranks that share the experts; rank g owns experts g·E/size ..< (g+1)·E/size.
  ///   - ranksPerNode: simulated nodes are runs of this many consecutive *world* ranks.
  ///   - experts: E, a multiple of the group's size.
  ///   - expertsPerToken: experts of a token (they may repeat; each slot has its own gate).
  ///   - hidden: numbers in a row.
  ///   - outward: what rows travel as from a token's source to its experts.
  ///   - inward: what rows and their sums travel as on the way back; not FP8.
  /// - Throws: an `MPIError` when the experts can't be divided among the ranks.
  package init(
    group: Communicator, ranksPerNode: Int, experts: Int, expertsPerToken: Int, hidden: Int,
    route: ExchangeRoute, outward: RowFormat = .fp32, inward: RowFormat = .fp32
  ) throws(MPIError) {
    precondition(expertsPerToken > 0 && hidden > 0)
    precondition(inward != .fp8, "rows that are added up travel as FP32 or BF16")
    self.outward = outward
    self.inward = inward
    outwardRows = RowCopier(outward, hidden: hidden)
    decodedRow = ScratchBuffer(bytes: inward == .bf16 ? 4 * hidden : 0)
    self.group = group
    self.expertsPerToken = expertsPerToken
    self.hidden = hidden
    let topology = try ExchangeTopology(
      rank: group.rank, worldRanks: group.worldRanks, ranksPerNode: ranksPerNode,
      experts: experts, route: route)
    self.topology = topology
    localIndex = (0..<group.size).map { rank in
      topology.members[topology.node[rank]].firstIndex(of: rank) ?? 0
    }
  }

  deinit {
    for (sends, _) in draining where !group.waiter.isGivenUp { try? sends.wait() }
  }

  /// Whether this rank has the group for itself: nothing is sent, and `ReceivedTokens` borrows.
  package var isAlone: Bool { group.size == 1 }

  /// Address space of all buffers so far, in bytes; it stops growing after the first exchanges.
  /// (Receive buffers have room for the worst imbalance; what is never touched takes no memory.)
  package var bufferBytes: Int { pool.bytes }

  // MARK: Dispatch

  /// Starts sending token rows to the ranks that own their experts.
  ///
  /// - Parameters:
  ///   - rows: [tokens, hidden], in the format `outward`. Valid until `finishDispatch` returns; in
  ///     a group of one rank, as long as the `ReceivedTokens` that come of it. So are `experts` and
  ///     `gates`.
  ///   - maxTokensAnyRank: the most tokens that any rank of the group dispatches; same on all.
  ///   - experts: [tokens, expertsPerToken], each in 0 ..< E.
  ///   - gates: [tokens, expertsPerToken].
  package func startDispatch(
    rows: TokenRows, tokens: Int, maxTokensAnyRank: Int,
    experts: UnsafePointer<Int32>, gates: UnsafePointer<Float>
  ) throws(MPIError) -> ExchangeInFlight {
    precondition(
      tokens >= 0 && tokens <= maxTokensAnyRank,
      "\(tokens) tokens, but no rank was to have more than \(maxTokensAnyRank)")
    let plan = ExchangePlan(pool: pool)
    plan.tokens = tokens
    let flight = begin(.dispatch, plan, rows: rows, gates: gates)
    flight.callerExperts = experts
    if isAlone {
      plan.rowCount = tokens
      return flight
    }
    plan.routes.prepare(for: topology)
    findNodes(of: experts, tokens: tokens, in: plan.routes)
    try postDispatchReceives(flight, maxTokensAnyRank)
    try sendDispatchAcross(flight)
    try launch(flight)
    return flight
  }

  /// Waits for a dispatch. `place`, if given, is called once with R, the number of rows, and says
  /// where the rows are to be written, [R, hidden] in the format `outward`: that memory stays the
  /// caller's.
  package func finishDispatch(
    _ flight: ExchangeInFlight, into place: ((Int) -> MutableTokenRows)? = nil
  ) throws(MPIError) -> ReceivedTokens {
    precondition(flight.kind == .dispatch && flight.exchange === self)
    if isAlone, let experts = flight.callerExperts, let gates = flight.gates {
      flight.isFinished = true
      var rows = flight.rows
      if let place {
        let own = place(flight.plan.tokens)
        outwardRows.copy(flight.plan.tokens, from: .memory(rows), at: 0, to: .memory(own), at: 0)
        rows = TokenRows(own)
      }
      return ReceivedTokens(
        plan: flight.plan, format: outward, tokenRows: rows, expertIDs: experts, gates: gates,
        isBorrowed: true, buffers: [], pool: pool)
    }
    try arrive(flight)
    let received = unpackDispatch(flight, into: place)
    retire(flight)
    return received
  }

  // MARK: Combine

  /// Starts sending back one row per received row, [R, hidden] in FP32; the source of a token gets
  /// the sum of its rows.
  ///
  /// When they travel as BF16, every term of a sum is rounded to it (to nearest even, too large to
  /// infinity): each row, and, in two hops between several nodes, each node's sum; also rows and
  /// sums that don't leave their rank, so that a result doesn't depend on which terms travelled.
  /// Sums are taken in FP32, and the last one stays FP32.
  package func startCombine(
    _ plan: ExchangePlan, rows: UnsafePointer<Float>
  ) throws(MPIError) -> ExchangeInFlight {
    try startInward(begin(.combine, plan, rows: TokenRows(rows), gates: nil))
  }

  /// Waits for a combine and writes, for every token that this rank dispatched, the sum over ranks
  /// (ascending within a node, then over nodes, ascending): [tokens, hidden].
  package func finishCombine(
    _ flight: ExchangeInFlight, into sums: UnsafeMutablePointer<Float>
  ) throws(MPIError) {
    precondition(flight.kind == .combine && flight.exchange === self)
    try finishInward(flight, into: sums, gates: nil)
  }

  // MARK: Scatter, the backward of combine

  /// Starts sending one row per dispatched token, [tokens, hidden] in the format `outward`, to all
  /// ranks that received the token.
  package func startScatter(
    _ plan: ExchangePlan, rows: TokenRows
  ) throws(MPIError) -> ExchangeInFlight {
    let flight = begin(.scatter, plan, rows: rows, gates: nil)
    if isAlone { return flight }
    try postScatterReceives(flight)
    try sendScatterAcross(flight)
    try launch(flight)
    return flight
  }

  /// Waits for a scatter and writes the rows in the order of the dispatch: [R, hidden], in the
  /// format `outward`.
  package func finishScatter(
    _ flight: ExchangeInFlight, into rows: MutableTokenRows
  ) throws(MPIError) {
    precondition(flight.kind == .scatter && flight.exchange === self)
    if isAlone {
      flight.isFinished = true
      outwardRows.copy(
        flight.plan.tokens, from: .memory(flight.rows), at: 0, to: .memory(rows), at: 0)
      return
    }
    try arrive(flight)
    unpackScatter(flight, into: rows)
    retire(flight)
  }

  // MARK: Gather, the backward of dispatch

  /// As combine, and also sends back the gates' gradients, [R, expertsPerToken]; slots of other
  /// ranks' experts are ignored.
  package func startGather(
    _ plan: ExchangePlan, rows: UnsafePointer<Float>, gateGradients: UnsafePointer<Float>
  ) throws(MPIError) -> ExchangeInFlight {
    try startInward(begin(.gather, plan, rows: TokenRows(rows), gates: gateGradients))
  }

  /// As `finishCombine`; also writes every slot's gradient, from the one rank that owns its expert:
  /// [tokens, expertsPerToken].
  package func finishGather(
    _ flight: ExchangeInFlight, into sums: UnsafeMutablePointer<Float>,
    gateGradients: UnsafeMutablePointer<Float>
  ) throws(MPIError) {
    precondition(flight.kind == .gather && flight.exchange === self)
    try finishInward(flight, into: sums, gates: gateGradients)
  }

  /// Lets messages move and forwards what has arrived: call between pieces of compute. Costs next
  /// to nothing when nothing came.
  package func progress() throws(MPIError) { try group.waiter.progress() }

  // MARK: Life of an exchange

  private func begin(
    _ kind: ExchangeInFlight.Kind, _ plan: ExchangePlan, rows: TokenRows,
    gates: UnsafePointer<Float>?
  ) -> ExchangeInFlight {
    reap()
    return ExchangeInFlight(
      kind, exchange: self, plan: plan, rows: rows, gates: gates, tag: group.takeTags(2))
  }

  /// Forwards at once if nothing has to arrive first, else as soon as it has.
  func launch(_ flight: ExchangeInFlight) throws(MPIError) {
    if try !flight.advance() { group.waiter.relays.append(flight) }
  }

  func arrive(_ flight: ExchangeInFlight) throws(MPIError) {
    try group.waiter.wait { flight.missing }
  }

  /// Gives the buffers of a finished exchange back, those still being sent from later.
  func retire(_ flight: ExchangeInFlight) {
    flight.isFinished = true
    for buffer in flight.hopOne.buffers { if let buffer { pool.give(buffer) } }
    for buffer in flight.hopTwo.buffers { if let buffer { pool.give(buffer) } }
    if let partial = flight.ownPartial { pool.give(partial) }
    if flight.sends.isComplete {
      for buffer in flight.sendBuffers { pool.give(buffer) }
    } else {
      draining.append((flight.sends, flight.sendBuffers))
    }
  }

  private func reap() {
    guard !draining.isEmpty else { return }
    draining.removeAll { entry in
      guard entry.sends.isComplete else { return false }
      for buffer in entry.buffers { pool.give(buffer) }
      return true
    }
  }
}
