// A run from its launch to its end: starts the job, watches it, says why it failed, and starts it
// again from the last checkpoint as long as that may help.

internal import Glibc
internal import ModelSpec
internal import RunConfiguration
package import RunFiles
internal import Schedules

/// A line that a launch has to tell.
package enum LaunchLine: Equatable, Sendable {
  /// What the job said on standard output, and on standard error.
  case output(String)
  case error(String)
  /// The mpirun line of a job that is being started.
  case command(String)
  /// The coordinator's own.
  case note(String)
}

package final class Supervisor {
  let plan: LaunchPlan
  let journal: RunJournal
  let tell: (LaunchLine) -> Void
  private let lock: RunLock
  private let diagnosis: Diagnosis
  private let started = JobWatch.clock

  /// - Parameter earlier: the record of the run that is gone on with.
  /// - Throws: `RunFileError` when run.json can't be written.
  package init(
    _ plan: LaunchPlan, lock: RunLock, earlier: RunRecord?, tell: @escaping (LaunchLine) -> Void
  ) throws {
    self.plan = plan
    self.lock = lock
    self.tell = tell
    let configuration = plan.configuration
    // Batches that grow have another list for each number of micro-batches.
    let schedule =
      configuration.plan.batchSchedule == .constant
      ? try SchedulePlan(lowering: try configuration.resolvedSchedule()) : nil
    diagnosis = Diagnosis(grid: StandGrid(layout: configuration.layout, plan: schedule))
    var record = RunRecord(
      name: plan.directory.name, state: .starting, coordinator: ProcessTable.own,
      ranks: plan.line.ranks, hosts: plan.line.places.hostNames, command: [],
      started: earlier?.started ?? RunFile.now,
      maxRestarts: configuration.supervision.maxRestarts, steps: configuration.plan.steps)
    record.restarts = earlier?.restarts ?? 0
    record.updated = RunFile.now
    journal = try RunJournal(plan.directory, record, complain: { tell(.note($0)) })
  }

  /// Runs the job to its end; the exit code. Signals are those of `LaunchSignals`.
  package func perform() -> Int32 {
    let supervision = plan.configuration.supervision
    var policy = RestartPolicy(
      mostRestarts: supervision.maxRestarts, backoff: supervision.backoff)
    while true {
      let outcome: JobOutcome
      do {
        outcome = try job()
      } catch {
        return end(failed: error.description, code: error.exitCode)
      }
      switch outcome {
      case .finished: return finish()
      case .stopped(let code): return stop(code)
      case .failed(let cause):
        report(cause)
        let decision = policy.decide(cause, checkpoint: plan.newestCheckpoint, room: room)
        guard case .restart(let seconds) = decision else {
          if case .giveUp(let reason) = decision { return giveUp(cause, reason) }
          continue
        }
        guard waitToRestart(seconds, policy.inARow) else {
          return stop(128 + LaunchSignals.stop.signal)
        }
      }
    }
  }

  /// One job, from start to end, and what is left of it away.
  private func job() throws(LaunchError) -> JobOutcome {
    let checkpoint = plan.newestCheckpoint
    let call = plan.line.call(plan.arguments)
    let place = checkpoint > 0 ? "from step \(checkpoint)" : "from the start"
    tell(.command(call.shellLine))
    let job = try SupervisedJob(self, call)
    journal.update {
      $0.state = $0.restarts > 0 && $0.state == .restarting ? .restarting : .starting
      $0.command = ["mpirun"] + call.arguments
      $0.job = job.identity
    }
    journal.note(.launched, "\(plan.line.ranks) ranks \(place)", step: checkpoint)
    let outcome = job.watch(diagnosis)
    try LeftoverJob(plan.directory).end(grace: 0)
    job.removeSegments()
    journal.update { $0.job = nil }
    return outcome
  }

  /// Says what happened, and who waited for whom.
  private func report(_ cause: FirstCause) {
    tell(.note("failed: " + cause.message))
    for line in cause.details { tell(.note("  " + line)) }
    journal.note(.failure, cause.message, cause: cause)
  }

  /// Whether the time passed without somebody asking for the end.
  private func waitToRestart(_ seconds: Double, _ number: Int) -> Bool {
    let checkpoint = plan.newestCheckpoint
    let text =
      "restart \(number) of \(plan.configuration.supervision.maxRestarts) in \(seconds) s, "
      + (checkpoint > 0 ? "from the checkpoint of step \(checkpoint)" : "from the start")
    tell(.note(text))
    journal.update {
      $0.state = .restarting
      $0.restarts += 1
    }
    journal.note(.restart, text, step: checkpoint)
    let deadline = JobWatch.clock + seconds
    while JobWatch.clock < deadline {
      if LaunchSignals.stop.count > 0 { return false }
      usleep(20_000)
    }
    return LaunchSignals.stop.count == 0
  }

  // MARK: Ends

  private func finish() -> Int32 {
    let last = LastStep(path: plan.directory.metrics)
    let restarts = journal.record.restarts
    let text =
      "finished: \(last?.step ?? 0) steps, loss \(Self.text(last?.loss)), "
      + "\(restarts == 0 ? "no" : "\(restarts)") \(restarts == 1 ? "restart" : "restarts"), "
      + "\(Self.text(seconds: JobWatch.clock - started)), \(plan.directory.path)"
    close(.finished, code: 0, reason: "")
    journal.note(.finished, text, step: last?.step)
    tell(.note(text))
    return 0
  }

  private func stop(_ code: Int32) -> Int32 {
    let checkpoint = plan.newestCheckpoint
    let text =
      "stopped at step \(LastStep(path: plan.directory.metrics)?.step ?? 0); "
      + "'dsv3 launch --resume \(reference)' goes on "
      + (checkpoint > 0 ? "from step \(checkpoint)" : "from the start")
    close(.stopped, code: code, reason: text)
    journal.note(.stopped, text, step: checkpoint)
    tell(.note(text))
    return code
  }

  private func giveUp(_ cause: FirstCause, _ reason: String) -> Int32 {
    let code = cause.exitCode
    close(.failed, code: code, reason: cause.message)
    journal.note(.gaveUp, reason, step: cause.step)
    tell(.note("giving up: \(reason); 'dsv3 launch --resume \(reference)' tries again"))
    return code
  }

  private func end(failed reason: String, code: Int32) -> Int32 {
    close(.failed, code: code, reason: reason)
    journal.note(.gaveUp, reason)
    tell(.note(reason))
    return code
  }

  private func close(_ state: RunRecord.State, code: Int32, reason: String) {
    journal.update {
      $0.state = state
      $0.job = nil
      $0.ended = RunFile.now
      $0.exitCode = code
      $0.reason = reason
    }
  }

  /// How the run is named on a command line here.
  private var reference: String {
    let (path, name) = (plan.directory.path, plan.directory.name)
    return path == "\(plan.line.directory)/\(RunFolder().path)/\(name)" ? name : path
  }

  // MARK: Small things

  /// Bytes that are free where the run writes, and what a checkpoint takes.
  private var room: (free: Int, needed: Int) {
    var status = statvfs()
    guard statvfs(plan.directory.path, &status) == 0 else { return (.max, 0) }
    let folder = "\(plan.directory.checkpoints)/step-\(plan.newestCheckpoint)"
    let sizes = RunFolder.names(in: folder).map { name -> Int in
      var file = stat()
      return stat("\(folder)/\(name)", &file) == 0 ? Int(file.st_size) : 0
    }
    return (Int(status.f_bavail) * Int(status.f_frsize), max(1 << 20, sizes.reduce(0, +)))
  }

  private static func text(_ loss: Double?) -> String {
    loss.map { "\(($0 * 10_000).rounded() / 10_000)" } ?? "unknown"
  }

  private static func text(seconds: Double) -> String {
    let whole = Int(seconds.rounded())
    if whole < 60 { return "\((seconds * 10).rounded() / 10) s" }
    if whole < 3600 { return "\(whole / 60) min \(whole % 60) s" }
    return "\(whole / 3600) h \(whole / 60 % 60) min"
  }
}
