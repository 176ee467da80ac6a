// Finds and reads the project's own files, wherever the checkout is.
import Glibc

enum ProjectFiles {
  /// The top of the checkout: this file is Tests/ProjectTests/ProjectFiles.swift.
  static let root = #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" }

  /// Paths of the Swift files below `directory`, relative to the root, sorted.
  static func swiftFiles(below directory: String) -> [String] {
    guard let stream = opendir("\(root)/\(directory)") else { return [] }
    defer { closedir(stream) }
    var files: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 1) { String(cString: $0) }
      }
      if name.hasPrefix(".") { continue }
      let path = "\(directory)/\(name)"
      if name.hasSuffix(".swift") { files.append(path) } else { files += swiftFiles(below: path) }
    }
    return files.sorted()
  }

  static func isExecutable(_ path: String) -> Bool { access("\(root)/\(path)", X_OK) == 0 }

  /// Contents of a file of the project, nil if it can't be read.
  static func text(of path: String) -> String? {
    guard let file = fopen("\(root)/\(path)", "r") else { return nil }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 1 << 16)
    while case let count = fread(&block, 1, block.count, file), count > 0 {
      bytes += block[..<count]
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
