// `dsv3 inject`: asks a run that is going on for a fault, and waits until the rank that it concerns
// has taken it. The request is a file in faults/ of the run; ranks look there before each step.

import Glibc
import ModelSpec
import RunConfiguration
import RunFiles

let injectCommand = Command(
  "dsv3 inject",
  usage: "RUN FAULT [OPTION]...",
  summary: "makes something go wrong in a run that is going on",
  help: """
    Asks a running run for a fault and waits until it is made. FAULT is one of
      kill     the rank kills itself in the middle of a step
      hang     the rank stops answering
      nan      a NaN gets into one of the rank's gradients
      slow     the rank's compute takes --factor times as long, for some steps
      flip     a bit of one of the rank's weights flips
      corrupt  the newest checkpoint is damaged; this one takes no --rank
    With --step the command ends when the rank has taken the fault, to make it then. RUN is a name
    in --runs or a path. docs/operations.md says what a run does about each fault.
    """,
  options: [
    CommandOption("rank", value: "N", help: "the world rank that it happens to"),
    CommandOption("step", value: "N", help: "the step in which it happens (the next)"),
    CommandOption("factor", value: "F", help: "of slow: time over what it would take (2)"),
    CommandOption("for", value: "STEPS", help: "of slow: how long it lasts (5)"),
    CommandOption("timeout", value: "SECONDS", help: "how long to wait for the rank (60)"),
    CommandOption("runs", value: "DIR", help: "where runs are (runs)"),
  ],
  run: inject)

private func inject(_ options: ParsedOptions) throws {
  let operands = try options.operands("RUN", "FAULT")
  let fault = try fault(operands[1], options)
  let timeout = try options.number("timeout") ?? 60
  let run = try RunFolder(path: options.value("runs") ?? "runs").find(operands[0])
  let rank = fault.rank ?? 0
  let target = Target(run: run, rank: rank)
  try target.check(fault)

  let folder = FaultFolder(path: run.faults)
  let id = try folder.ask(fault.text)
  let end = RunFile.now + timeout
  while true {
    // In this order: a rank that kills itself has marked that it does.
    let isAlive = target.isAlive
    if let sentence = folder.mark(id) { return print(sentence) }
    if fault.step != nil, folder.isTaken(id) {
      return print("rank \(rank) has taken it: \(fault.text)")
    }
    if !isAlive {
      _ = folder.withdraw(id)
      throw CommandError(
        message: "rank \(rank) of \(run.path) ended before it made the fault", code: 69)
    }
    if RunFile.now > end {
      let state =
        folder.withdraw(id)
        ? "has not looked for it, so it is withdrawn" : "has taken it and not yet made it"
      throw CommandError(
        message: "rank \(rank) of \(run.path) \(state) after \(fixed(timeout, 0)) s; "
          + "--timeout waits longer", code: 75)
    }
    usleep(20_000)
  }
}

/// The fault that the command line names.
private func fault(_ word: String, _ options: ParsedOptions) throws -> Fault {
  let kinds = Fault.Kind.allCases.map(\.rawValue)
  guard let kind = Fault.Kind(rawValue: word) else {
    let near = nearestName(to: word, among: kinds).map { "did you mean '\($0)'?" }
    throw options.usageError(
      "there is no fault '\(printable(word))'; "
        + (near ?? "there are " + kinds.joined(separator: ", ")))
  }
  var fault = Fault(kind)
  fault.rank = try options.integer("rank", in: 0...1_000_000)
  guard (fault.rank == nil) == (kind == .corrupt) else {
    throw options.usageError(
      kind == .corrupt ? "'corrupt' takes no --rank" : "--rank is missing: '\(kind)' which rank?")
  }
  fault.step = try options.integer("step", in: 1...1_000_000_000)
  for name in ["factor", "for"] where kind != .slow && options.value(name) != nil {
    throw options.usageError("option '--\(name)' goes with 'slow' only")
  }
  if kind == .slow {
    fault.factor = try options.number("factor") ?? 2
    guard fault.factor >= 1, fault.factor <= Fault.mostFactor else {
      throw options.usageError(
        "option '--factor' wants a number from 1 to \(fixed(Fault.mostFactor, 0))")
    }
    fault.length = try options.integer("for", in: 1...1_000_000_000) ?? fault.length
  }
  return fault
}

/// A rank of a run, as its beat shows it.
private struct Target {
  let run: RunDirectory
  let rank: Int

  private var beat: RankBeat? { RankBeat(path: run.rankBeat(rank)) }

  /// Whether its process is there; where that can't be told from this machine, whether it says so.
  var isAlive: Bool {
    guard let beat, beat.phase != .finished, beat.phase != .failed else { return false }
    let process = ProcessIdentity(host: beat.host, pid: beat.pid, ticks: beat.ticks)
    return ProcessTable.isAlive(process) ?? true
  }

  /// Refuses a fault that can't happen.
  func check(_ fault: Fault) throws {
    guard let beat, isAlive else {
      let beats = RunFolder.names(in: run.path + "/ranks").filter { $0.hasSuffix(".beat") }.count
      let reason =
        beats > 0 && rank >= beats
        ? "there is no rank \(rank): the run has ranks 0 to \(beats - 1)"
        : "it is not running: rank \(rank) \(self.beat == nil ? "never began" : "has ended")"
      throw CommandError(message: "\(run.path): \(reason)", code: 69)
    }
    // A checkpoint is damaged behind its step.
    if let step = fault.step, step < beat.step || step == beat.step && fault.kind != .corrupt {
      throw CommandError(
        message: "\(run.path): step \(step) has begun or is over: rank \(rank) is in step "
          + "\(beat.step); give a later --step", code: 64)
    }
  }
}
