// MPI inside a test bundle. Under `mpirun -n N dsv3PackageTests.xctest --testing-library
// swift-testing --filter MessagePassingTests` the tests of `MPITests` run on all ranks together; in
// a plain `swift test` the world has one rank, and tests that need more are skipped.

import Glibc
import MessagePassing
import Testing

/// All tests that call MPI. They must run one after the other, in the same order on every rank: the
/// suite is serialized (swift-testing then goes by source location) and bound to the main actor, so
/// that no two of its tests touch MPI at once. No test in it may throw or return early on one rank
/// only: expect, don't require. Tests outside it run beside it and must leave MPI alone; where
/// several rooms test with MPI, run one room at a time (`--filter`) or all with `--no-parallel`.
@MainActor @Suite(.serialized) enum MPITests {}

/// The world of this process: started with the first test that asks for it, finished at exit.
@MainActor enum MPITestWorld {
  /// Ranks, known before MPI is started.
  nonisolated static let size: Int = {
    guard let text = getenv("OMPI_COMM_WORLD_SIZE") else { return 1 }
    return Int(String(cString: text)) ?? 1
  }()

  /// A rank that hangs is killed after this many seconds, and mpirun then ends the others.
  private static let watchdogSeconds: UInt32 = 120

  /// Also read at exit, when nothing else runs.
  private nonisolated(unsafe) static var runtime: MPIRuntime?

  static func start() throws(MPIError) -> MPIRuntime {
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

  static func world() throws(MPIError) -> Communicator { try start().world }
}

// A function, for a closure would be bound to the main actor and trap on the thread that exits.
private func finishAtExit() { MPITestWorld.finish() }

/// A reason to skip, for tests that need several ranks.
func needs(ranks: Int) -> ConditionTrait {
  .enabled(if: MPITestWorld.size >= ranks, "needs mpirun -n \(ranks) or more")
}

/// SplitMix64: numbers that every rank can make again from a seed.
struct Numbers: RandomNumberGenerator {
  private var state: UInt64

  init(seed: Int...) {
    state = 0x9E37_79B9_7F4A_7C15
    for part in seed {
      state ^= UInt64(bitPattern: Int64(part))
      state = next()
    }
  }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var bits = state
    bits = (bits ^ (bits >> 30)) &* 0xBF58_476D_1CE4_E5B9
    bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
    return bits ^ (bits >> 31)
  }

  mutating func floats(_ count: Int) -> [Float] {
    (0..<count).map { _ in Float.random(in: -1...1, using: &self) }
  }
}
