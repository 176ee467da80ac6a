// Text to tree through libyaml's event interface, strictly: duplicate keys, anchors, aliases,
// tags and second documents are refused, and size and depth are bounded. Any bytes whatever
// give a tree or a ConfigurationError.

internal import CYAML

/// What a text being parsed is called in error messages.
package enum YAMLSource: Equatable, Sendable {
  case file(String)
  /// The whole argument of a `--set` option whose value is being parsed.
  case commandLine(String)

  /// The place of a mark of libyaml, which counts from 0.
  func origin(line: Int, column: Int) -> Origin {
    switch self {
    case .file(let name): .file(name, line: line + 1, column: column + 1)
    case .commandLine(let argument): .commandLine(argument)
    }
  }
}

extension YAMLNode {
  /// Largest text that is read, in bytes.
  package static let sizeLimit = 256 * 1024
  /// Deepest nesting of sequences and mappings.
  package static let depthLimit = 16

  /// The tree of one YAML document; an empty document is an empty plain scalar.
  /// - Throws: `ConfigurationError` with the place of the first mistake.
  package static func parse(
    _ bytes: [UInt8], source: YAMLSource
  ) throws(ConfigurationError) -> YAMLNode {
    guard bytes.count <= sizeLimit else {
      throw ConfigurationError(
        "\(bytes.count) bytes are too many; a configuration has at most \(sizeLimit)",
        origin: source.origin(line: 0, column: 0))
    }
    return try bytes.withUnsafeBufferPointer { (buffer) throws(ConfigurationError) -> YAMLNode in
      var composer = YAMLComposer(events: YAMLEvents(buffer, source: source))
      return try composer.document()
    }
  }

  /// As `parse(_:source:)`, of a string.
  package static func parse(
    _ text: String, source: YAMLSource
  ) throws(ConfigurationError) -> YAMLNode {
    try parse(Array(text.utf8), source: source)
  }
}

/// Builds the tree from the events.
private struct YAMLComposer: ~Copyable {
  var events: YAMLEvents

  init(events: consuming YAMLEvents) {
    self.events = events
  }

  mutating func document() throws(ConfigurationError) -> YAMLNode {
    var event = try events.next()
    if event.kind == .streamStart { event = try events.next() }
    if event.kind == .streamEnd {
      return YAMLNode(.scalar("", isPlain: true), origin: event.origin)
    }
    let root = try node(from: try events.next(), depth: 0)
    _ = try events.next()  // the end of the document
    let rest = try events.next()
    guard rest.kind == .streamEnd else {
      throw ConfigurationError(
        "a second YAML document begins here; a configuration is one document",
        origin: rest.origin)
    }
    return root
  }

  mutating func node(from event: YAMLEvent, depth: Int) throws(ConfigurationError) -> YAMLNode {
    guard depth <= YAMLNode.depthLimit else {
      throw ConfigurationError(
        "nested deeper than \(YAMLNode.depthLimit) levels", origin: event.origin)
    }
    switch event.kind {
    case .scalar(let text, let isPlain):
      return YAMLNode(.scalar(text, isPlain: isPlain), origin: event.origin)
    case .sequenceStart:
      var items: [YAMLNode] = []
      while true {
        let next = try events.next()
        if next.kind == .sequenceEnd { break }
        items.append(try node(from: next, depth: depth + 1))
      }
      return YAMLNode(.sequence(items), origin: event.origin)
    case .mappingStart:
      let entries = try mapping(depth: depth)
      return YAMLNode(.mapping(entries), origin: event.origin)
    default:
      throw ConfigurationError("not valid YAML: a value is missing", origin: event.origin)
    }
  }

  mutating func mapping(depth: Int) throws(ConfigurationError) -> [YAMLEntry] {
    var entries: [YAMLEntry] = []
    var places: [String: Origin] = [:]
    while true {
      let next = try events.next()
      if next.kind == .mappingEnd { return entries }
      guard case .scalar(let key, _) = next.kind else {
        throw ConfigurationError(
          "a key is a name; a list or a mapping cannot be one", origin: next.origin)
      }
      if let first = places.updateValue(next.origin, forKey: key) {
        var problem = "the key '\(printable(key))' stands twice"
        if case .file(_, let line, _) = first { problem += ", first on line \(line)" }
        throw ConfigurationError(problem, origin: next.origin)
      }
      let value = try node(from: try events.next(), depth: depth + 1)
      entries.append(YAMLEntry(key: key, origin: next.origin, value: value))
    }
  }
}
