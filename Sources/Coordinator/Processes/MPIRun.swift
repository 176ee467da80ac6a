// The call of mpirun that starts a worker on some ranks, with the settings that many ranks on few
// cores need (those of .make/with-mpi). What the caller's environment has set already stays.

internal import CSystem
internal import Glibc

package struct MPIRun: Equatable, Sendable {
  package var ranks: Int
  /// The worker's file.
  package var program: String
  package var arguments: [String]
  /// Whether each rank is kept to a core or socket, as Open MPI sees fit. Of several jobs side by
  /// side each would take the same first core.
  package var bindsRanks: Bool

  package init(ranks: Int, program: String, arguments: [String], bindsRanks: Bool = false) {
    self.ranks = ranks
    self.program = program
    self.arguments = arguments
    self.bindsRanks = bindsRanks
  }

  package var call: ProgramCall {
    ProgramCall(
      "mpirun",
      (bindsRanks ? [] : ["--bind-to", "none"]) + ["-n", "\(ranks)", program] + arguments,
      environment: Self.settingsHere)
  }

  /// The settings for this machine and this process's environment.
  package static var settingsHere: [String: String?] {
    settings(
      given: ProgramCall.environment, isRoot: getuid() == 0,
      freeSharedMemory: freeSharedMemory,
      mayCopyBetweenProcesses: dsv3_may_copy_between_processes() == 1)
  }

  /// Open MPI refuses more ranks than cores, and to run as root, unless told; a rank that waits
  /// gives way to one that computes; the ranks are the parallelism, so BLAS has one thread each.
  /// - Parameters:
  ///   - given: what the caller's environment has.
  ///   - freeSharedMemory: bytes free in /dev/shm. Ranks share some 4 MiB each there; Docker gives
  ///     it 64 MiB unless asked.
  ///   - mayCopyBetweenProcesses: whether the kernel lets a rank read another's memory.
  package static func settings(
    given: [String: String], isRoot: Bool, freeSharedMemory: Int, mayCopyBetweenProcesses: Bool
  ) -> [String: String?] {
    var settings: [String: String?] = [
      "OMPI_MCA_rmaps_base_oversubscribe": "1", "OMPI_MCA_mpi_yield_when_idle": "1",
      "OPENBLAS_NUM_THREADS": "1",
    ]
    if freeSharedMemory < 256 << 20 {
      settings["OMPI_MCA_btl_vader_backing_directory"] = "/tmp"
    }
    if !mayCopyBetweenProcesses {
      settings["OMPI_MCA_btl_vader_single_copy_mechanism"] = "none"
    }
    settings = settings.filter { given[$0.key] == nil }
    if isRoot {
      settings["OMPI_ALLOW_RUN_AS_ROOT"] = "1"
      settings["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
    }
    // Some machines pin OpenBLAS to kernels of an older processor, at half the speed.
    if (given["KEEP_CORETYPE"] ?? "").isEmpty {
      settings.updateValue(nil, forKey: "OPENBLAS_CORETYPE")
    }
    return settings
  }

  private static var freeSharedMemory: Int {
    var status = statvfs()
    guard statvfs("/dev/shm", &status) == 0 else { return 0 }
    return Int(status.f_bavail) * Int(status.f_frsize)
  }
}

/// What this machine and this program are.
package enum Machine {
  /// Processors this process may run on.
  package static var processors: Int {
    var mask = [UInt64](repeating: 0, count: 128)
    dsv3_affinity(&mask, UInt(mask.count * 8))
    return max(1, mask.reduce(0) { $0 + $1.nonzeroBitCount })
  }

  /// A program in the directory of this one, links resolved.
  package static func sibling(_ name: String) -> String {
    guard let slash = ownFile.lastIndex(of: "/") else { return name }
    return ownFile[...slash] + name
  }

  /// This program's file, links resolved.
  package static var ownFile: String {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = readlink("/proc/self/exe", &buffer, buffer.count)
    return String(
      decoding: buffer.prefix(max(0, count)).map(UInt8.init(bitPattern:)), as: UTF8.self)
  }
}
