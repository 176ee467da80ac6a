// `dsv3 launch` as its user meets it, on a model that trains a step in milliseconds: a run that
// ends well, one that meets every kind of death on its way, and what is said about mistakes.

import Coordinator
import Glibc
import JSON
import RunFiles
import Testing

@Suite(.serialized) struct LaunchJobTests {
  /// A text, a configuration, and a directory for runs.
  final class Small {
    let path: String

    init() throws {
      var template = Array("/tmp/dsv3-launch-XXXXXX".utf8CString)
      path = try #require(
        template.withUnsafeMutableBufferPointer { buffer in
          buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) }
        })
      let text = (0..<800).map { "token \($0 * $0 % 97) of the text\n" }.joined()
      try RunFile.replace(path + "/text.txt", with: Array(text.utf8))
      let configuration = """
        model:
          dimensions: {hidden: 16, layers: 4, dense_layers: 1, heads: 2, dense_width: 32}
        layout: {pipeline: 2, data: 2, expert: 2}
        schedule: {name: 1f1b, microbatches: 4}
        training: {sequence: 16, steps: 200, lr_schedule: constant}
        data: {sources: [\(path)/text.txt], held_out: 0.02}
        checkpoint: {every: 10}
        supervision: {backoff: 0.1}
        """
      try RunFile.replace(path + "/small.yaml", with: Array(configuration.utf8))
    }

    deinit {
      _ = try? Subprocess(
        starting: ProgramCall("rm", ["-rf", path]), output: { _ in }, error: { _ in }
      ).wait()
    }

    func directory(_ name: String) -> RunDirectory { RunDirectory(path: "\(path)/\(name)") }

    func fresh(_ name: String, _ more: [String] = []) -> [String] {
      ["launch", "--config", path + "/small.yaml", "--run-dir", "\(path)/\(name)", "--quiet"] + more
    }

    func run(_ arguments: [String]) throws -> Output { try Binary.run(arguments) }

    /// A launch under way. Tests in this process that begin MPI leave variables behind by which an
    /// mpirun would take itself for a rank, and end.
    func start(_ arguments: [String]) throws -> Subprocess {
      let said = path + "/said.txt"
      var environment: [String: String?] = ["PATH": "/usr/bin:/bin"]
      for name in ProgramCall.environment.keys
      where ["OMPI_", "PMIX_", "ORTE_", "OPAL_"].contains(where: name.hasPrefix) {
        environment.updateValue(nil, forKey: name)
      }
      return try Subprocess(
        starting: ProgramCall(
          Binary.path, arguments, environment: environment, directory: Binary.root),
        output: { _ in },
        error: { line in
          guard let file = fopen(said, "ae") else { return }
          fputs(line + "\n", file)
          fclose(file)
        })
    }

    /// The losses in metrics.jsonl, by step; fails unless every step stands there once.
    func losses(_ name: String) throws -> [String] {
      let lines = try Binary.text(directory(name).metrics).split(separator: "\n")
      return try lines.enumerated().map { index, line in
        let parts = line.split(separator: ",")
        #expect(parts[0] == "{\"step\": \(index + 1)")
        return String(try #require(parts.first { $0.hasPrefix(" \"loss\": ") }))
      }
    }
  }

  /// Waits until the job was launched so often, its last ranks have begun (an event says when it
  /// was launched, their beats are later), and metrics.jsonl has so many lines.
  private func wait(
    for child: Subprocess, launch: Int = 1, steps: Int, in run: RunDirectory
  ) throws {
    for _ in 0..<4000 where child.ending == nil {
      try Subprocess.wait(for: [child], atMost: 0.005)
      let launches = RunEvent.all(at: run.events).filter { $0.kind == .launched }
      guard launches.count >= launch, let last = launches.last,
        (0..<4).allSatisfy({ (RankBeat(path: run.rankBeat($0))?.time ?? 0) > last.time })
      else { continue }
      if let bytes = try? RunFile.contents(of: run.metrics),
        bytes.count(where: { $0 == UInt8(ascii: "\n") }) >= steps
      {
        return
      }
    }
    let said = (try? Binary.text(run.path + "/../said.txt")) ?? ""
    try #require(child.ending == nil, "the launch ended early: \(said)")
  }

  /// The beat of a rank says its process number.
  private func process(_ run: RunDirectory, rank: Int) throws -> pid_t {
    try #require(RankBeat(path: run.rankBeat(rank))).pid
  }

  /// Processes whose command line has a text.
  private func processes(with text: String) -> [Int32] {
    RunFolder.names(in: "/proc").compactMap { Int32($0) }.filter { pid in
      guard pid != getpid(), let bytes = try? RunFile.contents(of: "/proc/\(pid)/cmdline") else {
        return false
      }
      return String(decoding: bytes, as: UTF8.self).firstRange(of: text) != nil
    }
  }

  private func record(_ run: RunDirectory) throws -> RunRecord { try RunRecord(path: run.record) }

  /// One training undisturbed, and one with a rank killed, a rank stopped, and the coordinator
  /// killed: the same losses, bit for bit.
  @Test func aRunComesThroughDeathsWithTheSameLosses() throws {
    let small = try Small()
    let calm = small.directory("calm")
    let output = try small.run(small.fresh("calm", ["-n", "4"]))
    try #require(output.code == 0, "\(output.error)")
    #expect(output.standard.hasPrefix("run calm in \(calm.path)\n"))
    #expect(output.standard.contains("mpirun --bind-to none -n 4 "))
    let done = try record(calm)
    #expect(done.state == .finished && done.exitCode == 0 && done.restarts == 0 && done.job == nil)
    #expect(RunEvent.all(at: calm.events).map(\.kind) == [.launched, .finished])
    let losses = try small.losses("calm")
    #expect(losses.count == 200)

    let run = small.directory("rough")
    let child = try small.start(small.fresh("rough", ["--timeout", "2"]))
    try wait(for: child, steps: 30, in: run)
    kill(try process(run, rank: 2), SIGKILL)
    try wait(for: child, launch: 2, steps: 80, in: run)
    kill(try process(run, rank: 1), SIGSTOP)
    try wait(for: child, launch: 3, steps: 130, in: run)
    child.send(SIGKILL, toGroup: false)
    _ = try child.wait(atMost: 10)
    for _ in 0..<250 where !processes(with: run.path).isEmpty { usleep(20_000) }
    #expect(processes(with: run.path) == [], "nothing outlives the coordinator")

    let events = RunEvent.all(at: run.events)
    #expect(
      events.map(\.kind) == [
        .launched, .failure, .restart, .launched, .failure, .restart, .launched,
      ])
    let failures = events.filter { $0.kind == .failure }
    #expect(failures.map(\.rank) == [2, 1], "\(failures.map(\.message))")
    #expect(failures.first?.signal == SIGKILL)
    #expect(failures.last?.message.contains("is stopped") == true)

    let resumed = try small.run(["launch", "--resume", run.path, "--quiet"])
    #expect(resumed.code == 0, "\(resumed.error)")
    #expect(try small.losses("rough") == losses)
    let last = try record(run)
    #expect(last.state == .finished && last.restarts == 2)
  }

  @Test func aRunInUseOrAlreadyThereIsLeftAlone() throws {
    let small = try Small()
    let run = small.directory("one")
    let child = try small.start(small.fresh("one", ["--steps", "100000"]))
    try wait(for: child, steps: 2, in: run)
    let again = try small.run(small.fresh("one"))
    #expect(again.code == 64 && again.error.contains("'dsv3 launch --resume \(run.path)' goes on"))
    let second = try small.run(["launch", "--resume", run.path])
    #expect(second.code == 75 && second.error.contains("is driven by another 'dsv3 launch'"))
    // The first signal asks for a checkpoint; the second ends at once.
    child.send(SIGINT, toGroup: false)
    child.send(SIGINT, toGroup: false)
    let code = try child.wait(atMost: 20).code
    #expect(code == 75 || code == 128 + SIGINT)
    #expect(processes(with: run.path) == [])
    let stopped = try record(run)
    #expect(stopped.state == .stopped && stopped.exitCode == code)
    #expect(try Binary.text(small.path + "/said.txt").contains("goes on from"))
  }

  @Test(
    arguments: [
      (["-n", "3"], 78, "3 MPI ranks were started"),
      (["--set", "schedule.name=1f2b"], 78, "did you mean '1f1b'"),
      (["--hostfile", "/nowhere/hosts"], 66, "cannot read the hostfile"),
      (["--host", "a,,b"], 64, "option '--host' wants hosts"),
      (["--max-restarts", "-1"], 64, "option '--max-restarts' wants"),
      (["--timeout", "0"], 64, "option '--timeout' wants a number > 0"),
      (["somewhere"], 64, "unexpected argument 'somewhere'"),
      (["--json"], 64, "--json is about --dry-run"),
      (["--config", "/nowhere.yaml"], 66, "/nowhere.yaml"),
    ] as [([String], Int32, String)])
  func mistakesAreFoundBeforeAnythingStarts(
    _ options: [String], _ code: Int32, _ part: String
  ) throws {
    let small = try Small()
    let output = try small.run(small.fresh("none", options))
    #expect(output.code == code && output.standard == "", "\(output.standard)")
    #expect(output.error.contains(part), "\(output.error)")
    #expect(access(small.directory("none").path, F_OK) != 0)
  }

  /// The worker's own mistakes end the run with its code and no restart.
  @Test func aMissingTextIsNotTriedAgain() throws {
    let small = try Small()
    let output = try small.run(small.fresh("none", ["--set", "data.sources=[/nowhere/text]"]))
    #expect(output.code == 66 && output.error.contains("/nowhere/text"), "\(output.error)")
    #expect(output.error.contains("a restart would repeat"))
    let failed = try record(small.directory("none"))
    #expect(failed.state == .failed && failed.exitCode == 66 && failed.restarts == 0)
  }

  @Test func aDryRunTellsAndStartsNothing() throws {
    let small = try Small()
    let text = try small.run(small.fresh("dry", ["--dry-run"]))
    #expect(text.code == 0, "\(text.error)")
    for part in ["node 1: rank 2 (pipeline 1, data 0, expert 0)", "mpirun ", "MFU", "training"] {
      #expect(text.standard.contains(part), "\(text.standard)")
    }
    let output = try small.run(small.fresh("dry", ["--dry-run", "--json"]))
    guard case .object(let figures) = try JSONValue(parsing: Array(output.standard.utf8)) else {
      Issue.record("\(output.standard)")
      return
    }
    #expect(figures["ranks"] == .integer(4))
    #expect(
      figures["nodes"]
        == .array([
          .array([.integer(0), .integer(1)]),
          .array([.integer(2), .integer(3)]),
        ]))
    #expect(access(small.directory("dry").path, F_OK) != 0)
  }

  @Test func anMpirunThatIsNotThereOrFailsIsNamed() throws {
    let small = try Small()
    let missing = try Binary.run(small.fresh("none"), environment: ["PATH": "/nowhere"])
    #expect(missing.code == 66)
    #expect(missing.error.contains("no program 'mpirun' in PATH (/nowhere); install Open MPI"))
    let failing = try small.run(
      small.fresh("bad", ["--mpi-arg=--no-such-option", "--max-restarts", "0"]))
    #expect(failing.code != 0 && failing.error.contains("mpirun could not start the ranks"))
    #expect(failing.error.contains("no-such-option"), "\(failing.error)")
  }
}
