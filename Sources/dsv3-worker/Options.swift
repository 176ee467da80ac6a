// The worker's command line, and how it leaves before MPI has started.

import CSystem
import Glibc
import RunConfiguration

let workerOptions = OptionParser(
  command: "dsv3-worker", usage: "[OPTION]...",
  summary: """
    Trains the model of cluster.yaml, one MPI rank for each simulated GPU:
      mpirun -n 16 dsv3-worker
    """,
  options: [
    CommandOption("config", value: "FILE", help: "configuration to read (cluster.yaml)"),
    CommandOption("set", value: "KEY=VALUE", help: "override a key by its dotted path"),
    CommandOption("steps", value: "N", help: "length of the run in steps (training.steps)"),
    CommandOption("run-dir", value: "DIR", help: "where the run's files go (runs/<date>-<time>)"),
    CommandOption(
      "resume", help: "go on from the newest checkpoint of --run-dir, with its config.yaml"),
    CommandOption("quiet", help: "no progress lines"),
  ])

/// Prints on the first rank only, for every rank says the same, and exits.
func leaveBeforeStart(saying text: String) -> Never {
  let rank = getenv("OMPI_COMM_WORLD_RANK").map { String(cString: $0) }
  if rank == nil || rank == "0" { print(text, to: dsv3_stdout()) }
  exit(0)
}

func leave(saying text: String, code: Int32) -> Never {
  complain(text)
  exit(code)
}

/// A line to a C stream, flushed.
func print(_ text: String, to stream: UnsafeMutablePointer<FILE>) {
  fputs(text.hasSuffix("\n") ? text : text + "\n", stream)
  fflush(stream)
}
