// The allocation of a Slurm job, as its environment tells. Open MPI reads it itself; the
// coordinator only checks that the ranks fit and notes where they are.

package struct SlurmAllocation: Equatable, Sendable {
  package var job: String
  /// The job's name, if it has one.
  package var name: String?
  /// Tasks, which is Open MPI's number of slots; nil where Slurm doesn't say.
  package var tasks: Int?
  package var nodes: Int?
  package var hosts: [String]

  /// The allocation that a process with this environment is in; nil outside of Slurm.
  package init?(environment: [String: String]) {
    guard let job = environment["SLURM_JOB_ID"] ?? environment["SLURM_JOBID"] else { return nil }
    // `salloc` and `sbatch` without -n and -N set no number of tasks.
    let nodes = (environment["SLURM_JOB_NUM_NODES"] ?? environment["SLURM_NNODES"]).flatMap {
      Int($0)
    }
    guard nodes != nil || environment["SLURM_JOB_NODELIST"] != nil else { return nil }
    self.job = job
    self.nodes = nodes
    name = environment["SLURM_JOB_NAME"]
    tasks = (environment["SLURM_NTASKS"] ?? environment["SLURM_NPROCS"]).flatMap { Int($0) }
    hosts = Self.expanded(environment["SLURM_JOB_NODELIST"] ?? environment["SLURM_NODELIST"] ?? "")
  }

  /// "job 77 (train), 2 nodes, 16 tasks".
  package var summary: String {
    var parts = ["job \(job)" + (name.map { " (\($0))" } ?? "")]
    if let nodes { parts.append("\(nodes) \(nodes == 1 ? "node" : "nodes")") }
    if let tasks { parts.append("\(tasks) tasks") }
    return parts.joined(separator: ", ")
  }

  /// - Throws: `LaunchError` (78) when there are fewer tasks than ranks.
  package func check(ranks: Int) throws(LaunchError) {
    guard let tasks, tasks < ranks else { return }
    throw LaunchError(
      "Slurm's job \(job) has \(tasks) \(tasks == 1 ? "task" : "tasks") for \(ranks) ranks; "
        + "ask for --ntasks=\(ranks), or choose a smaller layout", code: 78)
  }

  /// The hosts of a list such as `node[01-03,7],login`.
  static func expanded(_ list: String) -> [String] {
    var hosts: [String] = []
    var depth = 0
    var part = ""
    for character in list + "," {
      depth += character == "[" ? 1 : character == "]" ? -1 : 0
      if character == ",", depth == 0 {
        if !part.isEmpty { hosts += expandedPart(part) }
        part = ""
      } else {
        part.append(character)
      }
    }
    return hosts
  }

  private static func expandedPart(_ part: String) -> [String] {
    guard let open = part.firstIndex(of: "["), let close = part.firstIndex(of: "]"), open < close
    else { return [part] }
    let tails = expandedPart(String(part[part.index(after: close)...]))
    let ranges = part[part.index(after: open)..<close].split(separator: ",")
    return ranges.flatMap { range -> [String] in
      let ends = range.split(separator: "-").map(String.init)
      guard let first = ends.first, let last = ends.last, let low = Int(first),
        let high = Int(last), low <= high, high - low < 65_536
      else { return [part] }
      return (low...high).flatMap { number in
        let digits = "\(number)"
        let zeros = String(repeating: "0", count: max(0, first.count - digits.count))
        return tails.map { part[..<open] + zeros + digits + $0 }
      }
    }
  }
}
