// Whole text files, and directories, by the C library: the coordinator's share of a run directory
// is small.

internal import Glibc

enum TextFiles {
  /// The bytes of a file; nil when it can't be read.
  static func contents(of path: String) -> [UInt8]? {
    guard let file = fopen(path, "re") else { return nil }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while case let count = fread(&chunk, 1, chunk.count, file), count > 0 {
      bytes += chunk[..<count]
    }
    return ferror(file) == 0 ? bytes : nil
  }

  /// Writes a file so that it is there whole or not at all.
  static func write(_ text: String, to path: String) throws(ComparisonError) {
    let partial = path + ".partial"
    func failure() -> ComparisonError {
      .cannotWrite(path: path, reason: String(cString: strerror(errno)))
    }
    guard let file = fopen(partial, "we") else { throw failure() }
    let isWritten = fputs(text, file) >= 0 && fflush(file) == 0
    let error = failure()
    guard fclose(file) == 0, isWritten else { throw isWritten ? failure() : error }
    guard rename(partial, path) == 0 else { throw failure() }
  }

  /// As `mkdir -p`.
  static func makeDirectory(_ path: String) throws(ComparisonError) {
    var prefix = path.hasPrefix("/") ? "/" : ""
    for part in path.split(separator: "/") {
      prefix += (prefix.isEmpty || prefix == "/" ? "" : "/") + part
      if mkdir(prefix, 0o777) != 0 && errno != EEXIST {
        throw .cannotWrite(path: prefix, reason: String(cString: strerror(errno)))
      }
    }
    var status = stat()
    guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
      throw .cannotWrite(path: path, reason: "it is not a directory")
    }
  }

  /// Names in a directory; none when there is no such directory.
  static func names(in path: String) -> [String] {
    guard let folder = opendir(path) else { return [] }
    defer { closedir(folder) }
    var names: [String] = []
    while let entry = readdir(folder) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
  }
}
