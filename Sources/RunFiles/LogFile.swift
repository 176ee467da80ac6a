// Text files of a run: written line by line, or whole; and what can go wrong with them.

internal import Glibc

/// A file or directory of the run could not be made or written.
package struct RunFileError: Error, Equatable, CustomStringConvertible {
  package let path: String
  package let action: String
  package let reason: String
  package var exitCode: Int32 { 74 }

  package var description: String {
    "cannot \(action) '\(path)': \(reason); choose another place with --run-dir or make room"
  }

  /// Of the C library's last call.
  package init(_ action: String, _ path: String) {
    self.path = path
    self.action = action
    reason = String(cString: strerror(errno))
  }

  package init(_ action: String, _ path: String, reason: String) {
    self.path = path
    self.action = action
    self.reason = reason
  }
}

/// A text file that is written line by line and flushed after each.
package final class LogFile {
  private let path: String
  private let stream: UnsafeMutablePointer<FILE>

  package init(path: String, append: Bool) throws(RunFileError) {
    guard let stream = fopen(path, append ? "a" : "w") else {
      throw RunFileError("write", path)
    }
    self.path = path
    self.stream = stream
  }

  deinit { fclose(stream) }

  package func write(_ text: String) throws(RunFileError) {
    guard fputs(text, stream) >= 0, fflush(stream) == 0 else { throw RunFileError("write", path) }
  }
}
