// A file of lines that grows, is cut, or is replaced by another: each look takes the lines that
// have been finished since. A run that goes on from a checkpoint cuts its metrics and writes steps
// again, which may be longer than before at the next look; so what was read last is read again and
// compared.

internal import CSystem
internal import Glibc

/// What tells one state of a file from another without reading it.
package struct FileStamp: Equatable, Sendable {
  package let device: UInt
  package let number: UInt
  package let size: Int
  /// When it was last written, in nanoseconds since 1970.
  package let written: Int

  /// Of a path; nil when there is no such file.
  package init?(path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    self.init(status)
  }

  init(_ status: stat) {
    device = UInt(status.st_dev)
    number = UInt(status.st_ino)
    size = Int(status.st_size)
    written = status.st_mtim.tv_sec * 1_000_000_000 + status.st_mtim.tv_nsec
  }

  /// Seconds since 1970.
  package var time: Double { Double(written) / 1e9 }

  func isSameFile(as other: FileStamp) -> Bool {
    device == other.device && number == other.number
  }
}

package struct LineTail: Sendable {
  package struct News: Equatable, Sendable {
    /// Finished lines without their ends.
    package var lines: [[UInt8]] = []
    /// Whether what was read before no longer counts: these are the file's lines from its first.
    package var isAnew = false

    package init() {}
  }

  package let path: String
  /// Bytes of finished lines that have been read, and the last of them.
  private var offset = 0
  private var last: [UInt8] = []
  private var stamp: FileStamp?

  /// More than a line of metrics.jsonl, which holds the time that a step took: two trainings of the
  /// same step differ there, even when they do the same.
  private static let compared = 4096

  package init(path: String) { self.path = path }

  /// When the file was last written, in seconds since 1970, as of the last look.
  package var written: Double? { stamp?.time }

  /// Takes what has been added. A file that isn't there has no lines.
  package mutating func read() -> News {
    var news = News()
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else {
      news.isAnew = offset > 0
      forget()
      return news
    }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0 else { return news }
    let now = FileStamp(status)
    guard now != stamp else { return news }
    if let stamp, offset > 0, !now.isSameFile(as: stamp) || now.size < offset {
      news.isAnew = true
      forget()
    }
    var bytes = Self.bytes(of: file, from: offset - last.count)
    if !bytes.starts(with: last) {
      news.isAnew = true
      forget()
      bytes = Self.bytes(of: file, from: 0)
    }
    stamp = now
    take(bytes, &news)
    return news
  }

  /// Splits what follows `last` into lines and remembers its end.
  private mutating func take(_ bytes: [UInt8], _ news: inout News) {
    let newline = UInt8(ascii: "\n")
    guard let end = bytes.lastIndex(of: newline), end >= last.count else { return }
    let added = bytes[last.count...end]
    news.lines = added.dropLast().split(separator: newline, omittingEmptySubsequences: false)
      .map(Array.init)
    offset += added.count
    last = Array(bytes[...end].suffix(Self.compared))
  }

  private mutating func forget() {
    (offset, last, stamp) = (0, [], nil)
  }

  private static func bytes(of file: Int32, from start: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    var place = off_t(start)
    while true {
      let count = pread(file, &chunk, chunk.count, place)
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { return bytes }
      bytes += chunk[..<count]
      place += off_t(count)
    }
  }

  /// The last finished line of a file, read from its end; nil when there is none.
  package static func lastLine(of path: String) -> [UInt8]? {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0 else { return nil }
    let newline = UInt8(ascii: "\n")
    var reach = 1 << 14
    while true {
      let start = max(0, Int(status.st_size) - reach)
      let bytes = Self.bytes(of: file, from: start)
      if let end = bytes.lastIndex(of: newline) {
        let before = bytes[..<end].lastIndex(of: newline)
        if before != nil || start == 0 { return Array(bytes[(before.map { $0 + 1 } ?? 0)..<end]) }
      }
      guard start > 0 else { return nil }
      reach *= 4
    }
  }
}
