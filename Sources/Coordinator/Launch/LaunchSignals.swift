// Signals to the coordinator: the first SIGINT, SIGTERM or SIGHUP asks for an orderly end, a second
// for an immediate one; SIGUSR1 asks for a checkpoint. Handlers only count.

internal import Glibc
internal import Synchronization

package enum LaunchSignals {
  private static let stops = Atomic<Int32>(0)
  private static let stopSignal = Atomic<Int32>(0)
  private static let checkpoints = Atomic<Int32>(0)

  /// From now on the signals are counted.
  package static func listen() {
    // A handler must not be the first to touch a counter: it could not make it.
    _ =
      stops.load(ordering: .relaxed) + stopSignal.load(ordering: .relaxed)
      + checkpoints.load(ordering: .relaxed)
    for signal in [SIGINT, SIGTERM, SIGHUP] where !isIgnored(signal) {
      handle(signal) { number in
        LaunchSignals.stopSignal.store(number, ordering: .relaxed)
        LaunchSignals.stops.add(1, ordering: .relaxed)
      }
    }
    handle(SIGUSR1) { _ in LaunchSignals.checkpoints.add(1, ordering: .relaxed) }
  }

  /// How often an end was asked for, and by which signal last.
  static var stop: (count: Int, signal: Int32) {
    (Int(stops.load(ordering: .relaxed)), stopSignal.load(ordering: .relaxed))
  }

  /// How often a checkpoint was asked for.
  static var checkpointRequests: Int { Int(checkpoints.load(ordering: .relaxed)) }

  /// Whether the caller has this process ignore a signal, as nohup does with SIGHUP.
  private static func isIgnored(_ signal: Int32) -> Bool {
    var action = sigaction()
    guard sigaction(signal, nil, &action) == 0 else { return false }
    // SIG_IGN is a macro that Swift doesn't import: the pointer 1.
    return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == 1
  }

  private static func handle(_ signal: Int32, _ handler: @escaping @convention(c) (Int32) -> Void) {
    var action = sigaction()
    action.__sigaction_handler.sa_handler = handler
    sigaction(signal, &action, nil)
  }
}
