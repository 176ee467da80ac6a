// A YAML document as a tree in which every node remembers where it was written. Only what a
// configuration needs: scalars, sequences and mappings with plain names as keys.

/// A value of a YAML document with its place.
package struct YAMLNode: Equatable, Sendable {
  package enum Content: Equatable, Sendable {
    /// Text as written, escapes resolved. `isPlain` is false for quoted and block scalars,
    /// which are never numbers or words with a meaning.
    case scalar(String, isPlain: Bool)
    case sequence([YAMLNode])
    /// In the order written; no key occurs twice.
    case mapping([YAMLEntry])
  }

  package var content: Content
  package var origin: Origin

  package init(_ content: Content, origin: Origin) {
    self.content = content
    self.origin = origin
  }
}

/// A key of a mapping with its place, and its value.
package struct YAMLEntry: Equatable, Sendable {
  package var key: String
  package var origin: Origin
  package var value: YAMLNode
}

extension YAMLNode {
  /// The text when the node is a scalar without quotes.
  package var plainText: String? {
    if case .scalar(let text, isPlain: true) = content { return text }
    return nil
  }

  /// Whether nothing was written, or YAML's word for nothing.
  package var isNull: Bool {
    guard let plainText else { return false }
    return plainText.isEmpty || plainText == "~" || plainText == "null"
  }

  /// The value of `key` when the node is a mapping that has it.
  package subscript(key: String) -> YAMLNode? {
    guard case .mapping(let entries) = content else { return nil }
    return entries.first { $0.key == key }?.value
  }

  /// How an error message calls the node: `'four'`, `the quoted text "4"`, `a list`.
  package var shown: String {
    switch content {
    case .scalar(let text, isPlain: true): text.isEmpty ? "nothing" : "'\(printable(text))'"
    case .scalar(let text, isPlain: false): "the quoted text \"\(printable(text))\""
    case .sequence: "a list"
    case .mapping: "a mapping"
    }
  }
}
