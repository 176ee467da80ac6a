// run.json: who launched a run, with what, and what became of it. The coordinator writes it anew,
// whole, whenever something changes; a run that was started by mpirun alone has none.

package import JSON

/// A run as its coordinator knows it.
package struct RunRecord: Equatable, Sendable {
  package enum State: String, Sendable, CaseIterable {
    /// mpirun has been started and no step is done yet.
    case starting
    case running
    /// The job failed and is started again from a checkpoint.
    case restarting
    case finished
    case failed
    /// Asked to end, and may be gone on with.
    case stopped
  }

  package var name: String
  package var state: State
  package var coordinator: ProcessIdentity
  /// mpirun of the current attempt; nil while there is none.
  package var job: ProcessIdentity?
  package var ranks: Int
  /// Hosts of the ranks as far as they were given; empty on this machine alone.
  package var hosts: [String]
  /// The line that started the current attempt.
  package var command: [String]
  /// Seconds since 1970.
  package var started: Double
  package var updated: Double
  package var ended: Double?
  package var restarts: Int
  package var maxRestarts: Int
  package var exitCode: Int32?
  /// Steps of the plan.
  package var steps: Int
  /// Why it failed or stopped, in a sentence; empty otherwise.
  package var reason: String

  package init(
    name: String, state: State, coordinator: ProcessIdentity, ranks: Int, hosts: [String],
    command: [String], started: Double, maxRestarts: Int, steps: Int
  ) {
    self.name = name
    self.state = state
    self.coordinator = coordinator
    self.ranks = ranks
    self.hosts = hosts
    self.command = command
    self.started = started
    updated = started
    restarts = 0
    self.maxRestarts = maxRestarts
    self.steps = steps
    reason = ""
  }
}

/// A process with the time it began at (clock ticks since boot, field 22 of /proc/PID/stat), so
/// that a later one of the same number is not mistaken for it.
package struct ProcessIdentity: Equatable, Sendable, Decodable {
  package var host: String
  package var pid: Int32
  package var ticks: Int

  package init(host: String, pid: Int32, ticks: Int) {
    self.host = host
    self.pid = pid
    self.ticks = ticks
  }

  var json: JSONValue {
    .object(["host": .string(host), "pid": .integer(Int(pid)), "ticks": .integer(ticks)])
  }
}

extension RunRecord.State: Decodable {}

extension RunRecord: Decodable {
  private enum CodingKeys: String, CodingKey {
    case name, state, coordinator, job, ranks, hosts, command, started, updated, ended, restarts
    case maxRestarts = "max_restarts"
    case exitCode = "exit_code"
    case steps, reason
  }

  /// As run.json has it; what is not there yet is null.
  package var json: JSONValue {
    .object([
      "name": .string(name), "state": .string(state.rawValue), "coordinator": coordinator.json,
      "job": job?.json ?? .null, "ranks": .integer(ranks),
      "hosts": .array(hosts.map { .string($0) }), "command": .array(command.map { .string($0) }),
      "started": .number(started), "updated": .number(updated),
      "ended": ended.map { .number($0) } ?? .null, "restarts": .integer(restarts),
      "max_restarts": .integer(maxRestarts),
      "exit_code": exitCode.map { .integer(Int($0)) } ?? .null, "steps": .integer(steps),
      "reason": .string(reason),
    ])
  }

  /// Reads run.json.
  /// - Throws: `RunFileError` when it can't be read or is none.
  package init(path: String) throws(RunFileError) {
    let bytes = try RunFile.contents(of: path)
    do {
      self = try JSONValue.decode(RunRecord.self, from: bytes)
    } catch {
      throw RunFileError("read", path, reason: error.reason)
    }
  }

  package func write(to path: String) throws(RunFileError) {
    try RunFile.replace(path, with: json.text())
  }
}
