// Processes by /proc: who this one is, and whether another is still the one it was.

internal import Glibc

package enum ProcessTable {
  /// This process.
  package static var own: ProcessIdentity {
    ProcessIdentity(host: hostName, pid: getpid(), ticks: ticks(of: getpid()) ?? 0)
  }

  /// This machine's name, as far as it has one.
  package static var hostName: String {
    var name = [CChar](repeating: 0, count: 256)
    guard gethostname(&name, name.count - 1) == 0 else { return "localhost" }
    return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  /// When a process began, in clock ticks since boot (field 22 of /proc/PID/stat; the second is a
  /// name in parentheses and may hold anything); nil when there is none, or only its zombie.
  package static func ticks(of pid: Int32) -> Int? {
    guard let bytes = try? RunFile.contents(of: "/proc/\(pid)/stat"),
      let end = bytes.lastIndex(of: UInt8(ascii: ")"))
    else { return nil }
    let fields = bytes[(end + 1)...].split(separator: UInt8(ascii: " "))
    guard fields.count > 19, fields[0].first != UInt8(ascii: "Z") else { return nil }
    return Int(String(decoding: fields[19], as: UTF8.self))
  }

  /// Whether a process is still there; nil where that can't be told because it is on another host.
  package static func isAlive(_ process: ProcessIdentity) -> Bool? {
    guard process.host == hostName else { return nil }
    return ticks(of: process.pid) == process.ticks
  }
}
