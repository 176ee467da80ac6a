// The handle of messages that are under way. Whoever starts a transfer must finish it: a handle
// that is dropped earlier traps, for MPI may still write into memory that is gone.

/// One message under way (or, inside this room, several that are waited for together).
package final class Transfer {
  let waiter: Waiter
  var missing = Missing()
  /// Bytes that arrived; final once the transfer is complete. A message may be shorter than the
  /// buffer it was received into. 0 for sends.
  package internal(set) var receivedBytes = 0

  init(waiter: Waiter) { self.waiter = waiter }

  deinit {
    precondition(
      isComplete || waiter.isGivenUp,
      "a Transfer was dropped with messages under way (\(missing)): call wait() first")
    if !isComplete { waiter.adoptMessages(of: Unmanaged.passUnretained(self)) }
  }

  /// Whether it is known to be complete (without looking for news).
  package var isComplete: Bool { missing.isNothing }

  /// Looks for news; whether the transfer is complete.
  package func test() throws(MPIError) -> Bool {
    if isComplete { return true }
    try waiter.poll()
    return isComplete
  }

  /// Returns when the transfer is complete; the processor is free for other ranks meanwhile.
  package func wait() throws(MPIError) {
    try waiter.wait { missing }
  }
}

/// Returns when all transfers are complete.
package func waitAll(_ transfers: [Transfer]) throws(MPIError) {
  try transfers.first?.waiter.wait {
    var all = Missing()
    for transfer in transfers { all = all + transfer.missing }
    return all
  }
}
