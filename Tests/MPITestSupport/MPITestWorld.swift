// MPI inside a test bundle. Under `mpirun -n N bundle.xctest --testing-library swift-testing` the
// tests of the MPI suites run on all ranks together; in a plain `swift test` the world has one
// rank and tests that need more are skipped.

internal import Glibc
package import MessagePassing
package import Testing

/// The world of this process: started with the first test that asks for it, finished at exit.
@MainActor package enum MPITestWorld {
  /// Ranks, known before MPI is started.
  package nonisolated static let size: Int = {
    guard let text = getenv("OMPI_COMM_WORLD_SIZE") else { return 1 }
    return Int(String(cString: text)) ?? 1
  }()

  /// A rank that hangs is killed after this many seconds, and mpirun then ends the others.
  private static let watchdogSeconds: UInt32 = 500

  /// Also read at exit, when nothing else runs.
  private nonisolated(unsafe) static var runtime: MPIRuntime?

  package static func start() throws(MPIError) -> MPIRuntime {
    if let runtime { return runtime }
    if size > 1 { alarm(watchdogSeconds) }
    let started = try MPIRuntime.start()
    runtime = started
    atexit(finishAtExit)
    return started
  }

  fileprivate nonisolated static func finish() {
    do { try runtime?.finish() } catch { MPIRuntime.abort(70) }
  }

  package static func world() throws(MPIError) -> Communicator { try start().world }
}

// A function, for a closure would be bound to the main actor and trap on the thread that exits.
private func finishAtExit() { MPITestWorld.finish() }

/// A reason to skip, for tests that need several ranks.
package func needs(ranks: Int) -> ConditionTrait {
  .enabled(if: MPITestWorld.size >= ranks, "needs mpirun -n \(ranks) or more")
}
