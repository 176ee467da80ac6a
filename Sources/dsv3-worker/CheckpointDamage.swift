// Damage to the newest checkpoint, as a failing disk does it: a bit of one of its files is another,
// or a file ends too early.

import Checkpoints
import Glibc
import RunFiles
import Training

struct CheckpointDamage: CustomStringConvertible {
  private let path: String
  private let offset: Int
  /// Of the byte at `offset`; nil ends the file there.
  private let bit: Int?

  /// Chooses what to damage; nil where there is no whole checkpoint, or one is being written.
  init?(_ directory: RunDirectory, _ random: inout SeededGenerator) {
    let folder = CheckpointFolder(path: directory.checkpoints)
    guard let newest = try? folder.newest(),
      !RunFolder.names(in: folder.path).contains(where: { $0.hasPrefix(".step-") })
    else { return nil }
    let files = RunFolder.names(in: newest).map { "\(newest)/\($0)" }.filter { Self.size($0) > 0 }
    guard !files.isEmpty else { return nil }
    path = files[random.next(below: files.count)]
    offset = random.next(below: Self.size(path))
    bit = random.next(below: 2) == 0 ? random.next(below: 8) : nil
  }

  /// Bytes of a regular file; 0 of anything else.
  private static func size(_ path: String) -> Int {
    var status = stat()
    guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return 0 }
    return Int(status.st_size)
  }

  var description: String {
    guard let bit else { return "\(path) ends after \(offset) bytes" }
    return "bit \(bit) of byte \(offset) of \(path) flips"
  }

  func perform() throws(RunFileError) {
    guard let bit else {
      guard truncate(path, off_t(offset)) == 0 else { throw RunFileError("cut", path) }
      return
    }
    let file = open(path, O_RDWR | O_CLOEXEC)
    guard file >= 0 else { throw RunFileError("write", path) }
    defer { close(file) }
    var byte: UInt8 = 0
    guard pread(file, &byte, 1, off_t(offset)) == 1 else { throw RunFileError("read", path) }
    byte ^= 1 << UInt8(bit)
    guard pwrite(file, &byte, 1, off_t(offset)) == 1 else { throw RunFileError("write", path) }
  }
}
