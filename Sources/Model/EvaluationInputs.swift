// The tokens that an evaluation is given, checked against the model before anything is computed.

package import ModelSpec

/// `input_ids` and `labels` of a file of inputs.
package struct EvaluationInputs {
  /// All sequences as one micro-batch.
  package let microBatch: MicroBatch

  /// Reads and checks the tensors as `Evaluation` describes them.
  ///
  /// Throws `CheckpointError` naming the file, the tensor, what was found and what is needed.
  package init(_ file: SafeTensors, spec: ModelSpec) throws(CheckpointError) {
    let ids = "input_ids"
    let shape = try file.info(ids).shape
    guard shape.count == 2, shape[0] >= 1 else {
      throw Self.error(
        file, ids, "shape \(shape) where [batch, seq] with a batch of at least 1 is needed")
    }
    let least = 2 + spec.mtpDepth
    guard shape[1] >= least else {
      let modules = spec.mtpDepth == 0 ? "" : " and \(spec.mtpDepth) MTP modules"
      throw Self.error(
        file, ids,
        "sequences of \(shape[1]) tokens are too short: at least \(least) are needed, for the "
          + "main model\(modules) to have something to predict")
    }
    let tokens = try Self.integers(
      file, ids, shape, 0..<spec.vocabularySize, "a token of the vocabulary")
    var labels: [Int32]?
    if file.contains("labels") {
      let found = try file.info("labels").shape
      guard found == shape else {
        throw Self.error(
          file, "labels", "shape \(found) where \(shape), that of \(ids), is needed")
      }
      labels = try Self.integers(
        file, "labels", shape, .min..<spec.vocabularySize,
        "a token of the vocabulary or, to be ignored, negative")
    }
    microBatch = MicroBatch(
      sequences: shape[0], length: shape[1], tokens: tokens, labels: labels)
    guard microBatch.targets(ahead: 1, positions: shape[1]).contains(where: { $0 >= 0 }) else {
      throw Self.error(
        file, "labels",
        "all are negative, which means ignored, after the first of each sequence; "
          + "the loss is a mean over those that are not")
    }
  }

  private static func integers(
    _ file: SafeTensors, _ name: String, _ shape: [Int], _ range: Range<Int>, _ what: String
  ) throws(CheckpointError) -> [Int32] {
    let values = try file.integers(name)
    if let place = values.firstIndex(where: { !range.contains($0) }) {
      throw error(
        file, name,
        "\(values[place]) at [\(place / shape[1]), \(place % shape[1])] is not \(what), "
          + "which has tokens 0 to \(range.upperBound - 1)")
    }
    return values.map { Int32(clamping: $0) }
  }

  private static func error(
    _ file: SafeTensors, _ tensor: String, _ message: String
  ) -> CheckpointError {
    CheckpointError(.badData, file: file.source, tensor: tensor, message: message)
  }
}
