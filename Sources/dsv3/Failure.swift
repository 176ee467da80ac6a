// Errors of all rooms as one message and one exit code of sysexits.h.

import CSystem
import Dashboard
import Fabric
import Glibc
import Model
import ModelSpec
import RunConfiguration
import RunFiles
import Schedules
import Simulation
import Workload

/// A failure that the command itself sees.
struct CommandError: Error {
  let message: String
  let code: Int32
}

/// The end of a command that has said all there is to say.
struct ExitCode: Error {
  let code: Int32
}

/// The message and the exit code of an error of any room.
func explain(_ error: any Error) -> (message: String, code: Int32) {
  switch error {
  case let error as CommandError: ("dsv3: " + error.message, error.code)
  // A usage error begins with the command.
  case let error as ConfigurationError:
    (
      (error.kind == .usage && error.origin == nil ? "" : "dsv3: ") + error.description,
      error.exitCode
    )
  case let error as ModelSpecError: ("dsv3: " + error.description, error.exitCode)
  case let error as CheckpointError: ("dsv3: " + error.description, error.exitCode)
  case let error as RunFileError: ("dsv3: " + error.description, error.exitCode)
  case let error as RunNotFound: ("dsv3: " + error.description, error.exitCode)
  case let error as DashboardError: ("dsv3: " + error.description, error.exitCode)
  case let error as ScheduleError: ("dsv3: " + error.description, 65)
  case let error as WorkloadError: ("dsv3: " + error.description, error.exitCode)
  case let error as FabricError:
    ("dsv3: \(error.source): \(error.message)", exitCode(of: error.kind))
  case let error as SimulationError:
    ("dsv3: \(error.source): \(error.message)", error.kind == .unwritable ? 74 : 64)
  default: ("dsv3: \(error)", 70)
  }
}

private func exitCode(of kind: FabricError.Kind) -> Int32 {
  switch kind {
  case .badDescription, .badData: 65
  case .missingFile: 66
  case .unreadable: 74
  }
}

/// A line on standard error.
func complain(_ message: String) {
  fflush(dsv3_stdout())
  fputs(message.hasSuffix("\n") ? message : message + "\n", dsv3_stderr())
}
