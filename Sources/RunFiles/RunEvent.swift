// events.jsonl: what happened to a run's job, a line each: launches, failures with their first
// cause, restarts, faults that were injected. Lines are only added, by the coordinator and by ranks
// that make a fault, each with one write, so that none is torn by another.

internal import Glibc
package import JSON

package struct RunEvent: Equatable, Sendable {
  package enum Kind: String, Sendable, CaseIterable {
    case launched
    /// A rank died, hung or gave up: the first cause.
    case failure
    case restart
    /// The newest checkpoint was damaged and the one before is used.
    case fallback
    case checkpoint
    /// A fault that somebody asked for was made.
    case fault
    case finished
    case stopped
    /// No more restarts.
    case gaveUp = "gave_up"
  }

  /// Seconds since 1970.
  package var time: Double
  package var kind: Kind
  /// A sentence.
  package var message: String
  package var step: Int?
  package var rank: Int?
  package var host: String?
  package var signal: Int32?
  /// Further lines: the end of a log, the grid of who waits for whom.
  package var details: [String]

  package init(
    time: Double, kind: Kind, message: String, step: Int? = nil, rank: Int? = nil,
    host: String? = nil, signal: Int32? = nil, details: [String] = []
  ) {
    self.time = time
    self.kind = kind
    self.message = message
    self.step = step
    self.rank = rank
    self.host = host
    self.signal = signal
    self.details = details
  }
}

extension RunEvent.Kind: Decodable {}

extension RunEvent: Decodable {
  /// What is unknown has no key.
  package var json: JSONValue {
    var members: [String: JSONValue] = [
      "time": .number(time), "kind": .string(kind.rawValue), "message": .string(message),
      "details": .array(details.map { .string($0) }),
    ]
    members["step"] = step.map { .integer($0) }
    members["rank"] = rank.map { .integer($0) }
    members["host"] = host.map { .string($0) }
    members["signal"] = signal.map { .integer(Int($0)) }
    return .object(members)
  }

  /// Adds this event to events.jsonl.
  package func append(to path: String) throws(RunFileError) {
    let line = json.line() + [UInt8(ascii: "\n")]
    let file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o666)
    guard file >= 0 else { throw RunFileError("write", path) }
    defer { close(file) }
    let written = line.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
    guard written == line.count else { throw RunFileError("write", path) }
  }

  /// All events of a run; a last line that is being written is left out, and so is one of a kind
  /// that this program doesn't know.
  package static func all(at path: String) -> [RunEvent] {
    guard let bytes = try? RunFile.contents(of: path) else { return [] }
    return bytes.split(separator: UInt8(ascii: "\n")).compactMap {
      try? JSONValue.decode(RunEvent.self, from: Array($0))
    }
  }
}
