// Children as the coordinator has them: how they end, what they say, and that none is left over.

import Coordinator
import Glibc
import Testing

@Suite struct SubprocessTests {
  /// What a child wrote, filled while it is waited for.
  private final class Lines {
    var output: [String] = []
    var error: [String] = []
  }

  private func start(_ call: ProgramCall, _ lines: Lines) throws -> Subprocess {
    try Subprocess(
      starting: call, output: { lines.output.append($0) }, error: { lines.error.append($0) })
  }

  /// Starts a script of the shell.
  private func shell(_ script: String, _ lines: Lines = Lines()) throws -> Subprocess {
    try start(ProgramCall("sh", ["-c", script]), lines)
  }

  /// Whether a process is gone or a corpse that nobody has buried yet.
  private func isGone(_ process: pid_t) -> Bool {
    for _ in 0..<200 {
      guard let file = fopen("/proc/\(process)/stat", "r") else { return true }
      var buffer = [UInt8](repeating: 0, count: 512)
      let count = fread(&buffer, 1, buffer.count, file)
      fclose(file)
      let text = String(decoding: buffer[..<count], as: UTF8.self)
      if text.isEmpty || text.contains(") Z ") { return true }
      usleep(10_000)
    }
    return false
  }

  @Test func exitCodeAndLinesAreTheChilds() throws {
    let lines = Lines()
    let child = try shell("echo a; echo b >&2; echo; printf c; exit 7", lines)
    #expect(try child.wait() == .exited(7))
    #expect(child.ending?.code == 7)
    #expect(lines.output == ["a", "", "c"])
    #expect(lines.error == ["b"])
  }

  @Test(arguments: [SIGTERM, SIGSEGV, SIGKILL])
  func aSignalIsTheEnding(_ signal: Int32) throws {
    let child = try shell("kill -\(signal) $$; sleep 20")
    #expect(try child.wait() == .signalled(signal))
    #expect(child.ending?.code == 128 + signal)
  }

  @Test func aMissingProgramIsNamedWithWhereItWasSearched() throws {
    let call = ProgramCall("no-such-program", environment: ["PATH": "/usr/bin:/bin"])
    #expect(
      throws: SubprocessError.notFound(program: "no-such-program", searched: "/usr/bin:/bin")
    ) { try start(call, Lines()) }
    // A file that can't be executed, and a directory, are no programs either.
    for path in ["/no/such/program", "/etc/passwd", "/usr"] {
      #expect(throws: SubprocessError.notFound(program: path, searched: nil)) {
        try start(ProgramCall(path), Lines())
      }
    }
    #expect(throws: SubprocessError.self) {
      try start(ProgramCall("sh", ["-c", "true"], directory: "/no/such/directory"), Lines())
    }
  }

  /// 2 × 1.2 MB, where a pipe holds 64 KiB: reading one to its end before the other would hang.
  @Test func muchOutputOnBothPipesArrivesWhole() throws {
    let lines = Lines()
    let child = try shell(
      "(yes 'an output' | head -n 120000) & (yes 'an error' | head -n 120000 >&2); wait", lines)
    #expect(try child.wait(atMost: 60) == .exited(0))
    #expect(lines.output.count == 120_000 && lines.output.allSatisfy { $0 == "an output" })
    #expect(lines.error.count == 120_000 && lines.error.allSatisfy { $0 == "an error" })
    #expect(child.processorSeconds > 0)
  }

  @Test func endingAChildEndsItsGroup() throws {
    let lines = Lines()
    let child = try shell("sleep 60 & echo $!; wait", lines)
    while lines.output.isEmpty { try Subprocess.wait(for: [child], atMost: 10) }
    let grandchild = try #require(lines.output.first.flatMap { pid_t($0) })
    child.end()
    #expect(child.ending == .signalled(SIGTERM))
    #expect(isGone(grandchild))
  }

  @Test func aGroupThatIgnoresTheRequestIsKilled() throws {
    let lines = Lines()
    let child = try shell("trap '' TERM; (sleep 60; sleep 60) & echo $!; wait; wait", lines)
    while lines.output.isEmpty { try Subprocess.wait(for: [child], atMost: 10) }
    child.end(grace: 0.1)
    #expect(child.ending == .signalled(SIGKILL))
    #expect(isGone(try #require(lines.output.first.flatMap { pid_t($0) })))
  }

  /// As mpirun does with its ranks.
  @Test func aDescendantInAGroupOfItsOwnIsKilledToo() throws {
    let lines = Lines()
    let child = try shell("trap '' TERM; setsid sleep 60 & echo $!; wait; wait", lines)
    while lines.output.isEmpty { try Subprocess.wait(for: [child], atMost: 10) }
    child.end(grace: 0.1)
    #expect(isGone(try #require(lines.output.first.flatMap { pid_t($0) })))
  }

  /// The grandchild holds the pipes open: their end isn't waited for, and it isn't left behind.
  @Test func whatAChildLeavesBehindIsKilled() throws {
    let lines = Lines()
    let child = try shell("sleep 60 & echo $!; exit 3", lines)
    #expect(try child.wait(atMost: 20) == .exited(3))
    #expect(isGone(try #require(lines.output.first.flatMap { pid_t($0) })))
  }

  @Test func aChildEndsWithItsValue() throws {
    let process: pid_t
    do {
      let child = try shell("sleep 60")
      process = child.id
    }
    #expect(isGone(process))
  }

  @Test func timeIsLimited() throws {
    let clock = ContinuousClock()
    let child = try shell("sleep 60")
    let time = clock.measure {
      #expect(throws: SubprocessError.timedOut(program: "sh", seconds: 0.1)) {
        try child.wait(atMost: 0.1)
      }
    }
    #expect(time < .seconds(10))
    #expect(child.ending == .signalled(SIGTERM))
  }

  @Test func severalChildrenAreServedAtOnce() throws {
    let (first, second) = (Lines(), Lines())
    // Each waits for the other's life: one after the other they would never end.
    let children = [
      try shell("echo ready; sleep 60", first), try shell("echo ready; exit 4", second),
    ]
    while children[1].ending == nil || first.output.isEmpty {
      try Subprocess.wait(for: children, atMost: 10)
    }
    #expect(children[1].ending == .exited(4) && children[0].ending == nil)
    #expect(first.output == ["ready"] && second.output == ["ready"])
  }

  @Test func environmentDirectoryAndDescriptorsAreThoseAsked() throws {
    // A descriptor that is not marked to be closed.
    let open = open("/dev/null", O_RDONLY)
    defer { close(open) }
    let lines = Lines()
    let call = ProgramCall(
      "sh", ["-c", "pwd; echo $DSV3_ADDED ${HOME-none}; ls /proc/$$/fd | tr '\\n' ' '; cat"],
      environment: ["DSV3_ADDED": "a value", "HOME": nil], directory: "/usr")
    let child = try start(call, lines)
    #expect(try child.wait() == .exited(0))
    #expect(lines.output == ["/usr", "a value none", "0 1 2 "])
  }
}
