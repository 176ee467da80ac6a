// faults/ of a run: requests for faults that are to be made while it runs, and marks of those that
// have been made. A mark is on the disk before its fault is made, so no restart makes it again.
//
//   request-ID   somebody asks for a fault: a line that says which
//   taken-ID     the rank that it concerns has read it (the same file, renamed)
//   made-ID      it has been made: a sentence that says where
//   made-NAME    the same, of a fault in the run's configuration

internal import Glibc

package struct FaultFolder: Sendable {
  package let path: String

  /// - Parameter path: `faults` of a run directory.
  package init(path: String) { self.path = path }

  /// A request that is open: no fault has been made of it.
  package struct Request: Equatable, Sendable {
    package var id: String
    package var text: String
    package var isTaken: Bool
  }

  // MARK: Asking

  /// Puts a request there; its ID.
  package func ask(_ text: String) throws(RunFileError) -> String {
    try RunDirectory.makeDirectory(path)
    let id = "\(Int(RunFile.now * 1e6))-\(getpid())"
    try RunFile.replace(file("request", id), with: Array((text + "\n").utf8))
    return id
  }

  /// Takes a request back; false when a rank has it already.
  package func withdraw(_ id: String) -> Bool { unlink(file("request", id)) == 0 }

  package func isTaken(_ id: String) -> Bool { access(file("taken", id), F_OK) == 0 }

  /// What the mark of a fault says; nil when it hasn't been made.
  package func mark(_ id: String) -> String? {
    guard let bytes = try? RunFile.contents(of: file("made", id)) else { return nil }
    return String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
  }

  // MARK: Making

  /// Open requests, the oldest first.
  package func requests() -> [Request] {
    let names = RunFolder.names(in: path)
    let made = Set(names.filter { $0.hasPrefix("made-") }.map { $0.dropFirst("made-".count) })
    return names.compactMap { name in
      guard let dash = name.firstIndex(of: "-"), !name.hasSuffix(".partial") else { return nil }
      let (kind, id) = (name[..<dash], name[name.index(after: dash)...])
      guard kind == "request" || kind == "taken", !made.contains(id) else { return nil }
      guard let bytes = try? RunFile.contents(of: "\(path)/\(name)") else { return nil }
      let line = String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
      return Request(id: String(id), text: line, isTaken: kind == "taken")
    }.sorted { $0.id < $1.id }
  }

  /// Tells who asked that the rank has read the request; false when it was withdrawn meanwhile.
  package func take(_ id: String) -> Bool {
    rename(file("request", id), file("taken", id)) == 0
  }

  /// Says on the disk that a fault is being made.
  package func mark(_ id: String, _ sentence: String) throws(RunFileError) {
    try RunDirectory.makeDirectory(path)
    try RunFile.replace(file("made", id), with: Array((sentence + "\n").utf8))
    // The name must outlive the machine too, not the bytes alone.
    let folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else { throw RunFileError("write", path) }
    defer { close(folder) }
    guard fsync(folder) == 0 else { throw RunFileError("write", path) }
  }

  /// Forgets all requests and marks: another run begins.
  package func clear() throws(RunFileError) {
    for name in RunFolder.names(in: path) where unlink("\(path)/\(name)") != 0 {
      throw RunFileError("remove", "\(path)/\(name)")
    }
  }

  private func file(_ kind: String, _ id: String) -> String { "\(path)/\(kind)-\(id)" }
}
