// From a tree to the keys of the schema: every leaf with its dotted path, unknown keys refused
// with the nearest known one, keys that exclude one another told apart.

/// The keys of the schema as a tree of names.
enum SchemaTree {
  static let paths: [String] = RunConfiguration.schema.map(\.path)
  private static let leaves = Set(paths)

  static func isKey(_ path: String) -> Bool { leaves.contains(path) }

  /// Names directly below a section, in the schema's order; none when it is no section. The
  /// empty path is the whole file.
  static func children(of section: String) -> [String] { names[section] ?? [] }

  private static let names: [String: [String]] = {
    var result: [String: [String]] = [:]
    for path in paths {
      var section = ""
      for name in path.split(separator: ".").map(String.init) {
        if result[section]?.contains(name) != true { result[section, default: []].append(name) }
        section = joined(section, name)
      }
    }
    return result
  }()

  /// The error for a name that a section does not have.
  static func unknownKey(
    _ name: String, in section: String, origin: Origin
  ) -> ConfigurationError {
    let children = children(of: section)
    if isKey(section) {
      return ConfigurationError(
        "'\(section)' is a value and has no keys below it", origin: origin,
        keyPath: joined(section, name))
    }
    let suggestion = nearestName(to: name, among: children) ?? elsewhere(name)
    let question = suggestion.map { "; did you mean '\($0)'?" } ?? "."
    let owner = section.isEmpty ? "the file" : "'\(section)'"
    let list = children.joined(separator: ", ")
    return ConfigurationError(
      "unknown key\(question) Keys of \(owner) are: \(list).", origin: origin,
      keyPath: joined(section, name))
  }

  /// The full path of a key of this name in another section, or of one that is near.
  private static func elsewhere(_ name: String) -> String? {
    let last = paths.map { String($0.split(separator: ".").last ?? "") }
    if let index = last.firstIndex(of: name) { return paths[index] }
    guard let near = nearestName(to: name, among: last) else { return nil }
    return last.firstIndex(of: near).map { paths[$0] }
  }

  static func joined(_ section: String, _ name: String) -> String {
    section.isEmpty ? name : section + "." + name
  }
}

/// The given keys with their values, by dotted path.
struct Leaves {
  private(set) var nodes: [String: YAMLNode] = [:]

  /// Adds all leaves at or below `path`. A later value of the same key replaces an earlier one.
  mutating func add(_ node: YAMLNode, at path: String) throws(ConfigurationError) {
    if SchemaTree.isKey(path) {
      nodes[path] = node
      return
    }
    if node.isNull { return }  // a section with nothing in it
    guard case .mapping(let entries) = node.content else {
      throw notASection(node, at: path)
    }
    let children = SchemaTree.children(of: path)
    for entry in entries {
      guard children.contains(entry.key) else {
        throw SchemaTree.unknownKey(entry.key, in: path, origin: entry.origin)
      }
      try add(entry.value, at: SchemaTree.joined(path, entry.key))
    }
  }

  private func notASection(_ node: YAMLNode, at path: String) -> ConfigurationError {
    let list = SchemaTree.children(of: path).joined(separator: ", ")
    var hint = ""
    if let text = node.plainText, text.contains(":") { hint = "; a space belongs after ':'" }
    return ConfigurationError(
      "expected a mapping with the keys \(list), got \(node.shown)\(hint)", origin: node.origin,
      keyPath: path.isEmpty ? nil : path)
  }

  /// Refuses two keys of which only one may be given.
  func refuseExclusive() throws(ConfigurationError) {
    for key in RunConfiguration.schema {
      guard let other = key.insteadOf, let node = nodes[key.path], let rival = nodes[other]
      else { continue }
      // Complain at the later one of the two.
      let (at, path) = isLater(node.origin, than: rival.origin) ? (node, key.path) : (rival, other)
      throw ConfigurationError(
        "\(key.path) and \(other) exclude one another; give only one of them",
        origin: at.origin, keyPath: path)
    }
  }

  private func isLater(_ a: Origin, than b: Origin) -> Bool {
    guard case .file(_, let lineA, let columnA) = a, case .file(_, let lineB, let columnB) = b
    else { return false }
    return (lineA, columnA) > (lineB, columnB)
  }

  /// These leaves with those of `overrides` instead, where they are given there; a key that an
  /// override excludes is dropped.
  func overridden(by overrides: Leaves) -> Leaves {
    var result = self
    for key in RunConfiguration.schema {
      guard let node = overrides.nodes[key.path] else { continue }
      result.nodes[key.path] = node
      if let rival = key.insteadOf { result.nodes[rival] = nil }
    }
    return result
  }
}
