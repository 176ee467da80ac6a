// What a launch can't do, before a job runs: one message and one exit code.

internal import RunFiles

package struct LaunchError: Error, Equatable, CustomStringConvertible {
  package let description: String
  /// As in sysexits.h.
  package let exitCode: Int32

  package init(_ description: String, code: Int32) {
    self.description = description
    exitCode = code
  }

  /// A program that is missing (66) or can't be started (71).
  package init(_ error: SubprocessError) {
    switch error {
    case .notFound(let program, _):
      let remedy =
        program == "mpirun" ? "; install Open MPI, or put its bin directory in PATH" : ""
      self.init(error.description + remedy, code: 66)
    default: self.init(error.description, code: 71)
    }
  }
}
