// Reads a small file whole. Weights do not come this way; they are mapped by the room Model.

internal import Glibc

/// The bytes of the file at `path`.
///
/// Throws `ModelSpecError` with `.missingFile` when there is none, `.unreadable` when it cannot be
/// read or is larger than `limit` bytes.
package func readSmallFile(
  _ path: String, limit: Int = 256 << 20
) throws(ModelSpecError) -> [UInt8] {
  let descriptor = open(path, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else {
    let code = errno
    let missing = code == ENOENT || code == ENOTDIR
    throw ModelSpecError(
      missing ? .missingFile : .unreadable, source: path,
      message: missing ? "no such file" : "cannot be opened: \(String(cString: strerror(code)))")
  }
  defer { close(descriptor) }
  var bytes: [UInt8] = []
  var chunk = [UInt8](repeating: 0, count: 1 << 16)
  while true {
    let count = chunk.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
    if count == 0 { return bytes }
    if count < 0 {
      let code = errno
      if code == EINTR { continue }
      throw ModelSpecError(
        .unreadable, source: path,
        message: "cannot be read: \(String(cString: strerror(code)))")
    }
    bytes.append(contentsOf: chunk[..<count])
    guard bytes.count <= limit else {
      throw ModelSpecError(
        .unreadable, source: path, message: "larger than \(limit) bytes, too large to be right")
    }
  }
}
