// Where a rank's wall time goes, for the closing report. Wall time only ever describes this
// machine; the virtual clock is somebody else's business.

internal import Glibc
package import RunFiles

/// What a rank can be busy with.
package enum Activity: Int, CaseIterable, Sendable {
  case compute
  case exchange
  case pipeline
  case optimizer
  case other

  package var name: String {
    switch self {
    case .compute: "compute"
    case .exchange: "expert exchange"
    case .pipeline: "pipeline wait"
    case .optimizer: "optimizer"
    case .other: "other"
    }
  }
}

/// Adds up nanoseconds by activity. One activity at a time; `during` nests.
package final class ActivityClock {
  package private(set) var nanoseconds = Array(repeating: 0, count: Activity.allCases.count)
  private var current = Activity.other
  private var since = ActivityClock.now()
  /// Tells the outside what the rank does, where somebody may look.
  package var beat: BeatWriter?

  package init() {}

  /// Monotonic nanoseconds.
  package static func now() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return time.tv_sec * 1_000_000_000 + time.tv_nsec
  }

  package func `switch`(to activity: Activity) {
    let now = Self.now()
    nanoseconds[current.rawValue] += now - since
    since = now
    current = activity
  }

  package func during<T>(_ activity: Activity, _ body: () throws -> T) rethrows -> T {
    let before = current
    `switch`(to: activity)
    defer { `switch`(to: before) }
    return try body()
  }

  /// `during`, of a body that waits for another rank: the beat says for what and, where it is one,
  /// for which world rank.
  @inline(__always)
  func waiting<T>(
    for wait: RankBeat.Wait, peer: Int? = nil, _ activity: Activity, _ body: () throws -> T
  ) rethrows -> T {
    beat?.wait(wait, peer: peer)
    defer { beat?.proceed() }
    return try during(activity, body)
  }

  /// Seconds of an activity so far.
  package func seconds(_ activity: Activity) -> Double {
    Double(nanoseconds[activity.rawValue]) / 1e9
  }

  package func reset() {
    for index in nanoseconds.indices { nanoseconds[index] = 0 }
    since = Self.now()
  }
}
