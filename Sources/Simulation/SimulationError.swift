// What a caller of this room can get wrong: a file that cannot be written, a name that says
// nothing of its format.

/// The room's only error: where it was, and what would be right.
package struct SimulationError: Error, Equatable, Sendable {
  package enum Kind: Hashable, Sendable {
    /// The name of a file doesn't say which format is wanted.
    case unknownFormat
    case unwritable
  }

  package var kind: Kind
  /// File or key.
  package var source: String
  package var message: String

  package init(_ kind: Kind, source: String, message: String) {
    self.kind = kind
    self.source = source
    self.message = message
  }
}
