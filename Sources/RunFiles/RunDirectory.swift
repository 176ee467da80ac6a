// The directory of a run: where each of its files is. The worker writes what it trained, the
// coordinator what became of the job; whoever shows a run reads both (docs/operations.md).

internal import Glibc

package struct RunDirectory: Sendable {
  package let path: String

  package init(path: String) { self.path = path }

  /// `runs/<prefix><date>-<time>` of now, local time.
  package static func defaultPath(prefix: String = "") -> String {
    var now = time(nil)
    var parts = tm()
    localtime_r(&now, &parts)
    var buffer = [CChar](repeating: 0, count: 32)
    let length = strftime(&buffer, buffer.count, "%Y%m%d-%H%M%S", &parts)
    let stamp = buffer.prefix(length).map { UInt8(bitPattern: $0) }
    return "runs/" + prefix + String(decoding: stamp, as: UTF8.self)
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

  /// The picture of the last step that was priced: what each rank did when, in virtual time.
  package var timeline: String { path + "/timeline.json" }
  /// Tokens of each expert, a line for each step.
  package var loads: String { path + "/loads.jsonl" }
  /// Who launched the run and what became of it, see `RunRecord`.
  package var record: String { path + "/run.json" }
  /// What happened to the job, see `RunEvent`.
  package var events: String { path + "/events.jsonl" }
  /// Faults that are asked for, and those that have been made.
  package var faults: String { path + "/faults" }

  package func rankLog(_ rank: Int) -> String { rankFile(rank, "log") }

  /// What the rank does at this moment, see `RankBeat`.
  package func rankBeat(_ rank: Int) -> String { rankFile(rank, "beat") }

  private func rankFile(_ rank: Int, _ kind: String) -> String {
    let digits = "\(rank)"
    return path + "/ranks/rank-" + String(repeating: "0", count: max(0, 5 - digits.count))
      + digits + "." + kind
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
