// What is known of a job when it fails: gathered by the supervisor, judged by `Diagnosis`, so that
// the judgement can be tested without a job.

package import RunFiles

/// What a rank's process is by /proc; nil fields where it can't be looked at.
package enum ProcessState: Equatable, Sendable {
  case gone
  /// The letter of /proc/PID/stat: R runs, S sleeps, D waits for a device, T is stopped.
  case present(Character)
  /// On another host.
  case unknown
}

/// A rank at the moment that is judged.
package struct RankState: Equatable, Sendable {
  package var beat: RankBeat
  package var process: ProcessState

  package init(beat: RankBeat, process: ProcessState) {
    self.beat = beat
    self.process = process
  }

  var isStopped: Bool { process == .present("T") || process == .present("t") }

  /// Whether it stands still because of itself: it neither waits nor has it finished.
  var isBusy: Bool { beat.wait == .nothing && beat.phase != .finished && beat.phase != .failed }
}

package struct JobEvidence: Sendable {
  package var ranks: Int
  /// How mpirun ended; nil when the job hangs.
  package var ending: ProcessEnding?
  /// Seconds without progress.
  package var stalled = 0.0
  /// Lines of mpirun's standard error.
  package var errors: [String] = []
  /// By rank; nil where it has left no beat in this attempt.
  package var states: [RankState?]
  /// A rank that was seen dead while mpirun still ran.
  package var firstGone: Int?
  /// Last lines of a rank's log.
  package var log: @Sendable (Int) -> [String] = { _ in [] }
  /// Processes that the kernel killed for want of memory since the attempt began.
  package var memoryKills = 0
  /// The last step in metrics.jsonl.
  package var stepsDone: Int?
  /// Steps done when the attempt began.
  package var hasStarted = false

  package init(ranks: Int) {
    self.ranks = ranks
    states = Array(repeating: nil, count: ranks)
  }
}

/// Why a job failed.
package struct FirstCause: Equatable, Sendable {
  package enum Kind: String, Sendable {
    /// A rank's process was ended by a signal.
    case killed
    /// A rank left with a code.
    case exited
    case outOfMemory
    case notFinite
    case diskFull
    case hung
    /// mpirun itself, before a rank ran.
    case notStarted
    /// mpirun itself, while ranks ran.
    case launcherEnded
  }

  package var kind: Kind
  package var rank: Int?
  package var host: String?
  package var signal: Int32?
  /// The code that a rank or mpirun left with.
  package var code: Int32?
  /// The step that was being done.
  package var step: Int?
  /// A sentence.
  package var message: String
  /// Further lines, for people.
  package var details: [String] = []

  package init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }

  /// What the coordinator leaves with when it gives up.
  package var exitCode: Int32 {
    switch kind {
    case .hung: 70
    default: code ?? signal.map { 128 + $0 } ?? 70
    }
  }

  /// Whether the same would happen again if nothing changed, unlike a kill from outside.
  var repeatsItself: Bool {
    switch kind {
    case .notFinite, .exited, .notStarted, .diskFull: true
    case .killed: [4, 6, 7, 8, 11].contains(signal ?? 0)  // ILL, ABRT, BUS, FPE, SEGV
    case .outOfMemory, .hung, .launcherEnded: false
    }
  }

  /// Whether it is the same failure at the same place.
  func isSame(as other: FirstCause) -> Bool {
    (kind, rank, signal, code, step) == (
      other.kind, other.rank, other.signal, other.code, other.step
    )
  }
}
