// A program with its arguments, environment and directory, before it is started; and where the
// program is found. Foundation.Process is not used: it misses deaths of children in containers.

internal import CSystem
internal import Glibc

/// What is to be started.
package struct ProgramCall: Equatable, Sendable {
  /// A path, or a name that is looked up in `PATH`.
  package var program: String
  /// Without the program itself.
  package var arguments: [String]
  /// What differs from this process's environment; nil takes a variable away.
  package var environment: [String: String?]
  /// Where it starts; nil for this process's directory.
  package var directory: String?

  package init(
    _ program: String, _ arguments: [String] = [], environment: [String: String?] = [:],
    directory: String? = nil
  ) {
    self.program = program
    self.arguments = arguments
    self.environment = environment
    self.directory = directory
  }

  /// The environment it gets, `NAME=VALUE` by name.
  package var variables: [String] {
    var variables = Self.environment
    for (name, value) in environment { variables[name] = value }
    return variables.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
  }

  /// The program's file: itself if it has a slash, otherwise the first of that name in `PATH`.
  /// - Throws: `SubprocessError.notFound` when there is none that may be executed.
  package func located() throws(SubprocessError) -> String {
    if program.contains("/") {
      guard Self.isExecutable(program) else {
        throw .notFound(program: program, searched: nil)
      }
      return program
    }
    let path = (environment["PATH"] ?? nil) ?? Self.environment["PATH"] ?? "/usr/bin:/bin"
    for folder in path.split(separator: ":", omittingEmptySubsequences: false) {
      let file = (folder.isEmpty ? "." : String(folder)) + "/" + program
      if Self.isExecutable(file) { return file }
    }
    throw .notFound(program: program, searched: path)
  }

  /// This process's environment.
  package static var environment: [String: String] {
    var variables: [String: String] = [:]
    var entry = dsv3_environment()
    while let place = entry, let text = place.pointee.map({ String(cString: $0) }) {
      if let equals = text.firstIndex(of: "=") {
        variables[String(text[..<equals])] = String(text[text.index(after: equals)...])
      }
      entry = place + 1
    }
    return variables
  }

  private static func isExecutable(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
      && access(path, X_OK) == 0
  }
}

/// Why a program could not be started or waited for.
package enum SubprocessError: Error, Equatable, CustomStringConvertible {
  /// No such executable file; `searched` is the `PATH` for a name without a slash.
  case notFound(program: String, searched: String?)
  case cannotStart(program: String, reason: String)
  /// It was ended because its time was over.
  case timedOut(program: String, seconds: Double)
  /// This process got a signal that asks it to end; its children have been ended.
  case interrupted(signal: Int32)

  package var description: String {
    switch self {
    case .notFound(let program, nil): "there is no program '\(program)'"
    case .notFound(let program, let path?): "there is no program '\(program)' in PATH (\(path))"
    case .cannotStart(let program, let reason): "'\(program)' could not be started: \(reason)"
    case .timedOut(let program, let seconds): "'\(program)' was ended after \(seconds) s"
    case .interrupted(let signal): "stopped by signal \(signal)"
    }
  }
}

/// How a program ended.
package enum ProcessEnding: Equatable, Sendable {
  case exited(Int32)
  case signalled(Int32)

  /// From the status of `wait4`.
  init(status: Int32) {
    let signal = status & 0x7F
    self = signal == 0 ? .exited((status >> 8) & 0xFF) : .signalled(signal)
  }

  /// As a shell has it: 128 + the signal.
  package var code: Int32 {
    switch self {
    case .exited(let code): code
    case .signalled(let signal): 128 + signal
    }
  }
}
