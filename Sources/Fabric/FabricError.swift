// What a caller of this room can get wrong: a cluster, a scenario, a file of measurements.

/// The room's only error: where it was, and what would be right.
package struct FabricError: Error, Equatable, Sendable {
  package enum Kind: Hashable, Sendable {
    /// The description of hardware or traffic makes no sense.
    case badDescription
    /// A file is not what it should be.
    case badData
    case missingFile
    case unreadable
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
