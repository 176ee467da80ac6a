// Who descends from a process. mpirun puts each rank in a process group of its own, and ranks
// outlive an mpirun that is killed outright, so killing a group is not enough.

internal import Glibc

enum Descendants {
  /// Children of a process, their children, and so on, by /proc.
  static func of(_ process: Int32) -> [Int32] {
    var children: [Int32: [Int32]] = [:]
    for (child, parent) in parents() { children[parent, default: []].append(child) }
    var found: [Int32] = []
    var open = children[process] ?? []
    while let next = open.popLast() {
      found.append(next)
      open += children[next] ?? []
    }
    return found
  }

  /// Every process with its parent.
  private static func parents() -> [(process: Int32, parent: Int32)] {
    guard let folder = opendir("/proc") else { return [] }
    defer { closedir(folder) }
    var result: [(process: Int32, parent: Int32)] = []
    while let entry = readdir(folder) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      guard let process = Int32(name), let parent = parent(of: process) else { continue }
      result.append((process, parent))
    }
    return result
  }

  /// The fourth field of /proc/PID/stat; the second is a name in parentheses and may hold anything.
  private static func parent(of process: Int32) -> Int32? {
    guard let file = fopen("/proc/\(process)/stat", "re") else { return nil }
    defer { fclose(file) }
    var buffer = [UInt8](repeating: 0, count: 512)
    let count = fread(&buffer, 1, buffer.count, file)
    let bytes = buffer[..<count]
    guard let end = bytes.lastIndex(of: UInt8(ascii: ")")) else { return nil }
    let fields = bytes[(end + 1)...].split(separator: UInt8(ascii: " "))
    return fields.count > 1 ? Int32(String(decoding: fields[1], as: UTF8.self)) : nil
  }
}
