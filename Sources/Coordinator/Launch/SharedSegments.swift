// The files by which Open MPI's ranks on one host share memory. mpirun removes them when a job ends,
// but not when it is killed outright: then 4 MiB a rank would stay in /dev/shm for good.

internal import Glibc
internal import RunFiles

struct SharedSegments {
  private let paths: Set<String>

  /// What the processes have mapped: last words such as `/dev/shm/vader_segment.host.0.31cd0001.3`
  /// in /proc/PID/maps.
  init(of processes: [Int32]) {
    var found: Set<String> = []
    for process in processes {
      guard let bytes = try? RunFile.contents(of: "/proc/\(process)/maps") else { continue }
      for line in bytes.split(separator: UInt8(ascii: "\n")) {
        guard let slash = line.firstIndex(of: UInt8(ascii: "/")) else { continue }
        let path = String(decoding: line[slash...], as: UTF8.self)
        guard let name = path.split(separator: "/").last else { continue }
        if name.hasPrefix("vader_segment.") || name.hasPrefix("sm_segment.") { found.insert(path) }
      }
    }
    paths = found
  }

  /// Removes those that are still there, after the job's end.
  func remove() {
    for path in paths { unlink(path) }
  }
}
