// Processes of a run's earlier job that still live: after a coordinator or an mpirun that was
// killed outright. Found by their command lines, which name the run's directory, and ended.

internal import Glibc
internal import RunFiles

struct LeftoverJob {
  private let directory: RunDirectory

  private static let programs: Set<String> = ["mpirun", "orterun", "prterun", "dsv3-worker"]

  init(_ directory: RunDirectory) { self.directory = directory }

  /// Processes on this host that belong to a job of the run: mpirun and ranks.
  func processes() -> [ProcessIdentity] {
    RunFolder.names(in: "/proc").compactMap { name in
      guard let pid = Int32(name), pid != getpid(), isOfRun(pid),
        let ticks = ProcessTable.ticks(of: pid)
      else { return nil }
      return ProcessIdentity(host: ProcessTable.hostName, pid: pid, ticks: ticks)
    }
  }

  /// Ends them: SIGTERM, which mpirun passes on to its ranks, and SIGKILL after `grace` seconds.
  /// Returns how many there were.
  /// - Throws: `LaunchError` (70) when one can't be ended.
  @discardableResult
  func end(grace: Double = 3) throws(LaunchError) -> Int {
    let found = processes()
    guard !found.isEmpty else { return 0 }
    signal(found, SIGTERM)
    wait(for: found, atMost: grace)
    // mpirun may have started more meanwhile.
    let rest = found + processes()
    signal(rest, SIGKILL)
    wait(for: rest, atMost: 5)
    if let stubborn = rest.first(where: isAlive) {
      throw LaunchError(
        "process \(stubborn.pid) of an earlier job of \(directory.path) can't be ended", code: 70)
    }
    return found.count
  }

  private func isAlive(_ process: ProcessIdentity) -> Bool {
    ProcessTable.isAlive(process) ?? false
  }

  private func signal(_ processes: [ProcessIdentity], _ signal: Int32) {
    for process in processes where isAlive(process) { kill(process.pid, signal) }
  }

  private func wait(for processes: [ProcessIdentity], atMost seconds: Double) {
    let deadline = JobWatch.clock + seconds
    while processes.contains(where: isAlive), JobWatch.clock < deadline { usleep(20_000) }
  }

  /// Whether a process is one of the programs and has the directory as its `--run-dir`.
  private func isOfRun(_ pid: Int32) -> Bool {
    guard let bytes = try? RunFile.contents(of: "/proc/\(pid)/cmdline"), !bytes.isEmpty else {
      return false
    }
    let words = bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
    guard let program = words.first?.split(separator: "/").last,
      Self.programs.contains(String(program)),
      let option = words.firstIndex(of: "--run-dir"), option + 1 < words.count
    else { return false }
    return words[option + 1] == directory.path
  }
}
