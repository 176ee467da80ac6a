// Errors of all rooms as one message and one exit code, and agreement on them: when any rank fails
// in a phase that all ranks go through, the lowest one says why and all leave with its code.

import CSystem
import MessagePassing
import Model
import ModelSpec
import RunConfiguration
import Schedules
import Training

/// All ranks know of it and it has been printed.
struct AgreedFailure: Error {
  let code: Int32
}

/// The message and the sysexits code of an error of any room.
func explain(_ error: any Error) -> (message: String, code: Int32) {
  switch error {
  case let error as ConfigurationError: (error.description, error.exitCode)
  case let error as ModelSpecError: (error.description, error.exitCode)
  case let error as ScheduleError: (error.description, 78)
  case let error as DataError: (error.description, error.exitCode)
  case let error as CheckpointError: (error.description, error.exitCode)
  case let error as RunFileError: (error.description, error.exitCode)
  case let error as TrainingError: (error.description, error.exitCode)
  case let error as MPIError: (error.description, 70)
  default: ("\(error)", 70)
  }
}

/// Runs `body` on every rank; if any of them throws, the lowest such rank prints its error and all
/// throw `AgreedFailure`. `body` makes no collective call after which only some ranks may fail.
func agreed<T>(_ world: Communicator, _ body: () throws -> T) throws -> T {
  let result = Result { try body() }
  var code: Int32?
  if case .failure(let error) = result { code = explain(error).code }
  if let failure = try world.agree(failure: code) {
    if failure.rank == world.rank, case .failure(let error) = result {
      print("dsv3-worker: \(explain(error).message)", to: dsv3_stderr())
    }
    throw AgreedFailure(code: failure.code)
  }
  return try result.get()
}

/// For errors that every rank throws alike: rank 0 prints, all leave.
func everywhere<T>(_ world: Communicator, _ body: () throws -> T) throws -> T {
  do {
    return try body()
  } catch let error as TrainingError {
    if world.rank == 0 {
      print("dsv3-worker: \(error.description)", to: dsv3_stderr())
    }
    throw AgreedFailure(code: error.exitCode)
  }
}
