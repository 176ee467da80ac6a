// Whole files of a run: read, or replaced so that a reader sees the old one or the new one.

internal import CSystem
internal import Glibc

package enum RunFile {
  /// The bytes of a file.
  package static func contents(of path: String) throws(RunFileError) -> [UInt8] {
    guard let file = fopen(path, "re") else { throw RunFileError("read", path) }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while case let count = fread(&chunk, 1, chunk.count, file), count > 0 {
      bytes += chunk[..<count]
    }
    guard ferror(file) == 0 else { throw RunFileError("read", path) }
    return bytes
  }

  /// Writes a file so that it is there whole or as before, also after a crash of the machine; not
  /// after that, but without the wait for the disk, when `isDurable` is false.
  package static func replace(
    _ path: String, with bytes: [UInt8], isDurable: Bool = true
  ) throws(RunFileError) {
    let partial = "\(path).\(getpid()).partial"
    let file = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
    guard file >= 0 else { throw RunFileError("write", path) }
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes {
        write(file, $0.baseAddress.map { $0 + done }, $0.count - done)
      }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { break }
      done += count
    }
    let isWritten = done == bytes.count && (!isDurable || fsync(file) == 0)
    let failure = RunFileError("write", path)
    guard close(file) == 0, isWritten else {
      unlink(partial)
      throw failure
    }
    guard rename(partial, path) == 0 else { throw RunFileError("write", path) }
  }

  /// Seconds since 1970.
  package static var now: Double {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
}
