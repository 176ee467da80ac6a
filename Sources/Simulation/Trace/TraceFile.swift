// A file that is written piece by piece under a provisional name and takes its own when it is
// whole. What is no file, /dev/null say, is written to as it is.

internal import Glibc

/// Writes one file from start to end. Dropped before `finish()`, it leaves nothing behind.
struct TraceFile: ~Copyable {
  private static let capacity = 1 << 20

  private let path: String
  /// The provisional name; `path` itself where that is no file.
  private let partial: String
  private var descriptor: Int32
  private let bytes: UnsafeMutablePointer<UInt8>
  private var count = 0
  /// errno of the first write that failed.
  private var failure: Int32 = 0

  /// Creates `path` + ".partial", or opens `path` if it is a device or a pipe.
  init(path: String) throws(SimulationError) {
    var status = stat()
    let isSpecial =
      stat(path, &status) == 0 && ![S_IFREG, S_IFDIR].contains(status.st_mode & S_IFMT)
    let name = isSpecial ? path : path + ".partial"
    let opened = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard opened >= 0 else { throw Self.error("create", name, errno) }
    self.path = path
    partial = name
    descriptor = opened
    bytes = .allocate(capacity: Self.capacity)
  }

  deinit {
    bytes.deallocate()
    guard descriptor >= 0 else { return }
    close(descriptor)
    if partial != path { unlink(partial) }
  }

  private static func error(_ verb: String, _ path: String, _ code: Int32) -> SimulationError {
    SimulationError(
      .unwritable, source: path, message: "cannot \(verb) it: \(String(cString: strerror(code)))")
  }

  /// Makes room for `size` bytes in a row.
  /// - Precondition: `size` is at most 1 MiB.
  mutating func reserve(_ size: Int) {
    if count + size > Self.capacity { flush() }
    precondition(count + size <= Self.capacity, "a piece of a trace is small")
  }

  private mutating func flush() {
    var done = 0
    while done < count, failure == 0 {
      let written = write(descriptor, bytes + done, count - done)
      if written >= 0 { done += written } else if errno != EINTR { failure = errno }
    }
    count = 0
  }

  /// Appends one byte, for which there must be room.
  mutating func append(_ byte: UInt8) {
    bytes[count] = byte
    count += 1
  }

  mutating func append(_ text: StaticString) {
    reserve(text.utf8CodeUnitCount)
    (bytes + count).update(from: text.utf8Start, count: text.utf8CodeUnitCount)
    count += text.utf8CodeUnitCount
  }

  mutating func append(_ text: [UInt8]) {
    reserve(text.count)
    text.withUnsafeBufferPointer { source in
      if let start = source.baseAddress { (bytes + count).update(from: start, count: text.count) }
    }
    count += text.count
  }

  /// Appends in decimal digits.
  mutating func append(decimal value: Int64) {
    reserve(20)
    if value < 0 { append(UInt8(ascii: "-")) }
    append(digits: value.magnitude, atLeast: 1)
  }

  /// Appends `picoseconds` as microseconds with six digits behind the point, exactly.
  /// - Precondition: not negative.
  mutating func append(microseconds picoseconds: Int64) {
    reserve(27)
    append(digits: UInt64(picoseconds / 1_000_000), atLeast: 1)
    append(UInt8(ascii: "."))
    append(digits: UInt64(picoseconds % 1_000_000), atLeast: 6)
  }

  private mutating func append(digits value: UInt64, atLeast least: Int) {
    var digits = 1
    var higher = value / 10
    while higher > 0 {
      digits += 1
      higher /= 10
    }
    digits = max(digits, least)
    var rest = value
    for place in stride(from: count + digits - 1, through: count, by: -1) {
      bytes[place] = UInt8(ascii: "0") + UInt8(rest % 10)
      rest /= 10
    }
    count += digits
  }

  /// Where the next byte goes; valid until the next `reserve`.
  var place: Int { count }

  /// Puts a byte in at an earlier place of what was reserved.
  mutating func put(_ byte: UInt8, at place: Int) { bytes[place] = byte }

  /// Throws if writing has failed so far.
  func check() throws(SimulationError) {
    if failure != 0 { throw Self.error("write", partial, failure) }
  }

  /// Closes the file and gives it its name.
  consuming func finish() throws(SimulationError) {
    flush()
    try check()
    let closed = close(descriptor)
    let code = errno
    descriptor = -1
    guard closed == 0 else {
      if partial != path { unlink(partial) }
      throw Self.error("write", partial, code)
    }
    guard partial != path, rename(partial, path) != 0 else { return }
    let reason = errno
    unlink(partial)
    throw Self.error("rename", partial, reason)
  }
}
