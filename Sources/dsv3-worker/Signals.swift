// Signals that ask something of the run: SIGUSR1 for a checkpoint, SIGTERM and SIGUSR2 for a
// checkpoint and the end. A handler only notes them; the ranks agree on them at the end of a step.

import Glibc
import Synchronization
import Training

enum Signals {
  /// The raw value of a `RunRequest`.
  private static let noted = Atomic<Int>(0)

  /// From now on the signals are noted instead of ending the process.
  static func listen() -> RunRequests {
    // The handler must not be the first to touch the note: it could not make it.
    noted.store(0, ordering: .relaxed)
    var listened = sigset_t()
    sigemptyset(&listened)
    for signal in [SIGUSR1, SIGUSR2, SIGTERM] {
      sigaddset(&listened, signal)
      var action = sigaction()
      action.sa_flags = SA_RESTART
      action.__sigaction_handler.sa_handler = { number in
        let request: RunRequest = number == SIGUSR1 ? .checkpoint : .stop
        Signals.noted.max(request.rawValue, ordering: .relaxed)
      }
      sigaction(signal, &action, nil)
    }
    // Whoever started mpirun from a thread that blocks signals has handed that down.
    pthread_sigmask(SIG_UNBLOCK, &listened, nil)
    // mpirun signals one rank after the other: a rank whose signal comes after the others' have
    // been acted on must not ask for the same again.
    var told = RunRequest.none
    var isOwed = false
    return RunRequests(
      pending: {
        told = RunRequest(rawValue: noted.exchange(0, ordering: .relaxed)) ?? .none
        if isOwed, told == .checkpoint { told = .none }
        isOwed = false
        return told
      },
      settle: { isOwed = told == .none })
  }
}
