// A command, or a word under which others stand: finds the one that the arguments name, reads its
// options, runs it, and turns whatever goes wrong into one message and an exit code.

import CSystem
import Glibc
import RunConfiguration

struct Command: Sendable {
  /// Its options; the last word of `parser.command` is the name.
  var parser: OptionParser
  /// A line for the list of the command above.
  var summary: String
  var subcommands: [Command] = []
  var run: @Sendable (ParsedOptions) throws -> Void

  /// A command with options and a summary that begins its help.
  init(
    _ command: String, usage: String, summary: String, help: String,
    options: [CommandOption], run: @escaping @Sendable (ParsedOptions) throws -> Void
  ) {
    parser = OptionParser(command: command, usage: usage, summary: help, options: options)
    self.summary = summary
    self.run = run
  }

  /// A word with commands under it.
  init(_ command: String, summary: String, subcommands: [Command]) {
    let width = (subcommands.map(\.name.count).max() ?? 0) + 2
    let list = subcommands.map { "  " + $0.name.padded(to: width) + $0.summary }
    let parser = OptionParser(
      command: command, usage: "COMMAND [OPTION]... [ARGUMENT]...",
      summary: summary.capitalisedFirst + ".\n\nCommands:\n" + list.joined(separator: "\n")
        + "\n\n'\(command) COMMAND --help' explains each.")
    self.parser = parser
    self.summary = summary
    self.subcommands = subcommands
    run = { _ in throw parser.usageError("a command is missing") }
  }

  var name: String { String(parser.command.split(separator: " ").last ?? "") }

  /// Does what the arguments say; the exit code.
  func perform(_ arguments: [String]) -> Int32 {
    var code: Int32 = 0
    do {
      try dispatch(arguments)
    } catch let ending as ExitCode {
      code = ending.code
    } catch {
      let (message, exitCode) = explain(error)
      complain(message)
      code = exitCode
    }
    // Data that never arrived is a failure, also when only the last flush finds out.
    if fflush(dsv3_stdout()) != 0 || ferror(dsv3_stdout()) != 0, code == 0 {
      complain("dsv3: cannot write to standard output: \(String(cString: strerror(errno)))")
      code = 74
    }
    return code
  }

  private func dispatch(_ arguments: [String]) throws {
    if let word = arguments.first, !word.hasPrefix("-"), !subcommands.isEmpty {
      let rest = Array(arguments.dropFirst())
      if let command = subcommands.first(where: { $0.name == word }) {
        return try command.dispatch(rest)
      }
      if word == "help" { return try dispatch(rest + ["--help"]) }
      let near = nearestName(to: word, among: subcommands.map(\.name))
      let hint =
        near.map { "did you mean '\($0)'?" }
        ?? "there are " + subcommands.map(\.name).joined(separator: ", ")
      throw parser.usageError("there is no command '\(printable(word))'; \(hint)")
    }
    let options = try parser.parse(arguments)
    if options.has("help") {
      print(parser.help, terminator: "")
    } else if options.has("version") {
      print("dsv3 \(version)")
    } else {
      try run(options)
    }
  }
}

/// Printed by `--version` of every command.
let version = "0.1"

extension ParsedOptions {
  /// The value of an option that must be given.
  func required(_ name: String) throws -> String {
    guard let value = value(name) else { throw usageError("--\(name) is missing") }
    return value
  }

  /// The operands, which must be as many as `names`.
  func operands(_ names: String...) throws -> [String] {
    guard operands.count >= names.count else {
      throw usageError("\(names[operands.count]) is missing")
    }
    guard operands.count == names.count else {
      throw usageError("unexpected argument '\(printable(operands[names.count]))'")
    }
    return operands
  }
}
