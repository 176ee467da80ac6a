// Bytes of a file of weights, mapped into memory so that a rank touches only the pages of the
// tensors it holds; or bytes in memory, so that the same checks can be tested without files.

internal import Glibc

/// Read-only bytes that live as long as this object.
final class FileMapping {
  let bytes: UnsafeRawBufferPointer
  private let isMapped: Bool

  /// Maps the regular file at `path`. A file that another process shortens while it is mapped
  /// ends the process with SIGBUS; checkpoints are replaced by renaming, never rewritten.
  init(path: String) throws(CheckpointError) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .system("open", path, code: errno) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .system("examine", path, code: errno) }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw CheckpointError(.inputOutput, file: path, message: "not a regular file")
    }
    isMapped = status.st_size > 0
    guard isMapped else {
      bytes = UnsafeRawBufferPointer(start: nil, count: 0)
      return
    }
    let size = Int(status.st_size)
    let address = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0)
    guard let address, address != MAP_FAILED else { throw .system("map", path, code: errno) }
    bytes = UnsafeRawBufferPointer(start: address, count: size)
  }

  /// Copies `contents`.
  init(contents: [UInt8]) {
    isMapped = false
    let copy = UnsafeMutableRawBufferPointer.allocate(
      byteCount: contents.count, alignment: MemoryLayout<UInt64>.alignment)
    copy.copyBytes(from: contents)
    bytes = UnsafeRawBufferPointer(copy)
  }

  deinit {
    if isMapped {
      munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count)
    } else {
      bytes.deallocate()
    }
  }
}
