// Memory of one GPU by category, as a step report gives it.

package import JSON
package import Units

/// Bytes of one rank by what they are for.
package struct MemoryBytes: Hashable, Sendable {
  /// Working copies of the weights.
  package var parameters: ByteCount
  /// The sums of gradients, FP32.
  package var gradients: ByteCount
  /// The rank's shard of master weights and moments.
  package var optimizer: ByteCount
  /// What forwards leave for backwards and input halves for weight halves, at the peak.
  package var activations: ByteCount
  /// Messages under way, exchange rows, working space of the running component, tables.
  package var buffers: ByteCount

  package init(
    parameters: ByteCount = .zero, gradients: ByteCount = .zero, optimizer: ByteCount = .zero,
    activations: ByteCount = .zero, buffers: ByteCount = .zero
  ) {
    self.parameters = parameters
    self.gradients = gradients
    self.optimizer = optimizer
    self.activations = activations
    self.buffers = buffers
  }

  package var total: ByteCount { categories.reduce(.zero) { $0 + $1.bytes } }

  /// The categories under the names of `memory_bytes`.
  package var categories: [(name: String, bytes: ByteCount)] {
    [
      ("parameters", parameters), ("gradients", gradients), ("optimizer", optimizer),
      ("activations", activations), ("buffers", buffers),
    ]
  }

  /// The step report's `memory_bytes`, in bytes.
  package var json: JSONValue {
    var members = ["total": JSONValue.integer(total.bytes)]
    for (name, bytes) in categories { members[name] = .integer(bytes.bytes) }
    return .object(members)
  }
}
