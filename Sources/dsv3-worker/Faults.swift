// Makes faults: those of the configuration in their steps, and those that `dsv3 inject` asks for.
// Each rank looks for its own, so that none needs to hear of another's. A fault is made once in a
// run: its mark and its event are written before it happens.

import Glibc
import ModelSpec
import RunConfiguration
import RunFiles
import Training

final class FaultMaker {
  private let directory: RunDirectory
  private let folder: FaultFolder
  private let rank: Int
  private let seed: UInt64
  private let log: LogFile?
  /// Faults of this rank that have not been made.
  private var pending: [Pending]
  private var known: Set<String>
  /// Until which step this rank is slow, and by what.
  private var slow: (until: Int, factor: Double)?

  private struct Pending {
    /// Of its mark.
    var id: String
    var fault: Fault
    /// Somebody asked for it while the run goes on, so it may come late.
    var isRequest: Bool
  }

  init(_ configuration: RunConfiguration, _ directory: RunDirectory, rank: Int, log: LogFile?) {
    self.directory = directory
    self.rank = rank
    self.log = log
    folder = FaultFolder(path: directory.faults)
    seed = configuration.plan.seed
    let marks = folder
    pending = configuration.faults.filter { ($0.rank ?? 0) == rank }.map { fault in
      let id = fault.text.split(separator: " ").joined(separator: "-")
      return Pending(id: id, fault: fault, isRequest: false)
    }.filter { marks.mark($0.id) == nil }
    known = []
  }

  /// What goes wrong in a step, of this rank's `actions`.
  func disturbance(step: Int, actions: Int) throws -> Disturbance {
    takeRequests()
    var result = Disturbance()
    for (index, next) in pending.enumerated().reversed() where isDue(next, in: step) {
      if next.fault.kind != .corrupt { pending.remove(at: index) }
      try begin(next, step: step, actions: actions, &result)
    }
    if let slow, step < slow.until { result.slowness = slow.factor }
    return result
  }

  private func takeRequests() {
    for request in folder.requests() where known.insert(request.id).inserted {
      guard let fault = Fault(parsing: request.text), (fault.rank ?? 0) == rank,
        request.isTaken || folder.take(request.id)
      else { continue }
      pending.append(Pending(id: request.id, fault: fault, isRequest: true))
    }
  }

  /// A checkpoint is damaged behind its step, everything else happens in it.
  private func isDue(_ next: Pending, in step: Int) -> Bool {
    guard let wanted = next.fault.step else { return true }
    if next.fault.kind == .corrupt { return step > wanted }
    return next.isRequest ? step >= wanted : step == wanted
  }

  private func begin(
    _ next: Pending, step: Int, actions: Int, _ result: inout Disturbance
  ) throws {
    var random = SeededGenerator(seed: seed, stream: Self.number(next.id))
    switch next.fault.kind {
    case .kill, .hang:
      let action = actions > 0 ? random.next(below: actions) : 0
      let isKill = next.fault.kind == .kill
      result.interruption = (
        action,
        { [self] in
          try record(
            next, step,
            "rank \(rank) \(isKill ? "kills itself" : "hangs") in step \(step), before action "
              + "\(action + 1) of \(actions)")
          if isKill { kill(getpid(), SIGKILL) }
          while true { sleep(3600) }
        }
      )
    case .nan:
      try record(next, step, "a NaN gets into a gradient of rank \(rank) in step \(step)")
      result.spoilsGradient = random.next()
    case .flip:
      try record(next, step, "a bit of a weight of rank \(rank) flips in step \(step)")
      result.flipsBit = random.next()
    case .slow:
      let fault = next.fault
      try record(
        next, step,
        "rank \(rank) takes \(fault.factor) times as long to compute from step \(step) on, for "
          + "\(fault.length) steps")
      slow = (step + fault.length, fault.factor)
    case .corrupt:
      guard let damage = CheckpointDamage(RunDirectory(path: directory.path), &random) else {
        return  // there is none yet, or one is being written
      }
      pending.removeAll { $0.id == next.id }
      try record(next, step, "before step \(step), \(damage)")
      try damage.perform()
    }
  }

  private func record(_ next: Pending, _ step: Int, _ sentence: String) throws {
    try folder.mark(next.id, sentence)
    let event = RunEvent(
      time: RunFile.now, kind: .fault, message: sentence, step: step, rank: rank,
      host: ProcessTable.hostName)
    try event.append(to: directory.events)
    try log?.write("fault: \(sentence)\n")
  }

  /// A number of a text, the same everywhere (FNV-1a).
  private static func number(_ text: String) -> UInt64 {
    text.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
  }
}
