// A run in a line: what the list of runs shows, and what the history keeps when its directory is
// gone.

package import JSON
package import RunConfiguration
package import RunFiles

package struct RunSummary: Equatable, Sendable {
  package var name: String
  /// When its directory was made, in milliseconds since 1970: here runs of the same name differ.
  package var born: Int
  package var state: RunState
  package var step: Int?
  package var totalSteps: Int?
  /// Of the last step, in nats a token.
  package var loss: Double?
  /// Of the last step, by the wall clock.
  package var tokensPerSecond: Double?
  /// Of the last step, in virtual seconds.
  package var virtualStep: Double?
  package var restarts: Int
  /// Seconds since 1970.
  package var started: Double?
  package var lastWritten: Double?
  /// Pipeline × data × expert.
  package var layout: String?
  package var schedule: String?
  package var precision: String?
  /// The same for runs of the same configuration, wherever they are.
  package var configurationDigest: String?
  /// Whether the directory was deleted and only the history knows the run.
  package var isDeleted = false

  package init(_ view: RunView) {
    name = view.name
    born = Int(((view.born ?? 0) * 1000).rounded())
    state = view.state
    let latest = view.latest
    step = latest?.step
    totalSteps = view.totalSteps
    loss = latest?.loss
    tokensPerSecond = latest?.tokensPerSecond
    virtualStep = latest?.virtual?.stepSeconds
    restarts = view.restarts
    started = view.started
    lastWritten = view.lastWritten
    let setup = view.configuration.map(RunSetup.init)
    layout = setup?.layout
    schedule = setup?.schedule
    precision = setup?.precision
    configurationDigest = view.configuration.map(Self.digest)
  }

  /// A configuration's name: FNV-1a, 64 bits, of its keys and values, but for those that say where
  /// a run is and what is kept of it.
  package static func digest(_ configuration: RunConfiguration) -> String {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for (key, value) in configuration.settings {
      let section = key.path.prefix { $0 != "." }
      guard section != "run", section != "checkpoint" else { continue }
      for byte in "\(key.path)=\(value.json)\n".utf8 {
        hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3
      }
    }
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  /// The runs of a folder, the newest first.
  package static func all(in folder: RunFolder) -> [RunView] {
    folder.runs().map { directory in
      var view = RunView(directory, depth: .lastStep)
      view.update()
      return view
    }.sorted { ($0.started ?? 0, $0.name) > ($1.started ?? 0, $1.name) }
  }

  /// Under the keys of `dsv3 runs --json`; what isn't known is null.
  package var json: JSONValue {
    func number(_ value: Double?) -> JSONValue {
      value.flatMap { $0.isFinite ? .number($0) : nil } ?? .null
    }
    func text(_ value: String?) -> JSONValue { value.map { .string($0) } ?? .null }
    return .object([
      "name": .string(name), "state": .string(state.rawValue),
      "step": step.map { .integer($0) } ?? .null,
      "steps": totalSteps.map { .integer($0) } ?? .null, "loss": number(loss),
      "tokens_per_second": number(tokensPerSecond), "virtual_step_seconds": number(virtualStep),
      "restarts": .integer(restarts), "started": number(started),
      "last_written": number(lastWritten), "layout": text(layout), "schedule": text(schedule),
      "precision": text(precision), "configuration_digest": text(configurationDigest),
      "deleted": .bool(isDeleted),
    ])
  }
}
