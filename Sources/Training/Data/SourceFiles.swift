// Finds and reads the text files that `data.sources` names. The order depends on nothing but
// names, so that every machine with the same files trains on the same bytes.
internal import Glibc

/// The text below the sources, in a fixed order: sources as listed, and within a directory by
/// the bytes of the path relative to it.
package struct SourceFiles: Sendable {
  /// One file: its path as reached from the source, and its contents (not empty, UTF-8, no NUL).
  package struct Document: Equatable, Sendable {
    package var path: String
    package var bytes: [UInt8]
  }

  package private(set) var documents: [Document] = []
  /// Files and links below a directory that hold no text: empty, binary, dangling, special, or
  /// named in bytes that are not UTF-8.
  package private(set) var skipped: [String] = []

  /// Canonical paths, as bytes: Swift compares strings by Unicode equivalence, file systems don't.
  private var seenDirectories: Set<[UInt8]> = []
  private var seenFiles: Set<[UInt8]> = []

  /// Directories that tools fill: not text that somebody wrote.
  package static let buildDirectories: Set<String> = [
    "build", "DerivedData", "node_modules", "__pycache__", "runs",
  ]

  /// Ends of names that say: text, but drawn by a program.
  package static let pictureSuffixes = [".svg"]

  /// Reads every source. A relative one starts at `root`. Files reached twice are read once.
  /// Hidden entries, `buildDirectories` and pictures below a source are passed over (a source
  /// itself may be any of them), symbolic links are followed.
  /// - Throws: `.noSources`, `.unreadable` for whatever can't be opened, `.notText` for a source
  ///   that is itself a binary file.
  package init(sources: [String], relativeTo root: String = ".") throws(DataError) {
    guard !sources.isEmpty else { throw .noSources }
    for source in sources {
      let path = source.hasPrefix("/") || root == "." ? source : "\(root)/\(source)"
      switch kind(of: path) {
      case .directory:
        try addDirectory(path)
      case .file:
        try addFile(path, isSource: true)
      case .other:
        throw .unreadable(path: path, reason: "neither a file nor a directory")
      case .failed(let code, _):
        throw .unreadable(path: path, reason: message(of: code))
      }
    }
  }

  private mutating func addDirectory(_ top: String) throws(DataError) {
    var files: [(relative: String, path: String)] = []
    try walk(top, relative: "", into: &files)
    files.sort { $0.relative.utf8.lexicographicallyPrecedes($1.relative.utf8) }
    for file in files { try addFile(file.path, isSource: false) }
  }

  /// Collects the files below `directory`. Entries come in order of their bytes, so that of two
  /// links to one directory the same one is followed everywhere.
  private mutating func walk(
    _ directory: String, relative: String, into files: inout [(relative: String, path: String)]
  ) throws(DataError) {
    guard seenDirectories.insert(canonical(directory)).inserted else { return }
    let listing = try entries(of: directory)
    skipped += listing.unnameable.map { "\(directory)/\($0)" }
    for name in listing.names where !name.hasPrefix(".") {
      let path = directory.hasSuffix("/") ? directory + name : "\(directory)/\(name)"
      let below = relative.isEmpty ? name : "\(relative)/\(name)"
      switch kind(of: path) {
      case .directory:
        if !Self.buildDirectories.contains(name) { try walk(path, relative: below, into: &files) }
      case .file:
        if !Self.pictureSuffixes.contains(where: name.hasSuffix) { files.append((below, path)) }
      case .failed(let code, let isLink) where !isLink:
        throw .unreadable(path: path, reason: message(of: code))
      case .other, .failed:
        skipped.append(path)
      }
    }
  }

  private mutating func addFile(_ path: String, isSource: Bool) throws(DataError) {
    guard seenFiles.insert(canonical(path)).inserted else { return }
    switch try textContents(of: path) {
    case .text(let bytes) where bytes.isEmpty:
      skipped.append(path)
    case .text(let bytes):
      documents.append(Document(path: path, bytes: bytes))
    case .binary(let offset):
      if isSource { throw .notText(path: path, offset: offset) }
      skipped.append(path)
    }
  }
}

// MARK: - The C library

private enum FileKind {
  case directory
  case file
  /// A socket, a pipe, a device.
  case other
  /// `stat` failed; `isLink` if the entry is there but what it points to isn't.
  case failed(code: Int32, isLink: Bool)
}

private enum Contents {
  case text([UInt8])
  case binary(offset: Int)
}

private func message(of code: Int32) -> String { String(cString: strerror(code)) }

private func kind(of path: String) -> FileKind {
  var status = stat()
  guard stat(path, &status) == 0 else {
    let code = errno
    let isLink = lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK
    return .failed(code: code, isLink: isLink)
  }
  switch status.st_mode & S_IFMT {
  case S_IFDIR: return .directory
  case S_IFREG: return .file
  default: return .other
  }
}

/// The path without links, dots and doubled slashes; the path itself if that can't be told.
private func canonical(_ path: String) -> [UInt8] {
  guard let resolved = realpath(path, nil) else { return Array(path.utf8) }
  defer { free(resolved) }
  return Array(UnsafeRawBufferPointer(start: resolved, count: strlen(resolved)))
}

/// Names in `directory`, by bytes; names that are no UTF-8 apart, repaired.
private func entries(
  of directory: String
) throws(DataError) -> (names: [String], unnameable: [String]) {
  guard let stream = opendir(directory) else {
    throw .unreadable(path: directory, reason: message(of: errno))
  }
  defer { closedir(stream) }
  var names: [String] = []
  var unnameable: [String] = []
  errno = 0
  while let entry = readdir(stream) {
    guard let offset = MemoryLayout<dirent>.offset(of: \.d_name) else {
      preconditionFailure("dirent has no place for d_name")
    }
    let start = UnsafeRawPointer(entry).advanced(by: offset).assumingMemoryBound(to: CChar.self)
    if let name = String(validatingCString: start) {
      names.append(name)
    } else {
      unnameable.append(String(cString: start))
    }
    errno = 0
  }
  guard errno == 0 else { throw .unreadable(path: directory, reason: message(of: errno)) }
  names.sort { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  return (names, unnameable)
}

/// Reads a file to its end, or to the first block with a NUL byte in it.
private func textContents(of path: String) throws(DataError) -> Contents {
  let descriptor = open(path, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else { throw .unreadable(path: path, reason: message(of: errno)) }
  defer { close(descriptor) }
  var bytes: [UInt8] = []
  var block = [UInt8](repeating: 0, count: 1 << 16)
  while true {
    let count = read(descriptor, &block, block.count)
    if count < 0 && errno == EINTR { continue }
    guard count >= 0 else { throw .unreadable(path: path, reason: message(of: errno)) }
    if count == 0 { break }
    if let zero = block[..<count].firstIndex(of: 0) { return .binary(offset: bytes.count + zero) }
    bytes += block[..<count]
  }
  do {
    _ = try UTF8Span(validating: bytes.span)
    return .text(bytes)
  } catch {
    return .binary(offset: error.byteOffsets.lowerBound)
  }
}
