// A file that is written under a provisional name and takes its own when it is whole.

internal import Glibc

/// Writes one file from start to end. Dropped before `finish()`, it leaves nothing behind.
final class FileWriter {
  private let path: String
  private let partial: String
  private var descriptor: Int32

  /// Creates `path` + ".partial", replacing one that an interrupted write has left.
  init(path: String) throws(CheckpointError) {
    self.path = path
    partial = path + ".partial"
    descriptor = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw .system("create", partial, code: errno) }
  }

  deinit {
    guard descriptor >= 0 else { return }
    close(descriptor)
    unlink(partial)
  }

  func write(_ bytes: [UInt8]) throws(CheckpointError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      rest = rest.dropFirst(try accepted(count))
    }
  }

  func write(_ bytes: UnsafeRawBufferPointer) throws(CheckpointError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let chunk = UnsafeRawBufferPointer(rebasing: rest)
      rest = rest.dropFirst(
        try accepted(Glibc.write(descriptor, chunk.baseAddress, chunk.count)))
    }
  }

  /// Closes the file and gives it its name.
  func finish() throws(CheckpointError) {
    let closed = close(descriptor)
    let code = errno
    descriptor = -1
    guard closed == 0 else {
      unlink(partial)
      throw .system("write", partial, code: code)
    }
    guard rename(partial, path) == 0 else {
      let code = errno
      unlink(partial)
      throw .system("rename", partial, code: code)
    }
  }

  /// Bytes that a write call took; none when a signal interrupted it.
  private func accepted(_ count: Int) throws(CheckpointError) -> Int {
    if count >= 0 { return count }
    guard errno == EINTR else { throw .system("write", partial, code: errno) }
    return 0
  }
}
