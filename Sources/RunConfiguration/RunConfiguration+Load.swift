// Reading a configuration: the file, then `--set` options over it, then the checks that need
// nothing but the configuration itself.

internal import Glibc
internal import ModelSpec

extension RunConfiguration {
  /// The file that is read when none is named.
  package static let defaultPath = "cluster.yaml"

  /// The configuration of a file with overrides.
  /// - Parameters:
  ///   - path: the file; nil reads `defaultPath` if it exists and takes all defaults otherwise.
  ///   - overrides: arguments of `--set`, each `KEY=VALUE` with a dotted path and a value in
  ///     YAML. A mapping as the value sets the keys in it and leaves the others alone. Of several
  ///     that set the same key the last one counts.
  /// - Throws: `ConfigurationError`: `.missingInput` when the file cannot be read, `.invalid` when
  ///   it or an override is wrong, `.usage` for an override without `=`.
  package static func load(
    path: String?, overrides: [String] = [], defaultPath: String = defaultPath
  ) throws(ConfigurationError) -> RunConfiguration {
    guard let bytes = try contents(of: path ?? defaultPath, mayBeMissing: path == nil) else {
      return try read(bytes: [], file: defaultPath, overrides: overrides)
    }
    return try read(bytes: bytes, file: path ?? defaultPath, overrides: overrides)
  }

  /// As `load`, of bytes already in memory; `file` is the name used in messages.
  package static func read(
    bytes: [UInt8], file: String, overrides: [String] = []
  ) throws(ConfigurationError) -> RunConfiguration {
    var given = Leaves()
    try given.add(try YAMLNode.parse(bytes, source: .file(file)), at: "")
    try given.refuseExclusive()
    var replaced = Leaves()
    for override in overrides { try replaced.add(override: override) }
    try replaced.refuseExclusive()
    let leaves = given.overridden(by: replaced)

    var configuration = RunConfiguration()
    for key in schema {
      guard let node = leaves.nodes[key.path] else { continue }
      try key.read(node, &configuration)
      configuration.origins[key.path] = node.origin
    }
    try configuration.validate()
    return configuration
  }
}

extension Leaves {
  /// Adds what one `KEY=VALUE` sets.
  mutating func add(override: String) throws(ConfigurationError) {
    guard let equals = override.firstIndex(of: "="), equals > override.startIndex else {
      throw ConfigurationError(
        "expected KEY=VALUE, such as --set layout.pipeline=2", kind: .usage,
        origin: .commandLine(override))
    }
    let path = String(override[..<equals])
    var section = ""
    for name in path.split(separator: ".", omittingEmptySubsequences: false) {
      guard SchemaTree.children(of: section).contains(String(name)) else {
        var error = SchemaTree.unknownKey(
          String(name), in: section, origin: .commandLine(override))
        error.keyPath = path
        throw error
      }
      section = SchemaTree.joined(section, String(name))
    }
    let value = String(override[override.index(after: equals)...])
    let node = try YAMLNode.parse(value, source: .commandLine(override))
    if node.isNull, !SchemaTree.isKey(path) {
      let list = SchemaTree.children(of: path).joined(separator: ", ")
      throw ConfigurationError(
        "expected a mapping with the keys \(list), got nothing",
        origin: .commandLine(override), keyPath: path)
    }
    try add(node, at: path)
  }
}

/// The bytes of a file, at most one more than a configuration may have; nil when it does not
/// exist and need not.
private func contents(
  of path: String, mayBeMissing: Bool
) throws(ConfigurationError) -> [UInt8]? {
  func failure() -> ConfigurationError {
    let reason = String(cString: strerror(errno))
    return ConfigurationError(
      "\(printable(path, limit: 200)): cannot read the configuration: \(reason)",
      kind: .missingInput)
  }
  let descriptor = open(path, O_RDONLY | O_CLOEXEC)
  if descriptor < 0 {
    if errno == ENOENT, mayBeMissing { return nil }
    throw failure()
  }
  defer { close(descriptor) }
  var bytes: [UInt8] = []
  var chunk = [UInt8](repeating: 0, count: 16 * 1024)
  while bytes.count <= YAMLNode.sizeLimit {
    let count = read(descriptor, &chunk, chunk.count)
    if count == 0 { break }
    if count < 0 {
      if errno == EINTR { continue }
      throw failure()
    }
    bytes.append(contentsOf: chunk[..<count])
  }
  return bytes
}
