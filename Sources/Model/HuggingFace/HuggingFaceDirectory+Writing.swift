// Writes a model directory that Hugging Face's tools load, in one file or several.

internal import Glibc
internal import JSON
package import ModelSpec

extension HuggingFaceDirectory {
  /// Writes config.json and the weights to the directory at `path`, which is created when it is
  /// not there (with the directories above it).
  ///
  /// When the tensors take more than `maxShardBytes`, they are divided in the order of
  /// `ModelSpec.parameters()` over files of at most that size (a larger tensor has a file of its
  /// own) with `model.safetensors.index.json` beside them. Files of weights from an earlier write
  /// are removed. Throws `CheckpointError` when `tensors` are not exactly the parameters of
  /// `spec`, or a file cannot be written.
  package static func write(
    spec: ModelSpec, tensors: [SafeTensors.Tensor], to path: String,
    maxShardBytes: Int = 5_000_000_000, spelling: ConfigSpelling = .released,
    dtype: String = "float32"
  ) throws(CheckpointError) {
    let ordered = try inOrder(tensors, of: spec, path)
    try createDirectory(path)
    let shards = divided(ordered, maxShardBytes: maxShardBytes)
    let names = fileNames(shards.count)
    for (name, shard) in zip(names, shards) {
      try SafeTensors.write(shard, to: "\(path)/\(name)")
    }
    if shards.count > 1 {
      let file = try FileWriter(path: "\(path)/\(index)")
      try file.write(indexJSON(shards, names))
      try file.finish()
    }
    let file = try FileWriter(path: "\(path)/\(config)")
    try file.write(spec.configJSON(spelling: spelling, dtype: dtype))
    try file.finish()
    try removeOlder(in: path, keeping: Set(names + (shards.count > 1 ? [index] : [])))
  }

  /// The tensors in the order of the spec's parameters.
  private static func inOrder(
    _ tensors: [SafeTensors.Tensor], of spec: ModelSpec, _ path: String
  ) throws(CheckpointError) -> [SafeTensors.Tensor] {
    var named: [String: SafeTensors.Tensor] = [:]
    for tensor in tensors {
      guard named.updateValue(tensor, forKey: tensor.name) == nil else {
        throw CheckpointError(
          .badData, file: path, tensor: tensor.name, message: "given twice")
      }
    }
    var ordered: [SafeTensors.Tensor] = []
    for parameter in spec.parameters() {
      guard let tensor = named.removeValue(forKey: parameter.name) else {
        throw CheckpointError(
          .badData, file: path, tensor: parameter.name, message: "not given, and the model has it")
      }
      guard tensor.shape == parameter.shape else {
        throw CheckpointError(
          .badData, file: path, tensor: tensor.name,
          message: "given in shape \(tensor.shape) where the model has \(parameter.shape)")
      }
      ordered.append(tensor)
    }
    if let extra = named.keys.min() {
      throw CheckpointError(
        .badData, file: path, tensor: extra, message: "given, and the model has none such")
    }
    return ordered
  }

  private static func divided(
    _ tensors: [SafeTensors.Tensor], maxShardBytes: Int
  ) -> [[SafeTensors.Tensor]] {
    var shards: [[SafeTensors.Tensor]] = []
    var room = 0
    for tensor in tensors {
      if shards.isEmpty || tensor.byteCount > room {
        shards.append([])
        room = maxShardBytes
      }
      shards[shards.count - 1].append(tensor)
      room -= tensor.byteCount
    }
    return shards
  }

  private static func fileNames(_ shards: Int) -> [String] {
    if shards == 1 { return [weights] }
    func digits(_ number: Int) -> String {
      let digits = String(number)
      return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
    }
    return (1...shards).map { "model-\(digits($0))-of-\(digits(shards)).safetensors" }
  }

  private static func indexJSON(
    _ shards: [[SafeTensors.Tensor]], _ names: [String]
  ) -> [UInt8] {
    var map: [String: JSONValue] = [:]
    for (name, shard) in zip(names, shards) {
      for tensor in shard { map[tensor.name] = .string(name) }
    }
    let total = shards.joined().reduce(0) { $0 + $1.byteCount }
    return JSONValue.object([
      "metadata": .object(["total_size": .integer(total)]),
      "weight_map": .object(map),
    ]).text()
  }

  /// Creates the directory and those above it.
  private static func createDirectory(_ path: String) throws(CheckpointError) {
    var reached = path.hasPrefix("/") ? "/" : ""
    for part in path.split(separator: "/") {
      reached += reached.isEmpty || reached.hasSuffix("/") ? "\(part)" : "/\(part)"
      guard mkdir(reached, 0o755) != 0 else { continue }
      let code = errno
      guard code == EEXIST || code == EISDIR else {
        throw .system("create the directory", reached, code: code)
      }
    }
  }

  /// Removes weights that an earlier write left and this one did not replace: a reader would take
  /// them for the model's.
  private static func removeOlder(
    in path: String, keeping kept: Set<String>
  ) throws(CheckpointError) {
    for name in try fileNames(in: path) where !kept.contains(name) {
      let isShard = name.hasPrefix("model-") && name.hasSuffix(".safetensors")
      guard name == weights || name == index || isShard else { continue }
      guard unlink("\(path)/\(name)") == 0 else {
        throw .system("remove", "\(path)/\(name)", code: errno)
      }
    }
  }
}
