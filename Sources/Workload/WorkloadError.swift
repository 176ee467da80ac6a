// The one error of this room: which workload file, where in it, what is wrong and what would be
// right. Its description is the message for the user.

/// What is wrong with a workload file.
package struct WorkloadError: Error, Equatable, Sendable, CustomStringConvertible {
  package enum Problem: Hashable, Sendable {
    /// The file does not exist.
    case missingFile
    /// The file exists and cannot be read.
    case unreadable
    /// The bytes are no workload, or one that makes no sense.
    case badData
    /// The file cannot be written.
    case unwritable
  }

  package var problem: Problem
  /// The file.
  package var source: String
  /// Section and byte, as `programs, byte 120`; nil for the file as a whole.
  package var place: String?
  /// What is wrong and what would be right.
  package var message: String

  package init(_ problem: Problem, source: String, place: String? = nil, message: String) {
    self.problem = problem
    self.source = source
    self.place = place
    self.message = message
  }

  package var description: String {
    [source, place, message].compactMap(\.self).joined(separator: ": ")
  }

  /// The sysexits code for a process that ends on this error.
  package var exitCode: Int32 {
    switch problem {
    case .missingFile: 66
    case .unreadable, .unwritable: 74
    case .badData: 65
    }
  }
}
