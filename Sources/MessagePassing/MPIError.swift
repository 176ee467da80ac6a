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

  package init(code: Int32, call: String, context: String = "") {
    self.code = code
    self.call = call
    self.context = context
  }

  /// An operation of this room that can't be done as asked.
  static func refused(_ call: String, _ context: String) -> MPIError {
    MPIError(code: Int32(MPI_ERR_ARG), call: call, context: context)
  }

  package var description: String {
    let detail = context.isEmpty ? "" : " (\(context))"
    return "\(call) failed: \(Self.text(of: code))\(detail)"
  }

  private static func text(of code: Int32) -> String {
    var length: Int32 = 0
    let buffer = UnsafeMutablePointer<CChar>.allocate(capacity: Int(MPI_MAX_ERROR_STRING) + 1)
    defer { buffer.deallocate() }
    guard MPI_Error_string(code, buffer, &length) == MPI_SUCCESS else { return "code \(code)" }
    return String(cString: buffer)
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
