// Open MPI's hostfile, read for the hosts it names and for mistakes that mpirun would take for a
// host or pass over: a line for each host, `name [slots=N] [max_slots=N]`, comments after `#`.

internal import RunFiles

package struct Hostfile: Equatable, Sendable {
  package struct Host: Equatable, Sendable {
    package var name: String
    /// Ranks it takes before the others' turn; nil leaves that to Open MPI (its cores).
    package var slots: Int?

    package init(name: String, slots: Int?) {
      self.name = name
      self.slots = slots
    }
  }

  /// In the file's order, each once: the slots of a host that stands twice are added up.
  package private(set) var hosts: [Host] = []

  /// - Throws: `LaunchError` (66) when it can't be read, (78) with line and remedy when a line is
  ///   none of a hostfile.
  package init(path: String) throws(LaunchError) {
    let bytes: [UInt8]
    do {
      bytes = try RunFile.contents(of: path)
    } catch {
      throw LaunchError("cannot read the hostfile '\(path)': \(error.reason)", code: 66)
    }
    try self.init(parsing: String(decoding: bytes, as: UTF8.self), name: path)
  }

  /// - Parameter name: the file's, for messages.
  package init(parsing text: String, name: String) throws(LaunchError) {
    let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    for (index, line) in lines.enumerated() {
      let words = line.prefix { $0 != "#" }.split { $0 == " " || $0 == "\t" }.map(String.init)
      guard let first = words.first else { continue }
      func mistake(_ problem: String) -> LaunchError {
        LaunchError("\(name):\(index + 1): \(problem)", code: 78)
      }
      guard Self.isHost(first) else {
        throw mistake("'\(first)' is no host; a line is such as 'node1 slots=8'")
      }
      add(Host(name: Self.withoutUser(first), slots: try Self.slots(words.dropFirst(), mistake)))
    }
    guard !hosts.isEmpty else {
      throw LaunchError("\(name): it names no host; a line is such as 'node1 slots=8'", code: 78)
    }
  }

  private mutating func add(_ host: Host) {
    guard let place = hosts.firstIndex(where: { $0.name == host.name }) else {
      return hosts.append(host)
    }
    if let more = host.slots { hosts[place].slots = (hosts[place].slots ?? 0) + more }
  }

  private static func slots(
    _ words: ArraySlice<String>, _ mistake: (String) -> LaunchError
  ) throws(LaunchError) -> Int? {
    var slots: Int?
    for word in words {
      let parts = word.split(separator: "=", omittingEmptySubsequences: false).map(String.init)
      guard parts.count == 2, ["slots", "max_slots", "max-slots"].contains(parts[0]) else {
        throw mistake("'\(word)' is neither slots=N nor max_slots=N")
      }
      guard let count = Int(parts[1]), (1...65_536).contains(count) else {
        throw mistake("\(parts[0]) wants a whole number from 1 to 65536, not '\(parts[1])'")
      }
      if parts[0] == "slots" { slots = count }
    }
    return slots
  }

  /// The hosts of an argument such as `node1:4,node2` of `--host`.
  /// - Throws: `LaunchError` (64).
  package static func hosts(ofList list: String) throws(LaunchError) -> [Host] {
    var hosts: [Host] = []
    for part in list.split(separator: ",", omittingEmptySubsequences: false) {
      let pieces = part.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
      let slots = pieces.count == 2 ? Int(pieces[1]) : nil
      guard let name = pieces.first, isHost(name), pieces.count == 1 || (slots ?? 0) > 0,
        pieces.count <= 2
      else {
        throw LaunchError(
          "option '--host' wants hosts such as node1:4,node2:4, not '\(list)'", code: 64)
      }
      hosts.append(Host(name: withoutUser(name), slots: slots))
    }
    return hosts
  }

  /// Letters, digits and what names and addresses have besides; `user@` may stand before it.
  private static func isHost(_ text: String) -> Bool {
    let name = withoutUser(text)
    guard let first = name.first, first.isLetter || first.isNumber else { return false }
    return name.allSatisfy { $0.isLetter || $0.isNumber || ".-_".contains($0) }
  }

  private static func withoutUser(_ text: String) -> String {
    text.firstIndex(of: "@").map { String(text[text.index(after: $0)...]) } ?? text
  }
}
