// XXH3-64 of a file's bytes: damage is found at the speed of the disk. libxxhash computes it.

internal import CXXHash
internal import Glibc
package import Model

/// Takes bytes in their order, in pieces of any size.
package final class FileChecksum {
  private let state: OpaquePointer
  /// Bytes so far.
  package private(set) var bytes = 0

  package init() {
    guard let state = XXH3_createState() else {
      preconditionFailure("there is no memory for the state of a checksum")
    }
    self.state = state
    XXH3_64bits_reset(state)
  }

  deinit { XXH3_freeState(state) }

  package func add(_ piece: UnsafeRawBufferPointer) {
    bytes += piece.count
    if !piece.isEmpty { XXH3_64bits_update(state, piece.baseAddress, piece.count) }
  }

  /// Of all bytes so far, 16 hexadecimal digits.
  package var digits: String {
    let text = String(XXH3_64bits_digest(state), radix: 16)
    return String(repeating: "0", count: 16 - text.count) + text
  }

  package static func digits(of bytes: [UInt8]) -> String {
    let checksum = FileChecksum()
    bytes.withUnsafeBytes { checksum.add($0) }
    return checksum.digits
  }

  /// Reads the file at `path` to its end.
  /// - Throws: `CheckpointError` when there is none or it can't be read.
  package init(ofFile path: String) throws(CheckpointError) {
    guard let state = XXH3_createState() else {
      preconditionFailure("there is no memory for the state of a checksum")
    }
    self.state = state
    XXH3_64bits_reset(state)
    func failure(_ action: String) -> CheckpointError {
      let code = errno
      let isMissing = code == ENOENT || code == ENOTDIR
      let reason = String(cString: strerror(code))
      return CheckpointError(
        isMissing ? .missingFile : .inputOutput, file: path,
        message: isMissing ? "no such file" : "cannot \(action): \(reason)")
    }
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw failure("open") }
    defer { close(file) }
    let chunk = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
    defer { chunk.deallocate() }
    while true {
      let count = read(file, chunk.baseAddress, chunk.count)
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw failure("read") }
      if count == 0 { return }
      add(UnsafeRawBufferPointer(rebasing: chunk[..<count]))
    }
  }
}
