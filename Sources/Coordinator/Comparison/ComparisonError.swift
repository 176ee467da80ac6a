// What can go wrong with a comparison, as a message for whoever asked for it.

internal import RunConfiguration

package enum ComparisonError: Error, Equatable, CustomStringConvertible {
  /// What was asked for contradicts itself, or what is there already.
  case usage(String)
  /// A program or file is missing.
  case missing(String)
  /// A file holds something else than it should.
  case badData(String)
  case cannotWrite(path: String, reason: String)
  /// A worker ended before its work was done.
  case workerFailed(run: String, code: Int32, lastLines: [String])
  /// This process was asked to end; the workers have been ended.
  case interrupted(signal: Int32)

  package var description: String {
    switch self {
    case .usage(let text), .missing(let text), .badData(let text): text
    case .cannotWrite(let path, let reason): "\(path): cannot be written: \(reason)"
    case .workerFailed(let run, let code, let lines):
      (["\(run): the worker ended with code \(code)"] + lines.map { "  " + $0 })
        .joined(separator: "\n")
    case .interrupted:
      "stopped; finished runs are kept, and the same command goes on with the others"
    }
  }

  /// As in sysexits.h; of a signal, 128 + its number.
  package var exitCode: Int32 {
    switch self {
    case .usage: 64
    case .missing: 66
    case .badData: 65
    case .cannotWrite: 74
    case .workerFailed: 70
    case .interrupted(let signal): 128 + signal
    }
  }

  init(_ error: SubprocessError) {
    self =
      switch error {
      case .interrupted(let signal): .interrupted(signal: signal)
      case .notFound(program: "mpirun", _):
        .missing("\(error.description); install Open MPI ('make setup')")
      case .notFound(let program, _):
        .missing("there is no worker '\(program)'; 'swift build -c release' makes it")
      case .cannotStart, .timedOut: .missing(error.description)
      }
  }
}
