// A child process in a process group of its own, with its output as lines. Started by posix_spawn,
// ended as a group, reaped by wait4. One thread serves any number of children
// (Subprocess+Wait.swift).

internal import CSystem
internal import Glibc

/// A started program. It ends with this value at the latest: `deinit` kills what still runs.
package final class Subprocess {
  package let call: ProgramCall
  /// The child's process number, and that of its group.
  package let id: Int32
  /// How it ended; nil while it runs.
  package internal(set) var ending: ProcessEnding?
  /// User and system time of the child and of the descendants that it waited for; 0 while it runs.
  package internal(set) var processorSeconds = 0.0
  /// Output and error output.
  var pipes: [LinePipe]

  /// Starts a program with no input. It inherits no descriptor but its three, no blocked and no
  /// ignored signal.
  /// - Parameters:
  ///   - output: called with each line of standard output, while somebody waits.
  ///   - error: the same of standard error.
  /// - Throws: `SubprocessError.notFound` or `.cannotStart`.
  package init(
    starting call: ProgramCall, output: @escaping (String) -> Void,
    error: @escaping (String) -> Void
  ) throws(SubprocessError) {
    let file = try call.located()
    guard let first = LinePipe.make() else {
      throw .cannotStart(program: call.program, reason: String(cString: strerror(errno)))
    }
    guard let second = LinePipe.make() else {
      let reason = String(cString: strerror(errno))
      for end in [first.reading, first.writing] { close(end) }
      throw .cannotStart(program: call.program, reason: reason)
    }
    let (code, child) = Self.spawn(file, call, output: first.writing, error: second.writing)
    for end in [first.writing, second.writing] { close(end) }
    guard code == 0 else {
      for end in [first.reading, second.reading] { close(end) }
      throw .cannotStart(program: call.program, reason: String(cString: strerror(code)))
    }
    self.call = call
    id = child
    pipes = [
      LinePipe(reading: first.reading, line: output),
      LinePipe(reading: second.reading, line: error),
    ]
  }

  deinit {
    if ending == nil {
      killAll()
      var status: Int32 = 0
      while waitpid(id, &status, 0) < 0 && errno == EINTR {}
    }
    for index in pipes.indices where pipes[index].isOpen { close(pipes[index].descriptor) }
  }

  /// Sends a signal to the child's group, or to the child alone; nothing when it has ended.
  package func send(_ signal: Int32, toGroup: Bool = true) {
    if ending == nil { kill(toGroup ? -id : id, signal) }
  }

  /// Kills the child's group and all its descendants, whatever group they are in.
  func killAll() {
    guard ending == nil else { return }
    let descendants = Descendants.of(id)
    kill(-id, SIGKILL)
    for process in descendants { kill(process, SIGKILL) }
  }

  private static func spawn(
    _ file: String, _ call: ProgramCall, output: Int32, error: Int32
  ) -> (code: Int32, child: pid_t) {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, output, 1)
    posix_spawn_file_actions_adddup2(&actions, error, 2)
    dsv3_spawn_closing_from(&actions, 3)
    if let directory = call.directory {
      dsv3_spawn_in(&actions, directory)
    }

    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    sigfillset(&signals)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    posix_spawnattr_setpgroup(&attributes, 0)
    posix_spawnattr_setflags(
      &attributes,
      Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

    var child: pid_t = 0
    let code = withStrings([call.program] + call.arguments) { arguments in
      withStrings(call.variables) { variables in
        posix_spawn(&child, file, &actions, &attributes, arguments, variables)
      }
    }
    return (code, child)
  }

  /// `strings` as C has them, ending in a null pointer.
  private static func withStrings<Result>(
    _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
  ) -> Result {
    let copies = strings.map { strdup($0) }
    defer { for copy in copies { free(copy) } }
    return body(copies + [nil])
  }
}
