// The first cause of a job's failure, out of what mpirun, the ranks' beats and their logs say.
// Pure: it looks at nothing but the evidence.

internal import Glibc
internal import RunFiles

package struct Diagnosis: Sendable {
  private let grid: StandGrid
  private static let (logLines, causeLines) = (8, 20)

  package init(grid: StandGrid) { self.grid = grid }

  /// - Parameter now: seconds since 1970.
  package func cause(_ evidence: JobEvidence, now: Double) -> FirstCause {
    var cause = evidence.ending.map { ended(evidence, $0) } ?? hang(evidence)
    let state = cause.rank.flatMap {
      evidence.states.indices.contains($0) ? evidence.states[$0] : nil
    }
    cause.host = cause.host ?? state?.beat.host
    cause.step =
      cause.step ?? state.flatMap { $0.beat.step > 0 ? $0.beat.step : nil }
      ?? (evidence.hasStarted ? (evidence.stepsDone ?? 0) + 1 : nil)
    if let state { cause.details.append("last action: " + action(state)) }
    if let rank = cause.rank {
      let log = evidence.log(rank).suffix(Self.logLines)
      if !log.isEmpty { cause.details.append("the end of rank \(rank)'s log:") }
      cause.details += log.map { "  " + $0 }
    }
    if [.killed, .hung, .launcherEnded, .outOfMemory].contains(cause.kind),
      evidence.states.contains(where: { $0 != nil })
    {
      let first = [cause.rank].compactMap { $0 }
      cause.details += grid.lines(evidence.states, first: first, now: now)
    }
    return cause
  }

  /// What a rank did when it was last heard of.
  private func action(_ state: RankState) -> String {
    let beat = state.beat
    let place = grid.place(of: state) ?? beat.phase.words
    let wait =
      beat.wait == .nothing
      ? "" : ", waiting for \(beat.wait.words)" + (beat.peer.map { " of rank \($0)" } ?? "")
    return (beat.step > 0 ? "step \(beat.step), " : "") + place + wait
  }

  // MARK: A job that ended

  private func ended(_ evidence: JobEvidence, _ ending: ProcessEnding) -> FirstCause {
    let report = MPIReport(evidence.errors)
    if case .signalled(let signal) = ending {
      var cause = FirstCause(
        .launcherEnded, "mpirun was killed by signal \(signal) (\(name(ofSignal: signal)))")
      cause.signal = signal
      return cause
    }
    if let signal = report.signal { return killed(evidence, report, signal) }
    let code = report.code ?? ending.code
    guard hasWorker(evidence, report) else { return notStarted(report, ending.code) }
    if report.code == nil, report.words.isEmpty, code == 1 {
      return launcherEnded(evidence, code)
    }
    return exited(evidence, report, code)
  }

  /// Whether a rank ever ran: it has beaten or spoken.
  private func hasWorker(_ evidence: JobEvidence, _ report: MPIReport) -> Bool {
    evidence.hasStarted || evidence.states.contains { $0 != nil }
      || report.words.contains { $0.hasPrefix("dsv3-worker: ") }
  }

  private func killed(
    _ evidence: JobEvidence, _ report: MPIReport, _ signal: Int32
  ) -> FirstCause {
    let who = report.rank.map { "rank \($0)" } ?? "a rank"
    let place = report.host.map { " on \($0)" } ?? ""
    var cause = FirstCause(
      .killed, "\(who)\(place) was killed by signal \(signal) (\(name(ofSignal: signal)))")
    if signal == SIGKILL, evidence.memoryKills > 0 {
      cause = FirstCause(
        .outOfMemory,
        "\(who)\(place) was killed by the kernel because memory ran out (it has killed "
          + "\(evidence.memoryKills) since the job began); use fewer ranks on this host, smaller "
          + "micro-batches, or the keys of section 'memory'")
    }
    cause.rank = report.rank
    cause.host = report.host
    cause.signal = signal
    return cause
  }

  private func exited(
    _ evidence: JobEvidence, _ report: MPIReport, _ code: Int32
  ) -> FirstCause {
    let complaint = report.words.first { $0.hasPrefix("dsv3-worker: ") }
      .map { String($0.dropFirst("dsv3-worker: ".count)) }
    let speaker = self.speaker(evidence)
    let text = complaint ?? speaker?.text ?? report.words.last ?? "without a message"
    let kind: FirstCause.Kind =
      switch code {
      case 71: .outOfMemory
      case 74 where text.contains(String(cString: strerror(ENOSPC))): .diskFull
      case 70 where text.contains("not finite") || text.contains("nan") || text.contains(" inf"):
        .notFinite
      default: .exited
      }
    let rank = speaker?.rank ?? report.rank
    let who = rank.map { "rank \($0)" } ?? "a rank"
    var cause = FirstCause(kind, "\(who) left with code \(code): \(text)")
    cause.rank = rank
    cause.code = code
    cause.step = step(in: text)
    return cause
  }

  /// The rank that failed itself, and did not only hear of another.
  private func speaker(_ evidence: JobEvidence) -> (rank: Int, text: String)? {
    for rank in 0..<evidence.ranks {
      let errors = evidence.log(rank).filter { $0.hasPrefix("error: ") }
      if let own = errors.last(where: { !isHearsay($0) }) {
        return (rank, String(own.dropFirst("error: ".count)))
      }
    }
    return nil
  }

  /// "error: rank 3 failed".
  private func isHearsay(_ line: String) -> Bool {
    let words = line.split(separator: " ")
    return words.count == 4 && words[1] == "rank" && words[3] == "failed"
  }

  /// The number after the word "step".
  private func step(in text: String) -> Int? {
    let words = text.split { " :,".contains($0) }
    guard let place = words.firstIndex(of: "step"), place + 1 < words.count else { return nil }
    return Int(words[place + 1])
  }

  private func notStarted(_ report: MPIReport, _ code: Int32) -> FirstCause {
    var cause = FirstCause(.notStarted, "mpirun could not start the ranks (code \(code))")
    cause.code = code
    cause.details = (report.notes + report.words).suffix(Self.causeLines).map { "  " + $0 }
    return cause
  }

  private func launcherEnded(_ evidence: JobEvidence, _ code: Int32) -> FirstCause {
    guard let rank = evidence.firstGone else {
      var cause = FirstCause(
        .launcherEnded,
        "mpirun ended with code \(code) and no word; a SIGTERM or SIGINT from outside does that")
      cause.code = code
      return cause
    }
    var cause = FirstCause(.killed, "rank \(rank)'s process was gone before the others'")
    cause.rank = rank
    cause.code = code
    return cause
  }

  // MARK: A job that hangs

  private func hang(_ evidence: JobEvidence) -> FirstCause {
    let seconds = "\(Int(evidence.stalled.rounded())) s"
    let chain = WaitChain(evidence.states)
    guard let (rank, followers) = chain.culprit() else {
      let cycle = chain.cycle()
      let who =
        cycle.isEmpty
        ? "nobody can be named"
        : "ranks \(cycle.map(String.init).joined(separator: ", ")) wait for one another in a circle"
      var cause = FirstCause(.hung, "no progress for \(seconds); \(who)")
      cause.rank = cycle.first
      return cause
    }
    var text = "no progress for \(seconds): rank \(rank) " + blame(evidence.states[rank])
    if !followers.isEmpty {
      let path = followers.prefix(6).map { "rank \($0)" }.joined(
        separator: ", which is waited for by ")
      text += "; it is waited for by " + path
    }
    var cause = FirstCause(.hung, text)
    cause.rank = rank
    return cause
  }

  private func blame(_ state: RankState?) -> String {
    guard let state else { return "has not started" }
    switch state.process {
    case .gone: return "has no process any more"
    case .present("T"), .present("t"): return "is stopped (SIGSTOP or a debugger)"
    case .present("R"): return "computes without an end and waits for nobody"
    case .present("D"): return "waits for a device of its host"
    case .present, .unknown: return "does nothing and waits for nobody"
    }
  }

  private func name(ofSignal signal: Int32) -> String {
    strsignal(signal).map { String(cString: $0) } ?? "unknown"
  }
}

extension RankBeat.Phase {
  /// In words, for people.
  package var words: String {
    switch self {
    case .starting: "starting"
    case .schedule: "the schedule"
    case .gradients: "summing gradients"
    case .optimizer: "the optimizer"
    case .balance: "balancing experts"
    case .pricing: "pricing the step"
    case .checkpoint: "writing a checkpoint"
    case .evaluation: "the held-out loss"
    case .finished: "finished"
    case .failed: "failed"
    }
  }
}

extension RankBeat.Wait {
  /// What it waits for, in words.
  package var words: String {
    switch self {
    case .nothing: "nothing"
    case .activation: "an activation"
    case .gradient: "a gradient"
    case .sends: "its sends"
    case .dispatch: "a dispatch"
    case .combine: "a combine"
    case .collective: "a collective"
    }
  }
}
