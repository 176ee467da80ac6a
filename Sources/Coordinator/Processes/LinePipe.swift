// The reading end of a pipe from a child, cut into lines. Reading never waits, so that one loop can
// serve many children and neither of a child's two pipes can fill up while the other is read.

internal import CSystem
internal import Glibc

struct LinePipe {
  /// A line without its end is handed on when it gets this long.
  private static let longestLine = 1 << 20
  /// Bytes taken in one go, so that a child that writes without end doesn't keep the loop.
  private static let mostAtOnce = 1 << 20

  /// The reading end; -1 once the writers have closed theirs.
  private(set) var descriptor: Int32
  private var pending: [UInt8] = []
  private let line: (String) -> Void

  /// - Parameter line: called with each line, without its end.
  init(reading descriptor: Int32, line: @escaping (String) -> Void) {
    self.descriptor = descriptor
    self.line = line
  }

  var isOpen: Bool { descriptor >= 0 }

  /// Both ends of a new pipe; a child inherits neither, and reading doesn't wait.
  static func make() -> (reading: Int32, writing: Int32)? {
    var ends: [Int32] = [-1, -1]
    guard dsv3_pipe(&ends, Int32(O_CLOEXEC)) == 0 else { return nil }
    guard fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0 else {
      close(ends[0])
      close(ends[1])
      return nil
    }
    return (ends[0], ends[1])
  }

  /// Takes what has arrived; whether anything had, the end included.
  mutating func drain() -> Bool {
    guard isOpen else { return false }
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    var taken = 0
    while taken < Self.mostAtOnce {
      let count = read(descriptor, &buffer, buffer.count)
      if count > 0 {
        taken += count
        append(buffer[..<count])
      } else if count < 0, errno == EINTR {
        continue
      } else if count < 0, errno == EAGAIN {
        return taken > 0
      } else {
        end()
        return true
      }
    }
    return true
  }

  /// Closes the pipe; a last line without an end counts.
  mutating func end() {
    guard isOpen else { return }
    close(descriptor)
    descriptor = -1
    if !pending.isEmpty { deliver(pending[...]) }
    pending = []
  }

  private mutating func append(_ bytes: ArraySlice<UInt8>) {
    pending += bytes
    var start = 0
    while let newline = pending[start...].firstIndex(of: UInt8(ascii: "\n")) {
      deliver(pending[start..<newline])
      start = newline + 1
    }
    pending.removeFirst(start)
    if pending.count >= Self.longestLine {
      deliver(pending[...])
      pending = []
    }
  }

  private func deliver(_ bytes: ArraySlice<UInt8>) {
    line(String(decoding: bytes, as: UTF8.self))
  }
}
