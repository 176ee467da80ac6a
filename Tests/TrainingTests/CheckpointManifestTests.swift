// The manifest finds every damage: files of a checkpoint cut, changed, lost, and itself.

import Checkpoints
import Glibc
import Model
import Testing
import Training

struct CheckpointManifestTests {
  private let files = TestDirectory()

  /// A checkpoint of two files.
  private func written() throws -> CheckpointManifest {
    var parts: [CheckpointManifest.File] = []
    for (name, bytes) in [
      ("weights", Array("abc".utf8)), ("state.json", [UInt8](repeating: 7, count: 2_000_000)),
    ] {
      parts.append(try CheckpointManifest.write(bytes, to: files.path, name: name))
    }
    try CheckpointManifest(step: 5, files: [parts[0]]).writePart(to: files.path, rank: 0)
    try CheckpointManifest(step: 5, files: [parts[1]]).writePart(to: files.path, rank: 1)
    return try CheckpointManifest.join(partsOf: 2, in: files.path)
  }

  @Test func wholeCheckpointIsWhole() throws {
    let manifest = try written()
    #expect(manifest.files.map(\.name) == ["state.json", "weights"])
    #expect(manifest.bytes == 2_000_003 && manifest.step == 5)
    // Of the xxHash project's own tool: `printf abc | xxhsum -H3`.
    #expect(manifest.files[1].checksum == "78af5f94892f3950")
    #expect(try CheckpointManifest(directory: files.path) == manifest)
    #expect(CheckpointManifest.damage(in: files.path) == nil)
    #expect(access(files(".part-0.json"), F_OK) != 0)
  }

  @Test func everyDamageIsNamed() throws {
    _ = try written()
    func expect(_ code: Int32, _ parts: String..., part: Int = 0, of: Int = 1) throws {
      let damage = try #require(CheckpointManifest.damage(in: files.path, part: part, of: of))
      #expect(damage.exitCode == code)
      for part in parts { #expect(damage.description.contains(part), "\(damage)") }
    }
    files.write("weights", "abd")
    try expect(65, "/weights: damaged", "3 bytes")
    // Each of two ranks looks at one file.
    #expect(CheckpointManifest.damage(in: files.path, part: 0, of: 2) == nil)
    try expect(65, "/weights", part: 1, of: 2)
    files.write("weights", "ab")
    try expect(65, "/weights: 2 bytes where 3 were written: truncated")
    files.write("weights", "abcd")
    try expect(65, "too many")
    unlink(files("weights"))
    try expect(66, "/weights: no such file")
    files.write("weights", "abc")
    #expect(CheckpointManifest.damage(in: files.path) == nil)

    let json = try text(of: files("manifest.json"))
    files.write("manifest.json", json.replacing("2000000", with: "2000001"))
    try expect(65, "manifest.json: damaged")
    files.write("manifest.json", json.replacing("weights", with: "../weights"))
    try expect(65, "manifest.json: damaged")
    files.write("manifest.json", String(json.dropLast(9)))
    try expect(65, "manifest.json: ")
    files.write("manifest.json", json.replacing("\"format\" : 1", with: "\"format\" : 3"))
    try expect(65, "format 3")
    unlink(files("manifest.json"))
    try expect(66, "manifest.json: cannot be read")
  }

  /// Any bit of any file.
  @Test func oneFlippedBitIsFound() throws {
    let manifest = try written()
    var generator = SeededGenerator(seed: 3)
    for file in manifest.files {
      let whole = try readAll(file.name)
      for _ in 0..<5 {
        var bytes = whole
        bytes[generator.next(below: bytes.count)] ^= UInt8(1 << generator.next(below: 8))
        files.write(file.name, bytes)
        #expect(CheckpointManifest.damage(in: files.path)?.file == files(file.name))
      }
      files.write(file.name, whole)
    }
    let text = try readAll("manifest.json")
    for _ in 0..<40 {
      var bytes = text
      bytes[generator.next(below: bytes.count)] ^= UInt8(1 << generator.next(below: 8))
      files.write("manifest.json", bytes)
      // Blanks may become other blanks; what is said may not change.
      let damage = CheckpointManifest.damage(in: files.path)
      #expect(try damage != nil || CheckpointManifest(directory: files.path) == manifest)
    }
  }

  private func readAll(_ name: String) throws -> [UInt8] {
    Array(try text(of: files(name)).utf8)
  }
}
