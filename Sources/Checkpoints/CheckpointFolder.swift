// The folder checkpoints/ of a run: step-N/ for each checkpoint, `latest` pointing to the newest.
// A checkpoint is made under a hidden name and takes its own when all ranks have written, on disk.

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
    let name = try target()
    let checkpoint = name.hasPrefix("/") ? name : "\(path)/\(name)"
    guard Self.isDirectory(checkpoint) else {
      throw CheckpointError(
        .missingFile, file: latest,
        message: "points to '\(name)', which is no checkpoint" + others())
    }
    return checkpoint
  }

  /// Checkpoints to go on from, the newest first: that of `latest`, which may not be there, then
  /// those of earlier steps. Later ones belong to a past that was given up.
  /// - Throws: `CheckpointError` of kind `.missingFile` when there is no `latest`.
  package func candidates() throws(CheckpointError) -> [String] {
    let name = try target()
    let first = name.hasPrefix("/") ? name : "\(path)/\(name)"
    guard let step = Self.step(of: name), let steps = try? steps() else { return [first] }
    return [first] + steps.filter { $0 < step }.reversed().map { checkpoint(step: $0) }
  }

  /// What `latest` says.
  private func target() throws(CheckpointError) -> String {
    var target = [CChar](repeating: 0, count: Int(PATH_MAX))
    let length = readlink(latest, &target, target.count)
    guard length > 0 else {
      throw CheckpointError(
        .missingFile, file: latest,
        message: "no checkpoint to go on from; start the run without --resume, or give the "
          + "--run-dir of one that has written a checkpoint")
    }
    return String(decoding: target[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// Which checkpoints `latest` could point to instead, for a message.
  private func others() -> String {
    guard let steps = try? steps(), !steps.isEmpty else { return "; there is none else" }
    return "; there are " + steps.map { "step-\($0)" }.joined(separator: ", ")
  }

  /// Removes what a run that was killed had begun to write, and makes the folder if it isn't there.
  package func clear() throws(RunFileError) {
    try RunDirectory.makeDirectory(path)
    for name in try Self.entries(of: path) where name.hasPrefix(".step-") {
      try Self.remove("\(path)/\(name)")
    }
  }

  /// Makes a directory for a checkpoint to be written to. Any number of ranks may do so at once.
  package func begin(step: Int) throws(RunFileError) {
    try RunDirectory.makeDirectory(partial(step: step))
  }

  /// Removes what was written of a checkpoint that can't be finished.
  package func giveUp(step: Int) throws(RunFileError) { try Self.remove(partial(step: step)) }

  /// Gives a written checkpoint its name, moves `latest` to it, and removes all but the `keep`
  /// newest. Checkpoints of later steps belong to a past that was given up: they go too, and so do
  /// those of `foreign` steps, of an earlier run in this directory.
  ///
  /// At every moment `latest` points to a whole checkpoint or to none, and what it points to has
  /// only checkpoints of the same run before it.
  package func complete(
    step: Int, keep: Int, foreign: Set<Int> = []
  ) throws(RunFileError) {
    try Self.sync(partial(step: step))
    let (final, old) = (checkpoint(step: step), "\(path)/.step-\(step).old")
    try Self.remove(old)
    if Self.isDirectory(final) { try Self.rename(final, to: old) }
    try Self.rename(partial(step: step), to: final)
    for other in try steps() where foreign.contains(other) && other != step {
      try Self.remove(checkpoint(step: other))
    }
    try Self.sync(path)
    try pointLatest(to: "step-\(step)")
    try Self.sync(path)
    try Self.remove(old)
    let kept = Set(try steps().filter { $0 <= step }.suffix(max(1, keep)))
    for other in try steps() where !kept.contains(other) {
      try Self.remove(checkpoint(step: other))
    }
  }

  /// Takes `latest` away: the checkpoints there are no longer this run's.
  package func forgetLatest() throws(RunFileError) {
    guard unlink(latest) == 0 || errno == ENOENT else { throw RunFileError("remove", latest) }
  }

  /// Steps of the checkpoints there are, ascending.
  package func steps() throws(RunFileError) -> [Int] {
    try Self.entries(of: path).compactMap(Self.step(of:)).sorted()
  }

  /// The number in the name of a checkpoint.
  private static func step(of name: String) -> Int? {
    name.hasPrefix("step-") ? Int(name.dropFirst("step-".count)) : nil
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

  private static func isDirectory(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  /// Puts the names in a directory on the disk.
  private static func sync(_ path: String) throws(RunFileError) {
    let directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard directory >= 0 else { throw RunFileError("open", path) }
    defer { close(directory) }
    // A file system that can't is one where names are as safe as they get.
    guard fsync(directory) == 0 || errno == EINVAL || errno == ENOTSUP else {
      throw RunFileError("write", path)
    }
  }

  private static func rename(_ old: String, to new: String) throws(RunFileError) {
    guard Glibc.rename(old, new) == 0 else { throw RunFileError("rename to", new) }
  }

  /// Removes a file, a link, or a directory with what is in it; nothing if there is none.
  static func remove(_ path: String) throws(RunFileError) {
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
