// A directory of small files that a test makes and that vanishes with the test.
import Glibc

/// Paths are relative to the directory. Traps on failure: a test without its files means nothing.
final class TestDirectory {
  let path: String

  init() {
    var template = Array("/tmp/dsv3-data-XXXXXX".utf8CString)
    path = template.withUnsafeMutableBufferPointer { buffer in
      guard let start = buffer.baseAddress, let made = mkdtemp(start) else {
        preconditionFailure("mkdtemp: \(errno)")
      }
      return String(cString: made)
    }
  }

  deinit { TestDirectory.remove(path) }

  func callAsFunction(_ relative: String) -> String { "\(path)/\(relative)" }

  func write(_ relative: String, _ bytes: [UInt8]) {
    makeParents(of: relative)
    let descriptor = open(self(relative), O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    precondition(descriptor >= 0, "open \(relative): \(errno)")
    precondition(Glibc.write(descriptor, bytes, bytes.count) == bytes.count)
    close(descriptor)
  }

  func write(_ relative: String, _ text: String) { write(relative, Array(text.utf8)) }

  func link(_ relative: String, to target: String) {
    makeParents(of: relative)
    precondition(symlink(target, self(relative)) == 0, "symlink \(relative): \(errno)")
  }

  func pipe(_ relative: String) {
    precondition(mkfifo(self(relative), 0o644) == 0, "mkfifo \(relative): \(errno)")
  }

  func makeDirectory(_ relative: String) { _ = mkdir(self(relative), 0o755) }

  private func makeParents(of relative: String) {
    var parent = ""
    for part in relative.split(separator: "/").dropLast() {
      parent += parent.isEmpty ? part : "/\(part)"
      makeDirectory(parent)
    }
  }

  private static func remove(_ path: String) {
    if let stream = opendir(path) {
      while let entry = readdir(stream) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
          $0.withMemoryRebound(to: CChar.self, capacity: 1) { String(cString: $0) }
        }
        guard name != ".", name != ".." else { continue }
        let child = "\(path)/\(name)"
        var status = stat()
        lstat(child, &status)
        if status.st_mode & S_IFMT == S_IFDIR { remove(child) } else { unlink(child) }
      }
      closedir(stream)
    }
    rmdir(path)
  }
}
