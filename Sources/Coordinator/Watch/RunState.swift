// What a run is doing, as far as its files and the process table tell.

package import RunFiles

/// As run.json has it, corrected by whether those it speaks of still live; judged by the ranks'
/// beats and the age of the metrics where nobody coordinates the run.
package enum RunState: String, Sendable, CaseIterable {
  /// No step is done yet.
  case starting
  case running
  /// The job failed and is started again.
  case restarting
  case finished
  case failed
  /// Asked to end, and may be gone on with.
  case stopped
  /// Its coordinator died and can't tell what became of it.
  case lost
  /// It runs no more, and nobody says why.
  case ended
  case unknown

  /// Whether more steps may come without anybody starting it again.
  package var isActive: Bool {
    switch self {
    case .starting, .running, .restarting, .unknown: true
    case .finished, .failed, .stopped, .lost, .ended: false
    }
  }

  /// What a state is judged by.
  package struct Signs: Sendable {
    package var record: RunRecord?
    /// Whether the record's coordinator lives; nil when that can't be told.
    package var coordinatorLives: Bool?
    package var beats: [RankBeat]
    /// Whether each beat's process lives.
    package var ranksLive: [Bool?]
    /// Steps done, and of the plan if that is known.
    package var step: Int
    package var total: Int?
    /// Seconds since the metrics, or the configuration before the first step, were written.
    package var age: Double?
    /// Of the last step.
    package var secondsPerStep: Double?

    package init(
      record: RunRecord? = nil, coordinatorLives: Bool? = nil, beats: [RankBeat] = [],
      ranksLive: [Bool?] = [], step: Int = 0, total: Int? = nil, age: Double? = nil,
      secondsPerStep: Double? = nil
    ) {
      self.record = record
      self.coordinatorLives = coordinatorLives
      self.beats = beats
      self.ranksLive = ranksLive
      self.step = step
      self.total = total
      self.age = age
      self.secondsPerStep = secondsPerStep
    }
  }

  package init(_ signs: Signs) {
    if let record = signs.record {
      self = Self.of(record, coordinatorLives: signs.coordinatorLives)
    } else {
      self = Self.withoutRecord(signs)
    }
  }

  private static func of(_ record: RunRecord, coordinatorLives: Bool?) -> RunState {
    let isOrphan = coordinatorLives == false
    return switch record.state {
    case .finished: .finished
    case .failed: .failed
    case .stopped: .stopped
    case .starting: isOrphan ? .lost : .starting
    case .running: isOrphan ? .lost : .running
    case .restarting: isOrphan ? .lost : .restarting
    }
  }

  /// A run that mpirun alone started.
  private static func withoutRecord(_ signs: Signs) -> RunState {
    let isComplete = signs.total.map { signs.step >= $0 } ?? false
    let atWork: RunState = signs.step == 0 ? .starting : .running
    let phases = signs.beats.map(\.phase)
    if phases.contains(.failed) { return .failed }
    if !phases.isEmpty && phases.allSatisfy({ $0 == .finished }) {
      return isComplete ? .finished : .ended
    }
    // Ranks that have done their work may be gone before the last.
    let working = zip(signs.beats, signs.ranksLive).filter { $0.0.phase != .finished }
    if working.contains(where: { $0.1 == true }) { return atWork }
    if !working.isEmpty && working.allSatisfy({ $0.1 == false }) {
      return isComplete ? .finished : .ended
    }
    guard let age = signs.age else { return .unknown }
    if isComplete { return .finished }
    return age < patience(signs.secondsPerStep) ? atWork : .unknown
  }

  /// Seconds without a new step after which a run is no longer taken for running.
  private static func patience(_ secondsPerStep: Double?) -> Double {
    max(60, 10 * (secondsPerStep ?? 0))
  }
}
