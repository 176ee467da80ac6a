// Which rank writes which weights into which file of a checkpoint: each weight once, by the first
// rank that holds it. A pure function of the placement, so rank 0 can write the index alone.

internal import Checkpoints
internal import JSON
internal import Model
internal import ModelSpec

/// The division of a model's tensors over files, as Hugging Face shards a model.
package struct CheckpointShards {
  /// Names of the tensors that each world rank writes.
  package let tensors: [[String]]
  /// Name of the file of each world rank, nil for one that writes no weights.
  package let files: [String?]
  /// Shape of each tensor as the checkpoint has it ([n] for a norm, not [1, n]).
  package let shapes: [String: [Int]]

  static let index = "model.safetensors.index.json"

  /// Groups the weights of every rank by their first holder.
  package init(_ placement: Placement) {
    let spec = placement.spec
    var tensors = (0..<placement.layout.worldSize).map { rank in
      placement.groups(of: rank).filter { $0.holders.first == rank }
        .flatMap { $0.shapes.map(\.name) }
    }
    for (stage, layers) in placement.stages.enumerated() {
      guard let writer = placement.holders(of: stage).first else { continue }
      tensors[writer] += ModelParameters.blockLayers(spec, stage: layers)
        .filter { spec.hasExperts(layer: $0) }.map(ModelParameters.biasName)
    }
    let writers = tensors.indices.filter { !tensors[$0].isEmpty }
    var files = [String?](repeating: nil, count: tensors.count)
    for (number, rank) in writers.enumerated() {
      let parts = [number + 1, writers.count].map { ShardFiles.digits($0) }
      files[rank] = "model-\(parts[0])-of-\(parts[1]).safetensors"
    }
    self.tensors = tensors
    self.files = files
    shapes = Dictionary(uniqueKeysWithValues: spec.parameters().map { ($0.name, $0.shape) })
  }

  /// `model.safetensors.index.json`.
  package var indexJSON: [UInt8] {
    var map: [String: JSONValue] = [:]
    var bytes = 0
    for (names, file) in zip(tensors, files) {
      guard let file else { continue }
      for name in names {
        map[name] = .string(file)
        bytes += 4 * (shapes[name] ?? []).reduce(1, *)
      }
    }
    return JSONValue.object([
      "metadata": .object(["total_size": .integer(bytes)]), "weight_map": .object(map),
    ]).text()
  }
}
