// The directory of a run: config.yaml, metrics.jsonl, ranks/ with a log for each rank,
// checkpoints/. Rank 0 makes it; every rank knows its path.

internal import Glibc

/// A file or directory of the run could not be made or written.
package struct RunFileError: Error, Equatable, CustomStringConvertible {
  package let path: String
  package let action: String
  package let reason: String
  package var exitCode: Int32 { 74 }

  package var description: String {
    "cannot \(action) '\(path)': \(reason); choose another place with --run-dir or make room"
  }

  init(_ action: String, _ path: String) {
    self.path = path
    self.action = action
    reason = String(cString: strerror(errno))
  }
}

package struct RunDirectory: Sendable {
  package let path: String

  package init(path: String) { self.path = path }

  /// `runs/<date>-<time>` of now, local time.
  package static func defaultPath() -> String {
    var now = time(nil)
    var parts = tm()
    localtime_r(&now, &parts)
    var buffer = [CChar](repeating: 0, count: 32)
    let length = strftime(&buffer, buffer.count, "%Y%m%d-%H%M%S", &parts)
    let stamp = buffer.prefix(length).map { UInt8(bitPattern: $0) }
    return "runs/" + String(decoding: stamp, as: UTF8.self)
  }

  package var metrics: String { path + "/metrics.jsonl" }
  package var checkpoints: String { path + "/checkpoints" }
  /// Mean times of the schedule's actions, for `dsv3 schedule analyze --times`.
  package var actionTimes: String { path + "/action-times.json" }
  /// Held-out losses, see `HeldOutLosses`.
  package var losses: String { path + "/losses.json" }

  /// The last step's report of the virtual clock.
  package var report: String { path + "/report.json" }
  /// Recorded steps.
  package var workloads: String { path + "/workloads" }

  package func workload(step: Int) -> String { workloads + "/step-\(step).workload" }

  package func rankLog(_ rank: Int) -> String {
    let digits = "\(rank)"
    return path + "/ranks/rank-" + String(repeating: "0", count: max(0, 5 - digits.count))
      + digits + ".log"
  }

  /// Makes the directory with its folders, parents included.
  package func create() throws(RunFileError) {
    for folder in [path, path + "/ranks", checkpoints, workloads] { try Self.makeDirectory(folder) }
  }

  /// As `mkdir -p`.
  package static func makeDirectory(_ path: String) throws(RunFileError) {
    var prefix = path.hasPrefix("/") ? "/" : ""
    for part in path.split(separator: "/") {
      prefix += (prefix.isEmpty || prefix == "/" ? "" : "/") + part
      if mkdir(prefix, 0o777) != 0 && errno != EEXIST {
        throw RunFileError("make the directory", prefix)
      }
    }
    var status = stat()
    guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
      errno = ENOTDIR
      throw RunFileError("make the directory", path)
    }
  }

  /// Writes a whole file.
  package static func write(_ text: String, to path: String) throws(RunFileError) {
    let file = try LogFile(path: path, append: false)
    try file.write(text)
  }
}

/// A text file that is written line by line and flushed after each.
package final class LogFile {
  private let path: String
  private let stream: UnsafeMutablePointer<FILE>

  package init(path: String, append: Bool) throws(RunFileError) {
    guard let stream = fopen(path, append ? "a" : "w") else {
      throw RunFileError("write", path)
    }
    self.path = path
    self.stream = stream
  }

  deinit { fclose(stream) }

  package func write(_ text: String) throws(RunFileError) {
    guard fputs(text, stream) >= 0, fflush(stream) == 0 else { throw RunFileError("write", path) }
  }
}
