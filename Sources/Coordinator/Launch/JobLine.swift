// The mpirun line of a training job: a pure function of ranks, places and settings. Starting ranks
// on other hosts is Open MPI's own business, by ssh or by Slurm.

/// Where the ranks of a job go.
package enum RankPlaces: Equatable, Sendable {
  case thisHost
  /// Open MPI's hostfile, an absolute path.
  case hostfile(path: String, Hostfile)
  /// As `--host` has it.
  case hosts(list: String, [Hostfile.Host])
  case slurm(SlurmAllocation)

  /// Names of the hosts; none for this one alone.
  package var hostNames: [String] {
    switch self {
    case .thisHost: []
    case .hostfile(_, let file): file.hosts.map(\.name)
    case .hosts(_, let hosts): hosts.map(\.name)
    case .slurm(let allocation): allocation.hosts
    }
  }

  package var isThisHost: Bool { self == .thisHost }
}

package struct JobLine: Equatable, Sendable {
  package var ranks: Int
  package var places: RankPlaces
  /// Whether each rank is kept to a core or socket, as Open MPI sees fit.
  package var bindsRanks: Bool
  /// Further arguments of mpirun.
  package var mpiArguments: [String]
  /// The ranks' working directory, absolute.
  package var directory: String
  /// The worker's file.
  package var worker: String

  package init(
    ranks: Int, places: RankPlaces, bindsRanks: Bool = false, mpiArguments: [String] = [],
    directory: String, worker: String
  ) {
    self.ranks = ranks
    self.places = places
    self.bindsRanks = bindsRanks
    self.mpiArguments = mpiArguments
    self.directory = directory
    self.worker = worker
  }

  /// Variables that ranks on other hosts need, too. Open MPI passes on its own (`OMPI_…`).
  private static let exported = ["OPENBLAS_NUM_THREADS", "LD_LIBRARY_PATH"]

  /// The call of mpirun.
  /// - Parameters:
  ///   - arguments: the worker's.
  ///   - settings: `MPIRun.settings`.
  ///   - given: what the caller's environment has.
  package func call(
    _ arguments: [String], settings: [String: String?] = MPIRun.settingsHere,
    given: [String: String] = ProgramCall.environment
  ) -> ProgramCall {
    var settings = settings
    var line = bindsRanks ? [] : ["--bind-to", "none"]
    switch places {
    case .thisHost: break
    case .hostfile(let path, _): line += ["--hostfile", path]
    case .hosts(let list, _): line += ["--host", list]
    // Slurm's slots are what was asked of it.
    case .slurm: settings["OMPI_MCA_rmaps_base_oversubscribe"] = nil
    }
    if !places.isThisHost {
      line += ["--wdir", directory]
      for name in Self.exported where (settings[name] ?? nil) != nil || given[name] != nil {
        line += ["-x", name]
      }
    }
    line += mpiArguments + ["-n", "\(ranks)", worker] + arguments
    return ProgramCall("mpirun", line, environment: settings, directory: directory)
  }
}

extension ProgramCall {
  /// As one would type it: what differs in the environment, program, arguments.
  package var shellLine: String {
    let changes = environment.sorted { $0.key < $1.key }
    let removed = changes.filter { $0.value == nil && Self.environment[$0.key] != nil }
    let set = changes.compactMap { change in change.value.map { "\(change.key)=\($0)" } }
    let words =
      (removed.isEmpty ? [] : ["env"] + removed.flatMap { ["-u", $0.key] }) + set
      + [program] + arguments
    return words.map(Self.quoted).joined(separator: " ")
  }

  private static func quoted(_ word: String) -> String {
    let isPlain = word.allSatisfy { $0.isLetter || $0.isNumber || "%+,-./:=@_".contains($0) }
    if isPlain, !word.isEmpty { return word }
    return "'"
      + word.split(separator: "'", omittingEmptySubsequences: false)
      .joined(separator: "'\\''") + "'"
  }
}
