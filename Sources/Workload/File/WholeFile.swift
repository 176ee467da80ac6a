// Writes a small file whole or not at all: under a provisional name beside its place, which it
// takes when everything is on the disk. A device or a pipe is written to as it is.

internal import Glibc

/// Puts `bytes` at `path`. Throws `WorkloadError` of `.unwritable`; what stood there before is then
/// untouched, and nothing is left behind.
func writeWholeFile(_ bytes: [UInt8], to path: String) throws(WorkloadError) {
  var status = stat()
  let isSpecial =
    stat(path, &status) == 0 && ![S_IFREG, S_IFDIR].contains(status.st_mode & S_IFMT)
  let provisional = isSpecial ? path : "\(path).partial-\(getpid())"
  let descriptor = open(provisional, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
  var failure = descriptor < 0 ? errno : 0
  if descriptor >= 0 {
    failure = writeAll(bytes, to: descriptor)
    // Behind a rename the name is on the disk sooner than the bytes, unless they were sent ahead.
    if failure == 0, !isSpecial, fsync(descriptor) != 0 { failure = errno }
    if close(descriptor) != 0, failure == 0 { failure = errno }
  }
  if failure == 0, !isSpecial, rename(provisional, path) != 0 { failure = errno }
  guard failure != 0 else { return }
  if descriptor >= 0, !isSpecial { unlink(provisional) }
  throw WorkloadError(
    .unwritable, source: path, message: "cannot be written: \(String(cString: strerror(failure)))")
}

/// 0, or the error's number.
private func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Int32 {
  bytes.withUnsafeBytes { buffer in
    var done = 0
    while done < buffer.count {
      let count = write(
        descriptor, UnsafeRawBufferPointer(rebasing: buffer[done...]).baseAddress,
        buffer.count - done)
      if count >= 0 {
        done += count
      } else if errno != EINTR {
        return errno
      }
    }
    return 0
  }
}
