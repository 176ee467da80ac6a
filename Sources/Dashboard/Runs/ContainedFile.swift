// Files of runs, opened so that nothing outside the runs folder can be read, whatever links there
// are: the kernel is asked where the open file really is.

internal import Glibc
internal import RunFiles

/// The runs folder, and what lies in it.
struct ContainedFiles: Sendable {
  /// Without links; nil while there is no such folder.
  let root: String?

  init(root: String) { self.root = Self.real(root) }

  /// More than a whole file may have.
  static let largest = 64 << 20

  /// What tells one state of a file from another.
  struct Signature: Equatable {
    var inode: UInt64
    var size: Int
    var seconds: Int
    var nanoseconds: Int
  }

  /// Whether the path leads into the folder.
  func contains(_ path: String) -> Bool {
    guard let root, let real = Self.real(path) else { return false }
    return real.hasPrefix(root == "/" ? root : root + "/")
  }

  /// Whether all that is read of a run lies in the folder. Files that are no regular ones, such as
  /// a pipe that would keep its reader waiting, count as elsewhere.
  func contains(_ run: RunDirectory) -> Bool {
    guard contains(run.path) else { return false }
    let ranks = run.path + "/ranks"
    let single = [
      run.record, run.metrics, run.events, run.loads, run.report, run.timeline,
      run.path + "/config.yaml",
    ]
    let beats = RunFolder.names(in: ranks).filter { $0.hasSuffix(".beat") }
    return (single + beats.map { "\(ranks)/\($0)" }).allSatisfy { path in
      var status = stat()
      guard lstat(path, &status) == 0 else { return errno == ENOENT }
      return switch status.st_mode & S_IFMT {
      case S_IFREG: true
      case S_IFLNK: contains(path) && stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
      default: false
      }
    } && (contains(ranks) || access(ranks, F_OK) != 0)
  }

  /// Calls `body` with the open file and its signature; nil when there is no such regular file in
  /// the folder.
  func open<Result>(_ path: String, _ body: (Int32, Signature) -> Result?) -> Result? {
    let file = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
      contains("/proc/self/fd/\(file)")
    else { return nil }
    return body(
      file,
      Signature(
        inode: UInt64(status.st_ino), size: Int(status.st_size),
        seconds: status.st_mtim.tv_sec, nanoseconds: status.st_mtim.tv_nsec))
  }

  /// Bytes of a file from `offset` to `end`, or as far as it goes.
  static func bytes(_ file: Int32, from offset: Int, to end: Int) -> [UInt8] {
    guard end > offset else { return [] }
    return [UInt8](unsafeUninitializedCapacity: end - offset) { buffer, filled in
      while filled < buffer.count {
        let count = pread(
          file, buffer.baseAddress.map { $0 + filled }, buffer.count - filled,
          off_t(offset + filled))
        if count < 0 && errno == EINTR { continue }
        if count <= 0 { break }
        filled += count
      }
    }
  }

  private static func real(_ path: String) -> String? {
    guard let real = realpath(path, nil) else { return nil }
    defer { free(real) }
    return String(cString: real)
  }
}

/// A whole file that is read again only when it has changed.
struct FileCopy {
  let path: String
  private var signature: ContainedFiles.Signature?
  private(set) var bytes: [UInt8]?
  /// Of the bytes; empty without a file.
  private(set) var tag = ""

  init(path: String) { self.path = path }

  /// Looks at the file; whether it is another than before.
  @discardableResult
  mutating func update(in files: ContainedFiles) -> Bool {
    let before = signature
    let found = files.open(path) { file, now -> (ContainedFiles.Signature, [UInt8]?)? in
      if now == before { return (now, nil) }
      guard now.size <= ContainedFiles.largest else { return nil }
      return (now, ContainedFiles.bytes(file, from: 0, to: now.size))
    }
    guard let found else {
      guard signature != nil else { return false }
      (signature, bytes, tag) = (nil, nil, "")
      return true
    }
    guard let fresh = found.1 else { return false }
    (signature, bytes, tag) = (found.0, fresh, WebReply.tag(of: fresh))
    return true
  }
}
