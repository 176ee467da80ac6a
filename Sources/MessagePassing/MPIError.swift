// The one error of this room, and the one funnel through which every call into Open MPI goes: a
// return code that isn't success becomes an `MPIError` that names the call.

import COpenMPI

/// A call into MPI that failed, or a layout of ranks that an exchange can't serve.
package struct MPIError: Error, CustomStringConvertible, Equatable {
  /// MPI's error code (`MPI_ERR_…`).
  package let code: Int32
  /// The MPI call, or the operation of this room, that failed.
  package let call: String
  /// What was being done: peers, sizes, tags. May be empty.
  package let context: String
  /// MPI's own words. Asked for at once: MPI may be finished when the error is printed.
  package let reason: String

  /// The failure of a call into MPI, which must be running.
  init(code: Int32, call: String, context: String) {
    self.code = code
    self.call = call
    self.context = context
    reason = Self.text(of: code)
  }

  private init(refused call: String, _ context: String) {
    code = Int32(MPI_ERR_ARG)
    self.call = call
    self.context = context
    reason = "not possible"
  }

  /// An operation of this room that can't be done as asked.
  static func refused(_ call: String, _ context: String) -> MPIError {
    MPIError(refused: call, context)
  }

  package var description: String {
    context.isEmpty ? "\(call): \(reason)" : "\(call): \(reason): \(context)"
  }

  private static func text(of code: Int32) -> String {
    var isRunning: Int32 = 0
    var isFinished: Int32 = 0
    MPI_Initialized(&isRunning)
    MPI_Finalized(&isFinished)
    guard isRunning != 0, isFinished == 0 else { return "code \(code)" }
    var length: Int32 = 0
    return withUnsafeTemporaryAllocation(
      of: CChar.self, capacity: Int(MPI_MAX_ERROR_STRING) + 1
    ) { buffer in
      buffer.initialize(repeating: 0)
      guard let start = buffer.baseAddress,
        MPI_Error_string(code, start, &length) == MPI_SUCCESS
      else { return "code \(code)" }
      return String(cString: start)
    }
  }
}

/// Turns the return code of an MPI call into an `MPIError` unless it is success.
@inline(__always)
func check(
  _ code: Int32, _ call: StaticString, _ context: @autoclosure () -> String = ""
) throws(MPIError) {
  if code != MPI_SUCCESS {
    throw MPIError(code: code, call: "\(call)", context: context())
  }
}
