// One exchange between its start and its finish: the messages of both hops, and the moment when
// what has arrived by one hop goes on by the other.

/// A started exchange. Finish it with the `finish…` that matches its `start…`; a dropped one traps.
package final class ExchangeInFlight {
  enum Kind { case dispatch, combine, scatter, gather }

  /// Receives of one hop.
  struct Hop {
    let transfer: Transfer
    /// Outward: by source that this rank relays for. Inward: by node. In hop two: by local rank.
    var buffers: [ScratchBuffer?]
  }

  let kind: Kind
  let exchange: ExpertExchange
  package let plan: ExchangePlan
  let tag: Int
  /// The caller's; inward they are FP32.
  let rows: TokenRows
  let gates: UnsafePointer<Float>?
  var callerExperts: UnsafePointer<Int32>?

  var hopOne: Hop
  var hopTwo: Hop
  let sends: Transfer
  var sendBuffers: [ScratchBuffer] = []
  /// Sum over this rank's node for its own tokens, [tokens with an expert here, row].
  var ownPartial: ScratchBuffer?

  private(set) var isForwarded = false
  var isFinished = false

  init(
    _ kind: Kind, exchange: ExpertExchange, plan: ExchangePlan, rows: TokenRows,
    gates: UnsafePointer<Float>?, tag: Int
  ) {
    self.kind = kind
    self.exchange = exchange
    self.plan = plan
    self.rows = rows
    self.gates = gates
    self.tag = tag
    let waiter = exchange.group.waiter
    hopOne = Hop(transfer: Transfer(waiter: waiter), buffers: [])
    hopTwo = Hop(transfer: Transfer(waiter: waiter), buffers: [])
    sends = Transfer(waiter: waiter)
  }

  deinit {
    precondition(
      isFinished || exchange.group.waiter.isGivenUp, "an exchange was started but never finished")
  }

  /// Whether all messages for this rank are here, and all it had to forward is on its way.
  package var hasArrived: Bool { missing.isNothing }

  /// Messages that must arrive before it can be finished.
  var missing: Missing { hopOne.transfer.missing + hopTwo.transfer.missing }

  /// Messages that must arrive before this rank can forward.
  var missingBeforeForward: Int {
    switch kind {
    case .dispatch, .scatter: hopOne.transfer.missing.receives
    case .combine, .gather: hopTwo.transfer.missing.receives
    }
  }

  /// Forwards if the first of this exchange's hops is complete. Whether that is done.
  func advance() throws(MPIError) -> Bool {
    if isForwarded { return true }
    guard missingBeforeForward == 0 else { return false }
    isForwarded = true
    switch kind {
    case .dispatch: try exchange.forwardDispatch(self)
    case .scatter: try exchange.forwardScatter(self)
    case .combine, .gather: try exchange.forwardInward(self)
    }
    return true
  }

  /// A buffer to send from; given back when the sends are complete.
  func sendBuffer(bytes: Int) -> ScratchBuffer {
    let buffer = exchange.pool.take(bytes: bytes)
    sendBuffers.append(buffer)
    return buffer
  }

  func send(_ buffer: ScratchBuffer, bytes: Int, to peer: Int, hop: Int) throws(MPIError) {
    try exchange.group.send(
      UnsafeRawBufferPointer(start: buffer.base, count: bytes), to: peer, tag: tag + hop - 1,
      on: sends)
  }

  func receive(bytes: Int, from peer: Int, hop: Int) throws(MPIError) -> ScratchBuffer {
    let buffer = exchange.pool.take(bytes: bytes)
    try exchange.group.receive(
      UnsafeMutableRawBufferPointer(start: buffer.base, count: bytes), from: peer,
      tag: tag + hop - 1, on: hop == 1 ? hopOne.transfer : hopTwo.transfer)
    return buffer
  }
}
