// Errors of all rooms as one message and one exit code of sysexits.h.

import CSystem
import Glibc
import Model
import ModelSpec
import RunConfiguration
import Schedules

/// A failure that the command itself sees.
struct CommandError: Error {
  let message: String
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
  case let error as ScheduleError: ("dsv3: " + error.description, 65)
  default: ("dsv3: \(error)", 70)
  }
}

/// A line on standard error.
func complain(_ message: String) {
  fflush(dsv3_stdout())
  fputs(message.hasSuffix("\n") ? message : message + "\n", dsv3_stderr())
}
