// A model directory as Hugging Face has it: config.json beside one safetensors file, or several
// with an index that says which tensor is in which.

internal import Glibc
internal import JSON
package import ModelSpec

/// An open model directory. Opening reads the headers of all its files; tensors are read when
/// they are asked for.
package struct HuggingFaceDirectory {
  package let path: String
  /// The model that config.json describes.
  package let spec: ModelSpec
  /// The files of weights.
  package let shards: [SafeTensors]

  private let shardOfTensor: [String: Int]

  static let config = "config.json"
  static let weights = "model.safetensors"
  static let index = "model.safetensors.index.json"

  /// Opens the directory at `path`.
  ///
  /// The weights are those of `model.safetensors`, else of the files that
  /// `model.safetensors.index.json` lists, else of all `*.safetensors` in the directory. Throws
  /// `CheckpointError` when directory, config or weights are missing or wrong, a file is
  /// truncated, the index names a tensor that its file lacks, or two files have the same tensor.
  package init(path: String) throws(CheckpointError) {
    var path = path
    while path.count > 1, path.hasSuffix("/") { path.removeLast() }
    let names = try HuggingFaceDirectory.fileNames(in: path)
    let configPath = "\(path)/\(HuggingFaceDirectory.config)"
    do {
      spec = try ModelSpec(configFile: configPath)
    } catch {
      throw CheckpointError(error)
    }
    self.path = path
    if names.contains(HuggingFaceDirectory.weights) {
      let file = try SafeTensors(path: "\(path)/\(HuggingFaceDirectory.weights)")
      shards = [file]
      shardOfTensor = Dictionary(uniqueKeysWithValues: file.names.map { ($0, 0) })
    } else if names.contains(HuggingFaceDirectory.index) {
      (shards, shardOfTensor) = try HuggingFaceDirectory.indexed(path)
    } else {
      (shards, shardOfTensor) = try HuggingFaceDirectory.globbed(path, names)
    }
  }

  /// Names of all tensors, sorted.
  package var names: [String] { shardOfTensor.keys.sorted() }

  /// The file that has the tensor, nil when none has.
  package func shard(of name: String) -> SafeTensors? { shardOfTensor[name].map { shards[$0] } }

  package func contains(_ name: String) -> Bool { shardOfTensor[name] != nil }

  /// Type and shape of a tensor; throws `CheckpointError` when the directory has none such.
  package func info(_ name: String) throws(CheckpointError) -> SafeTensors.Info {
    try file(of: name).info(name)
  }

  /// The tensor's elements as Float, as `SafeTensors.floats(_:)`.
  package func floats(_ name: String) throws(CheckpointError) -> [Float] {
    try file(of: name).floats(name)
  }

  /// Writes the tensor's elements to `destination`, as `SafeTensors.copy(_:into:)`.
  package func copy(
    _ name: String, into destination: UnsafeMutableBufferPointer<Float>
  ) throws(CheckpointError) {
    try file(of: name).copy(name, into: destination)
  }

  func file(of name: String) throws(CheckpointError) -> SafeTensors {
    guard let shard = shardOfTensor[name] else {
      throw CheckpointError(
        .badData, file: path, tensor: name,
        message: "missing; the directory has \(shardOfTensor.count) other tensors")
    }
    return shards[shard]
  }
}

extension CheckpointError {
  /// The same complaint from the reading of config.json.
  init(_ error: ModelSpecError) {
    let problem: Problem =
      switch error.problem {
      case .missingFile: .missingFile
      case .unreadable: .inputOutput
      case .badData, .badRequest: .badData
      }
    let key = error.key.map { "\($0): " } ?? ""
    self.init(problem, file: error.source, message: key + error.message)
  }
}

// MARK: - Finding the files

extension HuggingFaceDirectory {
  /// Names of the directory's entries, sorted.
  package static func fileNames(in path: String) throws(CheckpointError) -> [String] {
    guard let directory = opendir(path) else {
      let code = errno
      if code == ENOENT {
        throw CheckpointError(.missingFile, file: path, message: "no such directory")
      }
      if code == ENOTDIR {
        throw CheckpointError(
          .missingFile, file: path,
          message: "not a directory; a model directory has config.json and *.safetensors")
      }
      throw .system("open", path, code: code)
    }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      names.append(
        withUnsafePointer(to: &entry.pointee.d_name) { name in
          name.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        })
    }
    return names.sorted()
  }

  /// The files that the index lists, and the file of each tensor.
  private static func indexed(
    _ path: String
  ) throws(CheckpointError) -> ([SafeTensors], [String: Int]) {
    let indexPath = "\(path)/\(index)"
    let map = try weightMap(indexPath)
    let fileNames = Set(map.values).sorted()
    var shards: [SafeTensors] = []
    for name in fileNames {
      guard !name.contains("/"), !name.isEmpty else {
        throw CheckpointError(
          .badData, file: indexPath,
          message: "weight_map: \"\(name)\" must be the name of a file in the same directory")
      }
      do throws(CheckpointError) {
        shards.append(try SafeTensors(path: "\(path)/\(name)"))
      } catch {
        guard error.problem == .missingFile else { throw error }
        throw CheckpointError(
          .missingFile, file: error.file, message: "no such file, though \(index) lists it")
      }
    }
    let numbers = Dictionary(uniqueKeysWithValues: fileNames.enumerated().map { ($1, $0) })
    let shardOfTensor = map.compactMapValues { numbers[$0] }
    for (name, shard) in shardOfTensor.sorted(by: { $0.key < $1.key })
    where !shards[shard].contains(name) {
      throw CheckpointError(
        .badData, file: shards[shard].source, tensor: name,
        message: "missing, though \(index) says it is in this file")
    }
    return (shards, shardOfTensor)
  }

  private static func weightMap(_ path: String) throws(CheckpointError) -> [String: String] {
    struct Index: Decodable {
      var weightMap: [String: String]
      enum CodingKeys: String, CodingKey { case weightMap = "weight_map" }
    }
    let bytes: [UInt8]
    do {
      bytes = try readSmallFile(path)
    } catch {
      throw CheckpointError(error)
    }
    do {
      return try JSONValue.decode(Index.self, from: bytes).weightMap
    } catch {
      throw CheckpointError(.badData, file: path, message: error.reason)
    }
  }

  /// All safetensors files of the directory.
  private static func globbed(
    _ path: String, _ names: [String]
  ) throws(CheckpointError) -> ([SafeTensors], [String: Int]) {
    var shards: [SafeTensors] = []
    var shardOfTensor: [String: Int] = [:]
    for name in names where name.hasSuffix(".safetensors") {
      let file = try SafeTensors(path: "\(path)/\(name)")
      for tensor in file.names {
        if let other = shardOfTensor[tensor] {
          throw CheckpointError(
            .badData, file: file.source, tensor: tensor,
            message: "is also in \(shards[other].source); with no \(index) each tensor must be in "
              + "one file")
        }
        shardOfTensor[tensor] = shards.count
      }
      shards.append(file)
    }
    guard !shards.isEmpty else {
      throw CheckpointError(
        .missingFile, file: path,
        message: "no weights: there is neither \(weights) nor \(index) nor any *.safetensors")
    }
    return (shards, shardOfTensor)
  }
}
