// Whether a failed job is started again, and when. A count of failures in a row: a checkpoint that
// is newer than all before starts it anew, for then the run has come further for good.

package struct RestartPolicy: Equatable, Sendable {
  package enum Decision: Equatable, Sendable {
    case restart(afterSeconds: Double)
    case giveUp(reason: String)
  }

  private let mostRestarts: Int
  private let backoff: Double
  /// Restarts since the last newer checkpoint.
  package private(set) var inARow = 0
  private var newest = 0
  private var last: FirstCause?

  private static let longestWait = 60.0
  /// Codes of mistakes that stay: usage, data, input, configuration.
  private static let neverRestarted: Set<Int32> = [64, 65, 66, 78]

  /// - Parameter backoff: seconds before the first restart, doubled for each in a row.
  package init(mostRestarts: Int, backoff: Double) {
    self.mostRestarts = mostRestarts
    self.backoff = backoff
  }

  /// - Parameters:
  ///   - checkpoint: steps done in the newest checkpoint, 0 without one.
  ///   - room: free bytes where the run writes, and what a checkpoint takes.
  package mutating func decide(
    _ cause: FirstCause, checkpoint: Int, room: (free: Int, needed: Int)
  ) -> Decision {
    defer { last = cause }
    if let code = cause.code, Self.neverRestarted.contains(code), cause.kind == .exited {
      return .giveUp(reason: "code \(code) is a mistake that a restart would repeat")
    }
    if cause.kind == .diskFull, room.free < room.needed {
      return .giveUp(
        reason: "the disk is full (\(room.free >> 20) MiB free, a checkpoint takes "
          + "\(max(1, room.needed >> 20)) MiB): make room first")
    }
    if let last, cause.repeatsItself, cause.isSame(as: last) {
      return .giveUp(reason: "it failed twice in the same way at the same step; " + advice(cause))
    }
    if checkpoint > newest { (newest, inARow) = (checkpoint, 0) }
    guard inARow < mostRestarts else {
      return .giveUp(
        reason: mostRestarts == 0
          ? "restarts are off (--max-restarts 0)"
          : "\(inARow) \(inARow == 1 ? "restart" : "restarts") in a row brought no newer "
            + "checkpoint (--max-restarts)")
    }
    inARow += 1
    let wait = (1..<min(inARow, 32)).reduce(backoff) { wait, _ in wait * 2 }
    return .restart(afterSeconds: min(Self.longestWait, wait))
  }

  private func advice(_ cause: FirstCause) -> String {
    switch cause.kind {
    case .notFinite:
      "lower training.learning_rate or training.clip_norm, or try precision: bf16 or fp32"
    case .diskFull: "make room where the run writes"
    case .notStarted: "what mpirun said is above"
    default: "its message and log say where to look"
    }
  }
}
