// One coordinator for each run: a lock on a file of the run directory that the kernel gives back
// when its holder ends, however it ends. The file stays; only the lock counts.

internal import Glibc
package import RunFiles

package final class RunLock {
  private let descriptor: Int32

  static let file = "run.json.lock"

  /// Takes the run, whose directory is there.
  /// - Throws: `LaunchError` (75) when another coordinator has it; `RunFileError`.
  package init(_ directory: RunDirectory) throws {
    let path = "\(directory.path)/\(Self.file)"
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw RunFileError("write", path) }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      let failure = RunFileError("lock", path)
      let isTaken = errno == EWOULDBLOCK
      close(descriptor)
      guard isTaken else { throw failure }
      let holder = (try? RunFile.contents(of: path)).map { String(decoding: $0, as: UTF8.self) }
      throw LaunchError(
        "\(directory.path) is driven by another 'dsv3 launch' (\(holder ?? "unknown")); end that "
          + "one first, or look on with 'dsv3 monitor \(directory.path)'", code: 75)
    }
    self.descriptor = descriptor
    let own = ProcessTable.own
    let text = "process \(own.pid) on \(own.host)"
    ftruncate(descriptor, 0)
    // Only for the message above, so a full disk is no reason to stop.
    _ = text.utf8CString.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count - 1, 0) }
  }

  deinit { close(descriptor) }
}
