// The folder checkpoints/ of a run: step-N/ for each checkpoint, `latest` pointing to the newest.
// A checkpoint is made under a hidden name and takes its own when all ranks have written.

internal import Glibc
package import Model
package import RunFiles

package struct CheckpointFolder: Sendable {
  package let path: String

  /// - Parameter path: `checkpoints` of a run directory.
  package init(path: String) { self.path = path }

  /// The link to the newest checkpoint.
  package var latest: String { path + "/latest" }

  /// Where the checkpoint after `step` steps stands.
  package func checkpoint(step: Int) -> String { "\(path)/step-\(step)" }

  /// Where it is written before it is whole.
  package func partial(step: Int) -> String { "\(path)/.step-\(step).partial" }

  /// The checkpoint that `latest` points to.
  /// - Throws: `CheckpointError` of kind `.missingFile` when there is none.
  package func newest() throws(CheckpointError) -> String {
    var target = [CChar](repeating: 0, count: Int(PATH_MAX))
    let length = readlink(latest, &target, target.count)
    guard length > 0 else {
      throw CheckpointError(
        .missingFile, file: latest,
        message: "no checkpoint to go on from; start the run without --resume, or give the "
          + "--run-dir of one that has written a checkpoint")
    }
    let bytes = target[..<length].map { UInt8(bitPattern: $0) }
    let name = String(decoding: bytes, as: UTF8.self)
    let checkpoint = name.hasPrefix("/") ? name : "\(path)/\(name)"
    var status = stat()
    guard stat(checkpoint, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
      throw CheckpointError(
        .missingFile, file: latest,
        message: "points to '\(name)', which is no checkpoint" + others())
    }
    return checkpoint
  }

  /// Which checkpoints `latest` could point to instead, for a message.
  private func others() -> String {
    guard let steps = try? steps(), !steps.isEmpty else { return "; there is none else" }
    return "; there are " + steps.map { "step-\($0)" }.joined(separator: ", ")
  }

  /// Makes an empty directory for a checkpoint to be written to.
  package func begin(step: Int) throws(RunFileError) {
    try RunDirectory.makeDirectory(path)
    try Self.remove(partial(step: step))
    try RunDirectory.makeDirectory(partial(step: step))
  }

  /// Gives a written checkpoint its name, moves `latest` to it, and removes all but the `keep`
  /// newest. Checkpoints of later steps belong to a past that was given up: they go too.
  package func complete(step: Int, keep: Int) throws(RunFileError) {
    let final = checkpoint(step: step)
    try Self.remove(final)
    try Self.rename(partial(step: step), to: final)
    try pointLatest(to: "step-\(step)")
    let kept = Set(try steps().filter { $0 <= step }.suffix(max(1, keep)))
    for other in try steps() where !kept.contains(other) {
      try Self.remove(checkpoint(step: other))
    }
    for name in try Self.entries(of: path) where name.hasPrefix(".step-") {
      try Self.remove("\(path)/\(name)")
    }
  }

  /// Takes `latest` away: the checkpoints there are no longer this run's.
  package func forgetLatest() throws(RunFileError) {
    guard unlink(latest) == 0 || errno == ENOENT else { throw RunFileError("remove", latest) }
  }

  /// Steps of the checkpoints there are, ascending.
  package func steps() throws(RunFileError) -> [Int] {
    try Self.entries(of: path).compactMap { name in
      name.hasPrefix("step-") ? Int(name.dropFirst("step-".count)) : nil
    }.sorted()
  }

  /// A relative link, so that the run can be moved; replaced by renaming, so that it always
  /// points to a whole checkpoint.
  private func pointLatest(to name: String) throws(RunFileError) {
    let provisional = "\(path)/.latest.partial"
    try Self.remove(provisional)
    guard symlink(name, provisional) == 0 else { throw RunFileError("make the link", provisional) }
    try Self.rename(provisional, to: latest)
  }

  // MARK: The C library

  private static func rename(_ old: String, to new: String) throws(RunFileError) {
    guard Glibc.rename(old, new) == 0 else { throw RunFileError("rename to", new) }
  }

  /// Removes a file, a link, or a directory with what is in it; nothing if there is none.
  private static func remove(_ path: String) throws(RunFileError) {
    var status = stat()
    guard lstat(path, &status) == 0 else {
      if errno == ENOENT { return }
      throw RunFileError("remove", path)
    }
    guard status.st_mode & S_IFMT == S_IFDIR else {
      guard unlink(path) == 0 else { throw RunFileError("remove", path) }
      return
    }
    for name in try entries(of: path) { try remove("\(path)/\(name)") }
    guard rmdir(path) == 0 else { throw RunFileError("remove", path) }
  }

  /// Names in a directory, `.` and `..` left out, sorted.
  private static func entries(of path: String) throws(RunFileError) -> [String] {
    guard let stream = opendir(path) else { throw RunFileError("list", path) }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { name in
        name.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
  }
}
