// One job of a run under watch: what it says is passed on, its state is looked at a few times a
// second, and it is ended when it hangs or somebody asks.

internal import Glibc
internal import RunConfiguration
internal import RunFiles

/// How a job ended.
enum JobOutcome {
  case finished
  /// Because it was asked to; the code to leave with.
  case stopped(code: Int32)
  case failed(FirstCause)
}

final class SupervisedJob {
  let identity: ProcessIdentity
  private let process: Subprocess
  private let said: Said
  private let supervisor: Supervisor
  private var watch: JobWatch
  private var stopDeadline: Double?
  private var segments: SharedSegments?
  private var checkpointsAsked = LaunchSignals.checkpointRequests

  /// Seconds between looks.
  private static let pause = 0.25
  /// The worker's code after a checkpoint that it was asked to end with.
  private static let stoppedCode: Int32 = 75

  /// - Throws: `LaunchError` when mpirun isn't there or can't be started.
  init(_ supervisor: Supervisor, _ call: ProgramCall) throws(LaunchError) {
    self.supervisor = supervisor
    watch = JobWatch(supervisor.plan.directory, ranks: supervisor.plan.line.ranks)
    let said = Said(supervisor)
    self.said = said
    do throws(SubprocessError) {
      var bound = call
      if let file = supervisor.plan.launcher { bound = try BoundCall.wrap(call, by: file) }
      process = try Subprocess(
        starting: bound, output: { said.take(output: $0) }, error: { said.take(error: $0) })
    } catch { throw LaunchError(error) }
    identity = ProcessIdentity(
      host: ProcessTable.hostName, pid: process.id, ticks: ProcessTable.ticks(of: process.id) ?? 0)
  }

  /// Waits for the end, or brings it about.
  func watch(_ diagnosis: Diagnosis) -> JobOutcome {
    var isRunning = false
    while process.ending == nil {
      try? Subprocess.wait(for: [process], atMost: Self.pause)
      watch.look(lines: said.lines)
      if !isRunning, watch.hasStepped {
        isRunning = true
        segments = SharedSegments(of: watch.localProcesses)
        supervisor.journal.update { $0.state = .running }
      }
      heedSignals()
      if process.ending == nil, stopDeadline == nil,
        watch.stalled >= supervisor.plan.configuration.supervision.timeout
      {
        let evidence = watch.evidence(ending: nil, errors: said.errors)
        let cause = diagnosis.cause(evidence, now: RunFile.now)
        endHung()
        return .failed(cause)
      }
    }
    let ending = process.ending ?? .exited(0)
    if ending == .exited(0) { return .finished }
    if stopDeadline != nil || ending == .exited(Self.stoppedCode) {
      return .stopped(
        code: ending.code == Self.stoppedCode ? ending.code : 128 + LaunchSignals.stop.signal)
    }
    watch.look(lines: said.lines)
    let evidence = watch.evidence(ending: ending, errors: said.errors)
    return .failed(diagnosis.cause(evidence, now: RunFile.now))
  }

  /// Clears up what an mpirun that was killed could not.
  func removeSegments() { segments?.remove() }

  /// Ends a job that hangs. mpirun would begin by waking stopped ranks (SIGCONT), so those of this
  /// host are killed first; mpirun notices, ends those elsewhere, and clears up behind itself.
  private func endHung() {
    for descendant in Descendants.of(process.id) { kill(descendant, SIGKILL) }
    let deadline = JobWatch.clock + 5
    while process.ending == nil, JobWatch.clock < deadline {
      try? Subprocess.wait(for: [process], atMost: Self.pause)
    }
    process.end()
  }

  /// Passes on what was asked of the coordinator.
  private func heedSignals() {
    let requests = LaunchSignals.checkpointRequests
    if requests > checkpointsAsked {
      checkpointsAsked = requests
      process.send(SIGUSR1, toGroup: false)
      supervisor.journal.note(.checkpoint, "a checkpoint was asked for (SIGUSR1)")
    }
    let stops = LaunchSignals.stop
    guard stops.count > 0, process.ending == nil else { return }
    if let deadline = stopDeadline {
      if stops.count > 1 || JobWatch.clock > deadline { process.end() }
      return
    }
    let seconds = supervisor.plan.configuration.supervision.timeout
    stopDeadline = JobWatch.clock + seconds
    supervisor.tell(
      .note(
        "stopping: the ranks write a checkpoint after this step (\(Int(seconds)) s at most; a "
          + "second signal ends them at once)"))
    process.send(SIGUSR2, toGroup: false)
  }
}

/// What a job says: passed on, and its errors kept. mpirun's own blocks are kept only, for they are
/// said again in better words.
private final class Said {
  private(set) var lines = 0
  private(set) var errors: [String] = []
  private unowned let supervisor: Supervisor
  private var isInBlock = false

  private static let errorsKept = 200

  init(_ supervisor: Supervisor) { self.supervisor = supervisor }

  func take(output line: String) {
    lines += 1
    supervisor.tell(.output(line))
  }

  func take(error line: String) {
    lines += 1
    errors.append(line)
    if errors.count > Self.errorsKept { errors.removeFirst() }
    let isDashes = line.hasPrefix("----------")
    if !isDashes, !isInBlock, !line.hasPrefix("mpirun"), !line.isEmpty {
      supervisor.tell(.error(line))
    }
    if isDashes { isInBlock.toggle() }
  }
}
