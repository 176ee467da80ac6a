// The worker: one process for each simulated GPU, started by mpirun. Parses, wires, calls.

import CSystem
import Glibc
import MessagePassing
import RunConfiguration
import Training

let options: ParsedOptions
do {
  options = try workerOptions.parse(Array(CommandLine.arguments.dropFirst()))
} catch {
  leaveBeforeStart(error.description, to: dsv3_stderr(), code: error.exitCode)
}
if options.has("help") { leaveBeforeStart(workerOptions.help, to: dsv3_stdout(), code: 0) }
if options.has("version") { leaveBeforeStart("dsv3-worker 0.1", to: dsv3_stdout(), code: 0) }

let runtime: MPIRuntime
do {
  runtime = try MPIRuntime.start()
} catch {
  leave(saying: error.description, code: 70)
}
let job = Job(runtime.world)
do {
  try runWorker(options, job)
  try runtime.finish()
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
