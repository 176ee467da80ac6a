// Signals that ask this process to end. A handler only notes them; whoever waits for children looks
// at the note, ends the children, and throws. Without `listen()` the signals kill as ever, and
// children, which are in process groups of their own, would live on.

internal import Glibc
internal import Synchronization

package enum Interruption {
  private static let pending = Atomic<Int32>(0)

  /// From now on SIGINT, SIGTERM and SIGHUP are noted.
  package static func listen() {
    // The handler must not be the first to touch the note: it could not make it.
    _ = pending.load(ordering: .relaxed)
    for signal in [SIGINT, SIGTERM, SIGHUP] {
      var action = sigaction()
      action.__sigaction_handler.sa_handler = { number in
        Interruption.pending.store(number, ordering: .relaxed)
      }
      sigaction(signal, &action, nil)
    }
  }

  /// The signal that came, if one did.
  package static var signal: Int32? {
    let number = pending.load(ordering: .relaxed)
    return number == 0 ? nil : number
  }
}
