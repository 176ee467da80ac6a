// Command lines in the GNU manner for both executables: `--option VALUE`, `--option=VALUE`,
// flags, one-letter options, `--`, operands anywhere. Says what it did not understand and how
// to get help; decides nothing about what an option means.

/// An option that a command knows.
package struct CommandOption: Equatable, Sendable {
  /// The name after `--`.
  package var name: String
  /// The letter after `-`, if there is one.
  package var letter: Character?
  /// What the value is called in the help, such as `FILE`; nil for a flag without value.
  package var valueName: String?
  package var help: String

  package init(
    _ name: String, letter: Character? = nil, value valueName: String? = nil, help: String
  ) {
    self.name = name
    self.letter = letter
    self.valueName = valueName
    self.help = help
  }
}

/// What a command line says.
package struct ParsedOptions: Equatable, Sendable {
  /// Arguments that are not options, in order.
  package var operands: [String] = []
  fileprivate var command: String
  fileprivate var values: [String: [String]] = [:]

  /// Whether the option was given, with or without a value.
  package func has(_ name: String) -> Bool { values[name] != nil }
  /// The value of an option; the last one when it was repeated.
  package func value(_ name: String) -> String? { values[name]?.last }
  /// All values of a repeated option, in order.
  package func values(_ name: String) -> [String] { values[name] ?? [] }

  /// The value of an option as a whole number, nil when it was not given.
  /// - Throws: `ConfigurationError` of kind `.usage` when it is none or not in `range`.
  package func integer(
    _ name: String, in range: ClosedRange<Int>
  ) throws(ConfigurationError) -> Int? {
    guard let text = value(name) else { return nil }
    guard let number = Int(text), range.contains(number) else {
      let wanted =
        range.upperBound == .max
        ? "≥ \(range.lowerBound)" : "from \(range.lowerBound) to \(range.upperBound)"
      throw usageError(
        "option '--\(name)' wants a whole number \(wanted), not '\(printable(text))'")
    }
    return number
  }

  /// The value of an option as a number, nil when it was not given.
  /// - Throws: `ConfigurationError` of kind `.usage` when it is none or below `least`.
  package func number(
    _ name: String, atLeast least: Double = 0
  ) throws(ConfigurationError) -> Double? {
    guard let text = value(name) else { return nil }
    guard let number = Double(text), number.isFinite, number >= least else {
      throw usageError("option '--\(name)' wants a number ≥ \(least), not '\(printable(text))'")
    }
    return number
  }

  /// A mistake in this command line that only the command can see, such as a missing operand.
  package func usageError(_ problem: String) -> ConfigurationError {
    OptionParser.usageError(problem, command: command)
  }
}

/// Knows the options of one command.
package struct OptionParser: Sendable {
  /// As typed, such as `dsv3 schedule show`; begins every message.
  package var command: String
  /// Help's first line after the command's name, such as `[OPTION]... FILE`.
  package var usage: String
  /// What the command does, in a line or two of the help.
  package var summary: String
  package var options: [CommandOption]

  /// `--help` and `--version` are added to the given options.
  package init(
    command: String, usage: String = "[OPTION]...", summary: String = "",
    options: [CommandOption] = []
  ) {
    self.command = command
    self.usage = usage
    self.summary = summary
    self.options =
      options + [
        CommandOption("help", letter: "h", help: "print this help and exit"),
        CommandOption("version", help: "print the version and exit"),
      ]
  }

  /// Reads the arguments after the command's name.
  /// - Throws: `ConfigurationError` of kind `.usage` (exit code 64) for an option that is unknown,
  ///   lacks its value, or has one that it does not take.
  package func parse(_ arguments: [String]) throws(ConfigurationError) -> ParsedOptions {
    var parsed = ParsedOptions(command: command)
    var rest = arguments[...]
    while let argument = rest.popFirst() {
      if argument == "--" {
        parsed.operands += rest
        break
      } else if argument.hasPrefix("--") {
        try parseLong(argument.dropFirst(2), &rest, &parsed)
      } else if argument.hasPrefix("-"), argument.count > 1 {
        try parseLetters(argument.dropFirst(), &rest, &parsed)
      } else {
        parsed.operands.append(argument)
      }
    }
    return parsed
  }

  private func parseLong(
    _ text: Substring, _ rest: inout ArraySlice<String>, _ parsed: inout ParsedOptions
  ) throws(ConfigurationError) {
    let name = String(text.prefix { $0 != "=" })
    let attached = text.count > name.count ? String(text.dropFirst(name.count + 1)) : nil
    guard let option = options.first(where: { $0.name == name }) else {
      let near = nearestName(to: name, among: options.map(\.name))
      let question = near.map { "; did you mean '--\($0)'?" } ?? ""
      throw usageError("unrecognised option '--\(printable(name))'\(question)")
    }
    if option.valueName == nil, attached != nil {
      throw usageError("option '--\(name)' takes no value")
    }
    try record(option, shown: "--" + name, attached: attached, &rest, &parsed)
  }

  private func parseLetters(
    _ text: Substring, _ rest: inout ArraySlice<String>, _ parsed: inout ParsedOptions
  ) throws(ConfigurationError) {
    var letters = text
    while let letter = letters.popFirst() {
      guard let option = options.first(where: { $0.letter == letter }) else {
        throw usageError("unrecognised option '-\(printable(String(letter)))'")
      }
      var attached: String?
      if option.valueName != nil, !letters.isEmpty {
        attached = String(letters)
        letters = ""
      }
      try record(option, shown: "-\(letter)", attached: attached, &rest, &parsed)
    }
  }

  private func record(
    _ option: CommandOption, shown: String, attached: String?, _ rest: inout ArraySlice<String>,
    _ parsed: inout ParsedOptions
  ) throws(ConfigurationError) {
    guard let valueName = option.valueName else {
      parsed.values[option.name, default: []].append("")
      return
    }
    guard let value = attached ?? rest.popFirst() else {
      throw usageError("option '\(shown)' wants a value: \(shown) \(valueName)")
    }
    parsed.values[option.name, default: []].append(value)
  }

  /// A mistake in a command line of this command.
  package func usageError(_ problem: String) -> ConfigurationError {
    Self.usageError(problem, command: command)
  }

  fileprivate static func usageError(_ problem: String, command: String) -> ConfigurationError {
    ConfigurationError("\(command): \(problem)\ntry '\(command) --help'", kind: .usage)
  }

  /// The text of `--help`, with a line for each option.
  package var help: String {
    var lines = ["Usage: \(command) \(usage)"]
    if !summary.isEmpty { lines.append(summary) }
    lines.append("")
    let heads = options.map { option in
      let letter = option.letter.map { "-\($0), " } ?? "    "
      return "  " + letter + "--" + option.name + (option.valueName.map { " " + $0 } ?? "")
    }
    let width = (heads.map(\.count).max() ?? 0) + 2
    for (head, option) in zip(heads, options) {
      lines.append(head + String(repeating: " ", count: width - head.count) + option.help)
    }
    return lines.joined(separator: "\n") + "\n"
  }
}
