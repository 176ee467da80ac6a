// The error of reading and writing weights: which file, which tensor, what was expected and what
// stands there.

internal import Glibc

/// What is wrong with a file of weights or its directory.
package struct CheckpointError: Error, Equatable, Sendable, CustomStringConvertible {
  package enum Problem: Equatable, Sendable {
    /// The file is there and its content is wrong.
    case badData
    /// The file or directory does not exist.
    case missingFile
    /// The system refused to open, map, read or write.
    case inputOutput
  }

  package var problem: Problem
  package var file: String
  /// Name of the tensor, when the error is about one.
  package var tensor: String?
  /// What was found and what would fit.
  package var message: String

  package init(_ problem: Problem, file: String, tensor: String? = nil, message: String) {
    self.problem = problem
    self.file = file
    self.tensor = tensor
    self.message = message
  }

  package var description: String {
    if let tensor { return "\(file): tensor '\(tensor)': \(message)" }
    return "\(file): \(message)"
  }

  /// The sysexits code for a process that ends on this error.
  package var exitCode: Int32 {
    switch problem {
    case .badData: 65
    case .missingFile: 66
    case .inputOutput: 74
    }
  }

  /// The error of a system call that failed with `code` (`errno`) while it would `verb` the file.
  static func system(_ verb: String, _ file: String, code: Int32) -> CheckpointError {
    if code == ENOENT || code == ENOTDIR {
      return CheckpointError(.missingFile, file: file, message: "no such file")
    }
    return CheckpointError(
      .inputOutput, file: file, message: "cannot \(verb): \(String(cString: strerror(code)))")
  }
}
