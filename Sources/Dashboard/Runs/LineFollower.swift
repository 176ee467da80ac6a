// A file of lines that grows: each look takes the lines that have been finished since. A run that
// goes on from a checkpoint cuts the file and writes on, so what was read last is compared first.

internal import Glibc

struct LineFollower {
  let path: String
  private var inode: UInt64 = 0
  private var offset = 0
  /// The end of what was read, up to 256 bytes.
  private var seen: [UInt8] = []

  init(path: String) { self.path = path }

  /// Hands over the new lines, without their ends. `restart` is called before when the file began
  /// anew: what was handed over until then no longer holds, and all that it has now follows.
  mutating func update(
    in files: ContainedFiles, restart: () -> Void, line: (ArraySlice<UInt8>) -> Void
  ) {
    var follower = self
    let isThere: Bool? = files.open(path) { file, now in
      if !follower.continues(file, now) {
        follower = LineFollower(path: follower.path)
        follower.inode = now.inode
        restart()
      }
      follower.read(file, to: now.size, line)
      return true
    }
    if isThere == nil && inode != 0 {
      follower = LineFollower(path: path)
      restart()
    }
    self = follower
  }

  private func continues(_ file: Int32, _ now: ContainedFiles.Signature) -> Bool {
    inode == now.inode && now.size >= offset
      && ContainedFiles.bytes(file, from: offset - seen.count, to: offset) == seen
  }

  private mutating func read(_ file: Int32, to size: Int, _ line: (ArraySlice<UInt8>) -> Void) {
    while offset < size {
      let bytes = ContainedFiles.bytes(file, from: offset, to: min(size, offset + (4 << 20)))
      guard let last = bytes.lastIndex(of: UInt8(ascii: "\n")) else { return }
      for part in bytes[..<last].split(separator: UInt8(ascii: "\n")) { line(part) }
      offset += last + 1
      seen = Array((seen + bytes[...last]).suffix(256))
    }
  }
}
