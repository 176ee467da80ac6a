// Errors of all rooms as one message and one exit code, and agreement on them: when any rank fails
// in a phase that all ranks go through, the lowest one says why and all leave with its code.

import CSystem
import Glibc
import MessagePassing
import Model
import ModelSpec
import RunConfiguration
import RunFiles
import Schedules
import Training
import Workload

/// All ranks know of it and it has been printed.
struct AgreedFailure: Error {
  let code: Int32
}

/// The message and the sysexits code of an error of any room. Whatever could not be done for lack
/// of memory, such as mapping a file, has one code.
func explain(_ error: any Error) -> (message: String, code: Int32) {
  let (message, code) = explainByRoom(error)
  return (message, message.contains(String(cString: strerror(ENOMEM))) ? 71 : code)
}

private func explainByRoom(_ error: any Error) -> (message: String, code: Int32) {
  switch error {
  case let error as ConfigurationError: (error.description, error.exitCode)
  case let error as ModelSpecError: (error.description, error.exitCode)
  case let error as ScheduleError: (error.description, 78)
  case let error as DataError: (error.description, error.exitCode)
  case let error as CheckpointError: (error.description, error.exitCode)
  case let error as CheckpointMismatch: (error.description, error.exitCode)
  case let error as RunFileError: (error.description, error.exitCode)
  case let error as TrainingError: (error.description, error.exitCode)
  case let error as WorkloadError: (error.description, error.exitCode)
  case let error as MPIError: (error.description, 70)
  default: ("\(error)", 70)
  }
}

/// A message to standard error, with the program's name in front unless it brings it along.
func complain(_ message: String) {
  let name = "dsv3-worker: "
  print(message.hasPrefix(name) ? message : name + message, to: dsv3_stderr())
}

/// The ranks of a job as they go through its phases together, and this rank's log and beat once
/// there are such.
final class Job {
  let world: Communicator
  var log: LogFile?
  /// What this rank tells about itself once there is a run directory.
  var beat: BeatWriter?

  init(_ world: Communicator) { self.world = world }

  /// Runs `body` on every rank; if any of them throws, the lowest such rank prints its error and
  /// all throw `AgreedFailure`. `body` makes no collective call.
  func agreed<T>(_ body: () throws -> T) throws -> T {
    let result = Result { try body() }
    var code: Int32?
    if case .failure(let error) = result {
      code = explain(error).code
      record(explain(error).message)
    }
    if let failure = try world.agree(failure: code) {
      if failure.rank == world.rank, case .failure(let error) = result {
        complain(explain(error).message)
      }
      if code == nil { record("rank \(failure.rank) failed") }
      throw AgreedFailure(code: failure.code)
    }
    return try result.get()
  }

  /// Runs a collective `body`; what every rank throws alike is printed by rank 0, and all leave.
  func everywhere<T>(_ body: () throws -> T) throws -> T {
    do {
      return try body()
    } catch let error where error is TrainingError || error is ScheduleError {
      let (message, code) = explain(error)
      record(message)
      if world.rank == 0 { complain(message) }
      throw AgreedFailure(code: code)
    }
  }

  /// An error goes to this rank's log, if it can still be written.
  func record(_ message: String) {
    beat?.enter(.failed)
    try? log?.write("error: \(message)\n")
  }
}
