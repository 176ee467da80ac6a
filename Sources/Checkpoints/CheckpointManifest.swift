// manifest.json of a checkpoint: which files it has, how large each is, and its checksum. A
// checkpoint is whole when they are there as they were written, so a torn or damaged one is found
// before anything is taken from it.

internal import Glibc
package import JSON
package import Model
package import RunFiles

package struct CheckpointManifest: Equatable, Sendable {
  package struct File: Equatable, Sendable {
    package var name: String
    package var bytes: Int
    /// XXH3-64 in 16 hexadecimal digits.
    package var checksum: String

    package init(name: String, bytes: Int, checksum: String) {
      self.name = name
      self.bytes = bytes
      self.checksum = checksum
    }
  }

  package static let file = "manifest.json"
  static let format = 1

  /// Steps done.
  package var step: Int
  /// All files but the manifest, by name.
  package var files: [File]

  package init(step: Int, files: [File]) {
    self.step = step
    self.files = files.sorted { $0.name < $1.name }
  }

  package var bytes: Int { files.reduce(0) { $0 + $1.bytes } }

  /// Of what the manifest says, whatever way its JSON is laid out.
  private var checksum: String {
    let lines = ["\(Self.format) \(step)"] + files.map { "\($0.checksum) \($0.bytes) \($0.name)" }
    return FileChecksum.digits(of: Array(lines.joined(separator: "\n").utf8))
  }

  package var json: JSONValue {
    .object([
      "format": .integer(Self.format), "step": .integer(step),
      "files": .object(
        Dictionary(
          uniqueKeysWithValues: files.map { file in
            (
              file.name,
              .object(["bytes": .integer(file.bytes), "xxh3": .string(file.checksum)])
            )
          })),
      "checksum": .string(checksum),
    ])
  }

  private struct Stored: Decodable {
    struct Entry: Decodable {
      var bytes: Int
      var xxh3: String
    }
    var format: Int
    var step: Int
    var files: [String: Entry]
    var checksum: String
  }

  /// Reads the manifest of the checkpoint in `directory`.
  /// - Throws: `CheckpointError` when it is missing, no JSON, of another format, or not as it was
  ///   written.
  package init(
    directory: String, file name: String = CheckpointManifest.file
  ) throws(CheckpointError) {
    let path = "\(directory)/\(name)"
    let stored: Stored
    do {
      stored = try JSONValue.decode(Stored.self, from: RunFile.contents(of: path))
    } catch let error as JSONValue.Malformed {
      throw CheckpointError(.badData, file: path, message: error.reason)
    } catch {
      throw CheckpointError(.missingFile, file: path, message: "cannot be read: \(error)")
    }
    guard stored.format == Self.format else {
      throw CheckpointError(
        .badData, file: path,
        message: "format \(stored.format) where this program reads \(Self.format)")
    }
    self.init(
      step: stored.step,
      files: stored.files.map { File(name: $0, bytes: $1.bytes, checksum: $1.xxh3) })
    guard checksum == stored.checksum else {
      throw CheckpointError(
        .badData, file: path,
        message: "damaged: its checksum is \(checksum), that of what was written is "
          + "\(stored.checksum)")
    }
    if let outside = files.first(where: { $0.name.contains("/") || $0.name.hasPrefix(".") }) {
      throw CheckpointError(
        .badData, file: path, message: "'\(outside.name)' is no file of a checkpoint")
    }
  }

  /// Compares a file with what is in `directory`.
  /// - Throws: `CheckpointError` when it is missing, of another size, or its bytes are others.
  package func verify(_ file: File, in directory: String) throws(CheckpointError) {
    let path = "\(directory)/\(file.name)"
    let found = try FileChecksum(ofFile: path)
    guard found.bytes == file.bytes else {
      throw CheckpointError(
        .badData, file: path,
        message: "\(found.bytes) bytes where \(file.bytes) were written: "
          + (found.bytes < file.bytes ? "truncated" : "too many"))
    }
    guard found.digits == file.checksum else {
      throw CheckpointError(
        .badData, file: path,
        message: "damaged: the checksum of its \(file.bytes) bytes is \(found.digits), that of "
          + "those written is \(file.checksum)")
    }
  }

  /// The first damage of a checkpoint, or of the share of it that one of several ranks looks at;
  /// nil when there is none.
  package static func damage(
    in directory: String, part: Int = 0, of parts: Int = 1
  ) -> CheckpointError? {
    do throws(CheckpointError) {
      let manifest = try CheckpointManifest(directory: directory)
      for (number, file) in manifest.files.enumerated() where number % parts == part {
        try manifest.verify(file, in: directory)
      }
      return nil
    } catch {
      return error
    }
  }
}

// MARK: - Writing

extension CheckpointManifest {
  /// Writes a small file, onto the disk, and returns what the manifest says of it.
  package static func write(
    _ bytes: [UInt8], to directory: String, name: String
  ) throws(RunFileError) -> File {
    try RunFile.replace("\(directory)/\(name)", with: bytes)
    return File(name: name, bytes: bytes.count, checksum: FileChecksum.digits(of: bytes))
  }

  /// Each rank's part of a manifest stands in a file of its own until all have written.
  private static func partFile(rank: Int) -> String { ".part-\(rank).json" }

  /// Notes the files that `rank` has written.
  package func writePart(to directory: String, rank: Int) throws(RunFileError) {
    try RunFile.replace("\(directory)/\(Self.partFile(rank: rank))", with: json.text())
  }

  /// Makes the manifest of the parts of all ranks, and removes them.
  package static func join(
    partsOf ranks: Int, in directory: String
  ) throws -> CheckpointManifest {
    var parts: [CheckpointManifest] = []
    for rank in 0..<ranks {
      parts.append(
        try CheckpointManifest(directory: directory, file: partFile(rank: rank)))
    }
    let step = parts[0].step
    precondition(parts.allSatisfy { $0.step == step }, "parts of one checkpoint have one step")
    let manifest = CheckpointManifest(step: step, files: parts.flatMap(\.files))
    try RunFile.replace("\(directory)/\(file)", with: manifest.json.text())
    for rank in 0..<ranks {
      let path = "\(directory)/\(partFile(rank: rank))"
      guard unlink(path) == 0 else { throw RunFileError("remove", path) }
    }
    return manifest
  }
}
