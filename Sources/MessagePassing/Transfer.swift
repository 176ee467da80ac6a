// The handle of messages that are under way. Whoever starts a transfer must finish it: a handle
// that is dropped earlier traps, for MPI may still write into memory that is gone.

/// One message under way (or, inside this room, several that are waited for together).
package final class Transfer {
  let waiter: Waiter
  /// Messages not yet complete.
  var pending = 0
  /// Bytes that arrived; final once the transfer is complete. A message may be shorter than the
  /// buffer it was received into. 0 for sends.
  package internal(set) var receivedBytes = 0

  init(waiter: Waiter) { self.waiter = waiter }

  deinit {
    precondition(
      pending == 0 || waiter.isGivenUp,
      "a Transfer was dropped with \(pending) message(s) under way: call wait() first")
  }

  /// Whether it is known to be complete (without looking for news).
  package var isComplete: Bool { pending == 0 }

  /// Looks for news; whether the transfer is complete.
  package func test() throws(MPIError) -> Bool {
    if pending == 0 { return true }
    try waiter.poll()
    return pending == 0
  }

  /// Returns when the transfer is complete; the processor is free for other ranks meanwhile.
  package func wait() throws(MPIError) {
    try waiter.wait { pending == 0 }
  }
}

/// Returns when all transfers are complete.
package func waitAll(_ transfers: [Transfer]) throws(MPIError) {
  for transfer in transfers { try transfer.wait() }
}
