// Fills a model from a directory: every tensor must be there in its shape, and what is there and
// not wanted must be explainable.

package import ModelSpec

extension HuggingFaceDirectory {
  /// Fills the parameters of `spec` (the directory's own model unless given).
  ///
  /// For each, in the order of `ModelSpec.parameters()`, `destination` gives the memory of exactly
  /// its elements, or nil to leave it out (a stage or expert that the rank does not hold). Names,
  /// types and shapes of all are checked before the first is asked for.
  ///
  /// Returns the names of tensors that were passed over: MTP's copies of embedding and head, the
  /// rotary tables of old files and MTP blocks beyond the model's depth. Throws `CheckpointError`
  /// when a tensor is missing, has another shape or type, or belongs to no part of the model.
  @discardableResult
  package func loadParameters(
    of spec: ModelSpec? = nil,
    into destination: (ParameterSpec) throws(CheckpointError) -> UnsafeMutableBufferPointer<Float>?
  ) throws(CheckpointError) -> [String] {
    let spec = spec ?? self.spec
    let parameters = spec.parameters()
    try checkPresent(parameters)
    for parameter in parameters { try checkShape(parameter) }
    let passedOver = try passedOver(parameters, spec)
    for parameter in parameters {
      guard let memory = try destination(parameter) else { continue }
      precondition(
        memory.count == parameter.elements,
        "\(parameter.name) has \(parameter.elements) elements, its memory \(memory.count)")
      try copy(parameter.name, into: memory)
    }
    return passedOver
  }

  private func checkPresent(_ parameters: [ParameterSpec]) throws(CheckpointError) {
    let missing = parameters.map(\.name).filter { !contains($0) }
    guard let first = missing.first else { return }
    throw CheckpointError(
      .badData, file: path, tensor: first,
      message: "missing" + HuggingFaceDirectory.others("so are", missing.dropFirst())
        + "; \(parameters.count) tensors are needed and \(names.count) are there")
  }

  private func checkShape(_ parameter: ParameterSpec) throws(CheckpointError) {
    let file = try file(of: parameter.name)
    let found = try file.info(parameter.name)
    try file.requireFloats(found)
    guard found.shape == parameter.shape else {
      throw CheckpointError(
        .badData, file: file.source, tensor: parameter.name,
        message: "shape \(found.shape) where config.json makes it \(parameter.shape)")
    }
  }

  /// Tensors of the directory that the model does not have, when all of them may be ignored.
  private func passedOver(
    _ parameters: [ParameterSpec], _ spec: ModelSpec
  ) throws(CheckpointError) -> [String] {
    let wanted = Set(parameters.map(\.name))
    let extra = names.filter { !wanted.contains($0) }
    for copy in spec.repeatedParameters() where contains(copy.name) { try checkShape(copy) }
    let copies = Set(spec.repeatedParameters().map(\.name))
    let unknown = extra.filter { name in
      !copies.contains(name) && !name.hasSuffix(".rotary_emb.inv_freq")
        && !HuggingFaceDirectory.isBeyond(spec, name)
    }
    guard let first = unknown.first else { return extra }
    throw CheckpointError(
      .badData, file: shard(of: first)?.source ?? path, tensor: first,
      message: "is no part of the model that config.json describes"
        + HuggingFaceDirectory.others("nor are", unknown.dropFirst()))
  }

  /// Whether the tensor is of an MTP block beyond the model's depth.
  private static func isBeyond(_ spec: ModelSpec, _ name: String) -> Bool {
    let prefix = "model.layers."
    guard name.hasPrefix(prefix),
      let layer = Int(name.dropFirst(prefix.count).prefix { $0 != "." })
    else { return false }
    return layer >= spec.layers + spec.mtpDepth
  }

  /// "; so are 'a', 'b' and 3 more" for the rest of a list; empty for none.
  private static func others(_ lead: String, _ names: ArraySlice<String>) -> String {
    guard !names.isEmpty else { return "" }
    let shown = names.prefix(4).map { "'\($0)'" }.joined(separator: ", ")
    return "; \(lead) \(shown)" + (names.count > 4 ? " and \(names.count - 4) more" : "")
  }
}
