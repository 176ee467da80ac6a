// The one error of this room: where the sizes of a model come from, which key is wrong, what it
// says and what would fit. Its description is the message for the user.

/// What is wrong with a model's description.
package struct ModelSpecError: Error, Equatable, Sendable, CustomStringConvertible {
  package enum Problem: Equatable, Sendable {
    /// The file does not exist.
    case missingFile
    /// The file exists and cannot be read.
    case unreadable
    /// The file is not the JSON that was expected, or a value contradicts another.
    case badData
    /// A preset or a partition that was asked for does not exist or does not fit.
    case badRequest
  }

  package var problem: Problem
  /// File, preset or layout that the error is about.
  package var source: String
  /// Key under its name in config.json, as `rope_scaling.factor`.
  package var key: String?
  /// What is wrong and what would fit.
  package var message: String

  package init(_ problem: Problem, source: String, key: String? = nil, message: String) {
    self.problem = problem
    self.source = source
    self.key = key
    self.message = message
  }

  package var description: String {
    if let key { return "\(source): \(key): \(message)" }
    return "\(source): \(message)"
  }

  /// The sysexits code for a process that ends on this error.
  package var exitCode: Int32 {
    switch problem {
    case .missingFile: 66
    case .unreadable: 74
    case .badData: 65
    case .badRequest: 78
    }
  }
}
