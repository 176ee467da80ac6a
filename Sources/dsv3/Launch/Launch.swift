// `dsv3 launch`: starts a training on all its ranks, watches it, and starts it again when it fails.

import CSystem
import Coordinator
import Glibc
import JSON
import ModelSpec
import RunConfiguration
import RunFiles

let launchCommand = Command(
  "dsv3 launch",
  usage: "[--config FILE | --preset NAME] [--set KEY=VALUE]... [OPTION]... | --resume [RUN]",
  summary: "starts a training on its ranks, watches it, restarts it from checkpoints",
  help: """
    Starts as many MPI ranks as the layout has, each a dsv3-worker, in a new run directory. A rank
    that dies, hangs or runs out of memory ends the job; the first cause is named, and the job
    starts again from its last checkpoint. Ctrl-C or SIGTERM ends the run after a checkpoint (exit
    code 75), a second one at once; SIGUSR1 asks for a checkpoint. Ranks on other hosts are started
    by Open MPI: by ssh, with --hostfile or --host, or within an allocation of Slurm.
    docs/operations.md tells more.
    """,
  options: configurationOptions + [
    CommandOption(
      "ranks", letter: "n", value: "N", help: "ranks; must be the layout's (pipeline × data)"),
    CommandOption("steps", value: "N", help: "length of the run in steps (training.steps)"),
    CommandOption("run-dir", value: "DIR", help: "where the run writes (runs/<date>-<time>)"),
    CommandOption("resume", help: "go on with RUN, a name or directory (the newest)"),
    CommandOption("runs", value: "DIR", help: "where RUN is looked for (runs)"),
    CommandOption("hostfile", value: "FILE", help: "hosts of the ranks, as Open MPI has them"),
    CommandOption("host", value: "LIST", help: "the same, as node1:4,node2:4"),
    CommandOption("bind", help: "keep each rank to a core, as Open MPI sees fit"),
    CommandOption("mpi-arg", value: "ARG", help: "a further argument of mpirun; may be repeated"),
    CommandOption(
      "max-restarts", value: "N", help: "in a row without progress (supervision.max_restarts)"),
    CommandOption(
      "timeout", value: "S", help: "seconds without progress: a hang (supervision.timeout)"),
    CommandOption("quiet", help: "no progress lines"),
    CommandOption(
      "dry-run", help: "show layout, memory and the predicted virtual step, start nothing"),
    CommandOption("json", help: "with --dry-run: as JSON"),
  ],
  run: launch)

private func launch(_ options: ParsedOptions) throws {
  do {
    try perform(options)
  } catch let error as LaunchError {
    if error.exitCode == 64 { throw options.usageError(error.description) }
    throw CommandError(message: error.description, code: error.exitCode)
  }
}

private func perform(_ options: ParsedOptions) throws {
  let plan = try launchPlan(options)
  if options.has("dry-run") {
    let forecast = try LaunchForecast(plan)
    return print(
      options.has("json")
        ? String(decoding: forecast.json.text(), as: UTF8.self) : forecastText(forecast),
      terminator: "")
  }
  try checkPrograms(plan)
  LaunchSignals.listen()
  let lock = try plan.open()
  let earlier = plan.isResumed ? try? RunRecord(path: plan.directory.record) : nil
  if let earlier, earlier.state == .finished, plan.newestCheckpoint >= plan.configuration.plan.steps
  {
    complain(
      "launch: \(plan.directory.path) is finished, all \(plan.configuration.plan.steps) steps; "
        + "--steps with more goes on")
    return
  }
  try LaunchPlan.endLeftovers(of: plan.directory, earlier: earlier) { tell(.note($0)) }
  print("run \(plan.directory.name) in \(plan.directory.path)")
  if case .slurm(let allocation) = plan.line.places { print("Slurm \(allocation.summary)") }
  let supervisor = try Supervisor(plan, lock: lock, earlier: earlier, tell: tell)
  let code = supervisor.perform()
  if let problem = RunHistory.note(plan.directory, in: RunFolder()) {
    complain("launch: warning: \(problem)")
  }
  if code != 0 { throw ExitCode(code: code) }
}

/// Prints what a launch has to tell as it comes.
private func tell(_ line: LaunchLine) {
  switch line {
  case .output(let text), .command(let text):
    print(text)
    fflush(dsv3_stdout())
  case .error(let text): complain(text)
  case .note(let text): complain("launch: " + text)
  }
}

/// Both programs are there, before a directory is made for them.
private func checkPrograms(_ plan: LaunchPlan) throws {
  do throws(SubprocessError) {
    _ = try ProgramCall(plan.line.worker).located()
    _ = try ProgramCall("mpirun").located()
  } catch {
    throw LaunchError(error)
  }
}

// MARK: The plan

private func launchPlan(_ options: ParsedOptions) throws -> LaunchPlan {
  try checkCombinations(options)
  let resumed = options.has("resume") ? try runToResume(options) : nil
  var configuration = try configuration(options, of: resumed)
  let model = try configuration.resolve().model
  let ranks = try options.integer("ranks", in: 1...65_536) ?? configuration.layout.worldSize
  try configuration.checkWorld(size: ranks, spec: model)
  let places = try places(options)
  if case .slurm(let allocation) = places { try allocation.check(ranks: ranks) }

  let wanted =
    resumed?.path ?? options.value("run-dir") ?? configuration.runDirectory
    ?? freeDefaultPath()
  let directory = RunDirectory(path: absolutePath(wanted))
  configuration.runDirectory = directory.path
  var plan = LaunchPlan(
    configuration: configuration, directory: directory,
    line: JobLine(
      ranks: ranks, places: places, bindsRanks: options.has("bind"),
      mpiArguments: options.values("mpi-arg"), directory: currentDirectory(),
      worker: Machine.sibling("dsv3-worker")),
    isResumed: resumed != nil)
  plan.isQuiet = options.has("quiet")
  plan.launcher = Machine.ownFile
  if resumed != nil {
    plan.changes =
      (options.value("config").map { ["--config", absolutePath($0)] } ?? [])
      + overrides(options).flatMap { ["--set", $0] }
  }
  return plan
}

private func checkCombinations(_ options: ParsedOptions) throws {
  for (one, other) in [("hostfile", "host"), ("resume", "preset"), ("config", "preset")]
  where options.has(one) && options.has(other) {
    throw options.usageError("--\(one) and --\(other) exclude one another")
  }
  guard options.has("dry-run") || !options.has("json") else {
    throw options.usageError("--json is about --dry-run")
  }
  guard options.has("resume") else {
    if let operand = options.operands.first {
      throw options.usageError(
        "unexpected argument '\(printable(operand))'; --resume goes on with a run")
    }
    return
  }
  if options.operands.count > 1 {
    throw options.usageError("unexpected argument '\(printable(options.operands[1]))'")
  }
  if !options.operands.isEmpty, options.has("run-dir") {
    throw options.usageError("--resume wants RUN or --run-dir, not both")
  }
}

private func runToResume(_ options: ParsedOptions) throws -> RunDirectory {
  let folder = RunFolder(path: options.value("runs") ?? "runs")
  return try folder.find(options.operands.first ?? options.value("run-dir"))
}

/// Options that stand for keys of the configuration, as `--set` has them.
private func overrides(_ options: ParsedOptions) -> [String] {
  let keys = [
    ("steps", "training.steps"), ("timeout", "supervision.timeout"),
    ("max-restarts", "supervision.max_restarts"),
  ]
  return options.values("set")
    + keys.compactMap { option, key in
      options.value(option).map { "\(key)=\($0)" }
    }
}

/// The configuration of a new run, or of one to go on with, with what the options change.
private func configuration(
  _ options: ParsedOptions, of run: RunDirectory?
) throws -> RunConfiguration {
  _ = try options.integer("steps", in: 1...1_000_000_000)
  _ = try options.integer("max-restarts", in: 0...1_000_000_000)
  if let timeout = try options.number("timeout"), timeout <= 0 {
    throw options.usageError("option '--timeout' wants a number > 0")
  }
  let overrides = overrides(options)
  if let run {
    let path = options.value("config") ?? "\(run.path)/config.yaml"
    return try RunConfiguration.load(path: path, overrides: overrides)
  }
  guard let preset = options.value("preset") else {
    return try RunConfiguration.load(path: options.value("config"), overrides: overrides)
  }
  do {
    return try RunConfiguration.load(preset: preset, overrides: overrides)
  } catch {
    throw error.kind == .usage && error.origin == nil ? options.usageError(error.problem) : error
  }
}

private func places(_ options: ParsedOptions) throws -> RankPlaces {
  if let path = options.value("hostfile") {
    return .hostfile(path: absolutePath(path), try Hostfile(path: path))
  }
  if let list = options.value("host") {
    return .hosts(list: list, try Hostfile.hosts(ofList: list))
  }
  return SlurmAllocation(environment: ProgramCall.environment).map { .slurm($0) } ?? .thisHost
}

// MARK: Paths

/// `runs/<date>-<time>`, with a number behind it when it is taken.
private func freeDefaultPath() -> String {
  let path = RunDirectory.defaultPath()
  guard access(path, F_OK) == 0 else { return path }
  return (2...).lazy.map { "\(path)-\($0)" }.first { access($0, F_OK) != 0 } ?? path
}

private func currentDirectory() -> String { resolved(".") ?? "/" }

/// `path` from the root, links resolved as far as it is there.
private func absolutePath(_ path: String) -> String {
  if let there = resolved(path) { return there }
  let parts = path.split(separator: "/")
  guard let last = parts.last else { return "/" }
  let isRooted = path.hasPrefix("/")
  let parent = (isRooted ? "/" : "") + parts.dropLast().joined(separator: "/")
  let folder = parent.isEmpty ? currentDirectory() : absolutePath(parent)
  return (folder == "/" ? "" : folder) + "/" + last
}

private func resolved(_ path: String) -> String? {
  guard let real = realpath(path, nil) else { return nil }
  defer { free(real) }
  return String(cString: real)
}
