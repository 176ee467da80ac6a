// The worker: one process for each simulated GPU, started by mpirun. Parses, wires, calls.

import CSystem
import Glibc
import Kernels
import MessagePassing
import RunConfiguration
import Training

let options = Result { try workerOptions.parse(Array(CommandLine.arguments.dropFirst())) }
if let options = try? options.get() {
  if options.has("help") { leaveBeforeStart(saying: workerOptions.help) }
  if options.has("version") { leaveBeforeStart(saying: "dsv3-worker 0.1") }
}

// Nobody would end a rank that outlives its mpirun or, on another machine, that one's daemon. One
// that was started by hand has no such parent.
if getenv("OMPI_COMM_WORLD_RANK") != nil, dsv3_die_with_parent() == 0 {
  leave(saying: "mpirun ended before this rank began", code: 70)
}

let runtime: MPIRuntime
do {
  runtime = try MPIRuntime.start()
} catch {
  leave(saying: error.description, code: 70)
}
TensorMemory.onLackOfMemory { MPIRuntime.abort(71, saying: $0) }
leaveOnLackOfMemory()
let job = Job(runtime.world)
do {
  // A rank that left with a code before MPI started could take the one that speaks with it.
  let code = try runWorker(job.agreed { try options.get() }, job)
  try runtime.finish()
  if code != 0 { exit(code) }
} catch let failure as AgreedFailure {
  runtime.giveUpTransfers()
  try? runtime.finish()
  exit(failure.code)
} catch {
  // One rank alone got into trouble: the others can't know, so it ends them all.
  let (message, code) = explain(error)
  job.record(message)
  complain("rank \(runtime.world.rank): \(message)")
  MPIRuntime.abort(code)
}
