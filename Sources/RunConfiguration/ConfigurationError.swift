// The one error of this room. It says where a mistake stands (file, line and column, or the
// option that brought it), which key it concerns, and what would be right, so that its
// description is the whole message a user needs.

/// Where a key or a value was written.
package enum Origin: Equatable, Sendable {
  /// A configuration file; line and column count characters from 1.
  case file(String, line: Int, column: Int)
  /// The argument of a `--set` option, as typed.
  case commandLine(String)
}

/// A configuration or command line that cannot be used.
package struct ConfigurationError: Error, Equatable, Sendable {
  /// What sort of mistake it is; decides the exit code.
  package enum Kind: Equatable, Sendable {
    /// A command line that cannot be understood.
    case usage
    /// A file that does not exist or cannot be read.
    case missingInput
    /// A file that it names and that does not hold what it should.
    case badData
    /// A configuration that is wrong.
    case invalid
  }

  package var kind: Kind
  package var origin: Origin?
  /// Dotted path of the key, such as `layout.pipeline`.
  package var keyPath: String?
  /// The offending value as written.
  package var value: String?
  /// What is wrong and what would be right.
  package var problem: String

  package init(
    _ problem: String, kind: Kind = .invalid, origin: Origin? = nil, keyPath: String? = nil,
    value: String? = nil
  ) {
    self.kind = kind
    self.origin = origin
    self.keyPath = keyPath
    self.value = value
    self.problem = problem
  }

  /// The code of sysexits.h to leave with: 64 usage, 65 bad data, 66 missing input, 78
  /// configuration.
  package var exitCode: Int32 {
    switch kind {
    case .usage: 64
    case .badData: 65
    case .missingInput: 66
    case .invalid: 78
    }
  }

  /// File of the mistake, when it stands in one.
  package var file: String? {
    if case .file(let name, _, _) = origin { return name }
    return nil
  }

  /// Line of the mistake from 1, when it stands in a file.
  package var line: Int? {
    if case .file(_, let line, _) = origin { return line }
    return nil
  }

  /// Column of the mistake from 1, when it stands in a file.
  package var column: Int? {
    if case .file(_, _, let column) = origin { return column }
    return nil
  }
}

extension ConfigurationError: CustomStringConvertible {
  /// `cluster.yaml:12:14: schedule.microbatchs: unknown key; …`
  package var description: String {
    var parts: [String] = []
    switch origin {
    case .file(let name, let line, let column): parts.append("\(name):\(line):\(column)")
    case .commandLine(let argument): parts.append("--set \(printable(argument, limit: 120))")
    case nil: break
    }
    if let keyPath, !originNames(keyPath) { parts.append(printable(keyPath, limit: 120)) }
    parts.append(problem)
    return parts.joined(separator: ": ")
  }

  /// Whether the place printed already begins with the key, so that it need not stand twice.
  private func originNames(_ keyPath: String) -> Bool {
    guard case .commandLine(let argument) = origin else { return false }
    return argument == keyPath || argument.hasPrefix(keyPath + "=")
  }
}

/// `text` on one line and of bounded length, for a message: control characters become spaces.
func printable(_ text: String, limit: Int = 60) -> String {
  var result = String.UnicodeScalarView()
  var count = 0
  for scalar in text.unicodeScalars {
    if count == limit {
      result.append("…")
      break
    }
    let isControl = scalar.properties.generalCategory == .control
    let breaksLine = scalar.value == 0x2028 || scalar.value == 0x2029
    result.append(isControl || breaksLine ? " " : scalar)
    count += 1
  }
  return String(result)
}
