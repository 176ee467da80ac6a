// When a failed job is started again; and that a run has one coordinator.

import Coordinator
import Glibc
import RunFiles
import Testing

@Suite struct LaunchPolicyTests {
  private let room = (free: 1 << 40, needed: 1 << 20)

  private func killed(step: Int) -> FirstCause {
    var cause = FirstCause(.killed, "rank 1 was killed")
    (cause.rank, cause.signal, cause.step) = (1, 9, step)
    return cause
  }

  private func exited(_ code: Int32, step: Int, _ kind: FirstCause.Kind = .exited) -> FirstCause {
    var cause = FirstCause(kind, "rank 0 left")
    (cause.rank, cause.code, cause.step) = (0, code, step)
    return cause
  }

  /// 1, 2, 4 … seconds; then no more.
  @Test func waitsDoubleAndEnd() {
    var policy = RestartPolicy(mostRestarts: 8, backoff: 1)
    for wait in [1.0, 2, 4, 8, 16, 32, 60, 60] {
      #expect(
        policy.decide(killed(step: 4), checkpoint: 0, room: room) == .restart(afterSeconds: wait))
    }
    guard case .giveUp(let reason) = policy.decide(killed(step: 4), checkpoint: 0, room: room)
    else {
      Issue.record("a ninth restart")
      return
    }
    #expect(reason.hasPrefix("8 restarts in a row brought no newer checkpoint"))
  }

  @Test func aNewerCheckpointStartsTheCountAnew() {
    var policy = RestartPolicy(mostRestarts: 2, backoff: 1)
    for checkpoint in [0, 10, 20] {
      for wait in [1.0, 2] {
        #expect(
          policy.decide(killed(step: 4), checkpoint: checkpoint, room: room)
            == .restart(afterSeconds: wait))
      }
    }
    // An older one, after a damaged newest, is no progress.
    guard case .giveUp = policy.decide(killed(step: 4), checkpoint: 10, room: room) else {
      Issue.record("restarted")
      return
    }
  }

  @Test(arguments: [64, 65, 66, 78] as [Int32])
  func mistakesAreNotRepeated(_ code: Int32) {
    var policy = RestartPolicy(mostRestarts: 3, backoff: 1)
    guard case .giveUp = policy.decide(exited(code, step: 1), checkpoint: 0, room: room) else {
      Issue.record("restarted")
      return
    }
  }

  @Test func aLossThatIsNotFiniteTwiceAtTheSameStepEndsTheRun() {
    var policy = RestartPolicy(mostRestarts: 3, backoff: 1)
    let failure = exited(70, step: 9, .notFinite)
    #expect(policy.decide(failure, checkpoint: 5, room: room) == .restart(afterSeconds: 1))
    guard case .giveUp(let reason) = policy.decide(failure, checkpoint: 5, room: room) else {
      Issue.record("restarted")
      return
    }
    #expect(reason.contains("training.learning_rate"))
    // At another step it is another failure.
    var other = RestartPolicy(mostRestarts: 3, backoff: 1)
    _ = other.decide(failure, checkpoint: 5, room: room)
    #expect(
      other.decide(exited(70, step: 8, .notFinite), checkpoint: 5, room: room)
        == .restart(afterSeconds: 2))
  }

  @Test func aFullDiskWaitsForNobodyToMakeRoom() {
    var policy = RestartPolicy(mostRestarts: 3, backoff: 0)
    let failure = exited(74, step: 9, .diskFull)
    guard
      case .giveUp(let reason) = policy.decide(
        failure, checkpoint: 5, room: (free: 1 << 20, needed: 5 << 20))
    else {
      Issue.record("restarted")
      return
    }
    #expect(reason.contains("1 MiB free, a checkpoint takes 5 MiB"))
    #expect(
      policy.decide(exited(74, step: 10, .diskFull), checkpoint: 5, room: room)
        == .restart(afterSeconds: 0))
  }

  /// flock(2) locks belong to the open file, so two in one process exclude one another as two
  /// processes do.
  @Test func aRunHasOneCoordinator() throws {
    var template = Array("/tmp/dsv3-lock-XXXXXX".utf8CString)
    let path = try #require(
      template.withUnsafeMutableBufferPointer { buffer in
        buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) }
      })
    defer {
      unlink(path + "/run.json.lock")
      rmdir(path)
    }
    var lock: RunLock? = try RunLock(RunDirectory(path: path))
    do {
      _ = try RunLock(RunDirectory(path: path))
      Issue.record("two have it")
    } catch let error as LaunchError {
      #expect(error.exitCode == 75)
      #expect(error.description.contains("process \(getpid()) on "), "\(error)")
    }
    #expect(lock != nil)
    lock = nil
    lock = try RunLock(RunDirectory(path: path))
    #expect(lock != nil)
  }
}
