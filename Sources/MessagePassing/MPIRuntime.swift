// MPI from start to finish: one value per process that owns the world communicator, the doorbell
// of this machine's ranks and the table of messages under way.

import COpenMPI
import CSystem
import Glibc

/// A started MPI. Make one per process; a rank is single-threaded.
package final class MPIRuntime {
  /// All ranks.
  package let world: Communicator
  /// Ranks on this machine.
  package let localRanks: Int
  /// Processors that the ranks of this machine may use, all together.
  package let cores: Int

  private let waiter: Waiter

  private init(world: Communicator, waiter: Waiter, localRanks: Int, cores: Int) {
    self.world = world
    self.waiter = waiter
    self.localRanks = localRanks
    self.cores = cores
  }

  /// MPI starts once in a process; a rank calls this room from one thread at a time.
  private nonisolated(unsafe) static var current: MPIRuntime?
  private var isFinished = false

  /// Starts MPI, or returns the runtime if it was started before; the first call is collective over
  /// all ranks. MPI's errors come back as `MPIError` from then on. Throws when MPI can't start, or
  /// was finished.
  package static func start() throws(MPIError) -> MPIRuntime {
    if let current {
      if current.isFinished { throw .refused("MPIRuntime.start", "MPI was finished before") }
      return current
    }
    dsv3_exact_timers()
    MPIEnvironment.setDefaults()
    // Calls come from one thread at a time, which need not always be the same.
    var granted: Int32 = 0
    try check(
      MPI_Init_thread(nil, nil, Int32(MPI_THREAD_SERIALIZED), &granted), "MPI_Init_thread")
    let comm = dsv3_comm_world()
    try check(
      MPI_Comm_set_errhandler(comm, dsv3_errors_return()), "MPI_Comm_set_errhandler")
    var size: Int32 = 0
    try check(MPI_Comm_size(comm, &size), "MPI_Comm_size")

    let doorbell = try size > 1 ? Doorbell(worldSize: Int(size)) : nil
    let localRanks = doorbell?.count ?? 1
    let cores = doorbell?.processors ?? max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    let waiter = Waiter(
      doorbell: doorbell, spinNanoseconds: localRanks <= cores ? 100_000 : 0,
      hasRemotePeers: localRanks < Int(size))
    let world = try Communicator(
      handle: comm, worldRanks: Array(0..<Int(size)), waiter: waiter)
    let runtime = MPIRuntime(
      world: world, waiter: waiter, localRanks: localRanks, cores: cores)
    current = runtime
    return runtime
  }

  /// Waits for all ranks and ends MPI; does nothing the second time. Collective. Nothing of this
  /// room may be used after it.
  package func finish() throws(MPIError) {
    if isFinished { return }
    isFinished = true
    try world.barrier()
    waiter.isGivenUp = true
    try waiter.doorbell?.close()
    try check(MPI_Finalize(), "MPI_Finalize")
  }

  /// Kills all ranks; the job ends with `code`. For failures that the ranks can't agree on.
  package static func abort(_ code: Int32) -> Never {
    _ = MPI_Abort(dsv3_comm_world(), code)
    exit(code)
  }

  /// The same with a message to standard error, that names this rank.
  package static func abort(_ code: Int32, saying message: String) -> Never {
    let name = current.map { "rank \($0.world.rank): " } ?? ""
    fputs("dsv3-worker: \(name)\(message)\n", dsv3_stderr())
    abort(code)
  }

  /// On the way out after a failure: transfers still under way may be dropped from now on.
  package func giveUpTransfers() { waiter.isGivenUp = true }

  /// After a failure that left nothing under way, such as one that a test provokes: transfers must
  /// be waited for again.
  package func resumeTransfers() { waiter.isGivenUp = false }

  /// What this rank did in this room since the start.
  package var statistics: MessageStatistics { waiter.statistics }

  /// Lets messages move: call between pieces of compute. Costs next to nothing when nothing came.
  package func progress() throws(MPIError) { try waiter.progress() }
}
