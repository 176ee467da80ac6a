// A file that is written under a provisional name and takes its own when it is whole. What is no
// file, /dev/null say, is written to as it is: a rename would put a file in its place.

internal import Glibc

/// Writes one file from start to end. Dropped before `finish()`, it leaves nothing behind.
final class FileWriter {
  private let path: String
  /// The provisional name; `path` itself where that is no file.
  private let partial: String
  private var descriptor: Int32

  private let isDurable: Bool
  private let observe: (UnsafeRawBufferPointer) -> Void

  /// Creates `path` + ".partial", replacing one that an interrupted write has left; opens `path`
  /// if it is a device or a pipe.
  /// - Parameters:
  ///   - isDurable: the file's bytes are on the disk when `finish()` returns.
  ///   - observe: sees all bytes in their order, as they are handed to the system.
  init(
    path: String, isDurable: Bool = false,
    observe: @escaping (UnsafeRawBufferPointer) -> Void = { _ in }
  ) throws(CheckpointError) {
    self.path = path
    self.isDurable = isDurable
    self.observe = observe
    var status = stat()
    let isSpecial =
      stat(path, &status) == 0 && ![S_IFREG, S_IFDIR].contains(status.st_mode & S_IFMT)
    partial = isSpecial ? path : path + ".partial"
    descriptor = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw .system("create", partial, code: errno) }
  }

  deinit {
    guard descriptor >= 0 else { return }
    close(descriptor)
    removePartial()
  }

  func write(_ bytes: [UInt8]) throws(CheckpointError) {
    var failure: CheckpointError?
    bytes.withUnsafeBytes { bytes in
      do throws(CheckpointError) { try write(bytes) } catch { failure = error }
    }
    if let failure { throw failure }
  }

  func write(_ bytes: UnsafeRawBufferPointer) throws(CheckpointError) {
    observe(bytes)
    var rest = bytes[...]
    while !rest.isEmpty {
      let chunk = UnsafeRawBufferPointer(rebasing: rest)
      rest = rest.dropFirst(
        try accepted(Glibc.write(descriptor, chunk.baseAddress, chunk.count)))
    }
  }

  /// Closes the file and gives it its name.
  func finish() throws(CheckpointError) {
    let isSynced = !isDurable || fsync(descriptor) == 0
    var code = errno
    let isClosed = close(descriptor) == 0
    if isSynced { code = errno }
    descriptor = -1
    guard isSynced, isClosed else {
      removePartial()
      throw .system("write", partial, code: code)
    }
    guard partial != path else { return }
    guard rename(partial, path) == 0 else {
      let code = errno
      removePartial()
      throw .system("rename", partial, code: code)
    }
  }

  private func removePartial() {
    if partial != path { unlink(partial) }
  }

  /// Bytes that a write call took; none when a signal interrupted it.
  private func accepted(_ count: Int) throws(CheckpointError) -> Int {
    if count >= 0 { return count }
    guard errno == EINTR else { throw .system("write", partial, code: errno) }
    return 0
  }
}
