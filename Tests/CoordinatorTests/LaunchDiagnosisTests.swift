// The first cause of a failure, out of evidence that is written by hand, in the words of Open MPI
// 4.

import Coordinator
import Glibc
import ModelSpec
import RunFiles
import Schedules
import Testing

@Suite struct LaunchDiagnosisTests {
  private let layout = Layout(pipeline: 2, data: 2, expert: 2, gpusPerNode: 2)

  private func diagnosis() throws -> Diagnosis {
    let schedule = try ScheduleCatalog.make(name: "1f1b", ranks: 2, microbatches: 4, chunks: 2)
    return Diagnosis(grid: StandGrid(layout: layout, plan: try SchedulePlan(lowering: schedule)))
  }

  /// A rank's state, its beat by way of a file, as ranks leave them.
  private func state(
    _ rank: Int, step: Int = 7, done: Int = 3, _ wait: RankBeat.Wait = .nothing,
    on peer: Int? = nil,
    process: ProcessState = .present("S"), phase: RankBeat.Phase = .schedule
  ) throws -> RankState {
    var template = Array("/tmp/dsv3-beat-XXXXXX".utf8CString)
    let file = template.withUnsafeMutableBufferPointer { $0.baseAddress.map { mkstemp($0) } }
    close(file ?? -1)
    let path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    defer { unlink(path) }
    let writer = try BeatWriter(path: path, rank: rank)
    writer.begin(step: step)
    writer.did(actions: done)
    writer.enter(phase)
    if wait != .nothing { writer.wait(wait, peer: peer) }
    var beat = try #require(RankBeat(path: path))
    (beat.host, beat.time) = ("vm", 990)
    return RankState(beat: beat, process: process)
  }

  /// As `mpirun -n 4` says it when rank 2 gets SIGKILL.
  private let killed = """
    --------------------------------------------------------------------------
    Primary job  terminated normally, but 1 process returned
    a non-zero exit code. Per user-direction, the job has been aborted.
    --------------------------------------------------------------------------
    --------------------------------------------------------------------------
    mpirun noticed that process rank 2 with PID 0 on node vm exited on signal 9 (Killed).
    --------------------------------------------------------------------------
    """.split(separator: "\n").map(String.init)

  private func exited(_ code: Int, rank: Int) -> [String] {
    """
    --------------------------------------------------------------------------
    mpirun detected that one or more processes exited with non-zero status, thus causing
    the job to be terminated. The first process to do so was:

      Process name: [[26733,1],\(rank)]
      Exit code:    \(code)
    --------------------------------------------------------------------------
    """.split(separator: "\n").map(String.init)
  }

  private func evidence(_ code: Int32?, _ errors: [String] = []) -> JobEvidence {
    var evidence = JobEvidence(ranks: 4)
    evidence.ending = code.map { .exited($0) }
    evidence.errors = errors
    evidence.hasStarted = true
    evidence.stepsDone = 6
    return evidence
  }

  @Test func aKilledRankIsNamedWithWhatItDid() throws {
    var evidence = evidence(137, killed)
    evidence.states = try [
      state(0), state(1), state(2, .activation, on: 0, process: .gone), state(3),
    ]
    evidence.log = { $0 == 2 ? ["rank 2 of 4", "held 3 layers"] : [] }
    let cause = try diagnosis().cause(evidence, now: 1000)
    #expect(cause.kind == .killed && cause.rank == 2 && cause.host == "vm" && cause.signal == 9)
    #expect(cause.step == 7 && cause.exitCode == 137)
    #expect(cause.message == "rank 2 on vm was killed by signal 9 (Killed)")
    // The second of two pipeline ranks under 1F1B: RECV_F 0, F0, then B0 …
    let action = try #require(cause.details.first)
    #expect(action.hasPrefix("last action: step 7, action 4 of "), "\(action)")
    #expect(action.hasSuffix(", waiting for an activation of rank 0"), "\(action)")
    #expect(cause.details.contains("  held 3 layers"))
    #expect(cause.details.contains { $0.contains("its process is gone") })
  }

  @Test func aKillByTheKernelIsWantOfMemory() throws {
    var evidence = evidence(137, killed)
    evidence.memoryKills = 1
    let cause = try diagnosis().cause(evidence, now: 1000)
    #expect(cause.kind == .outOfMemory && cause.rank == 2)
    #expect(cause.message.contains("memory ran out"))
  }

  @Test func theRankThatFailedItselfIsNamedAndNotOneThatHeardOfIt() throws {
    var evidence = evidence(
      70, ["dsv3-worker: step 5: the loss is nan"] + exited(70, rank: 0))
    evidence.log = { rank in
      rank == 3 ? ["error: step 5: the loss is nan"] : ["error: rank 3 failed"]
    }
    let cause = try diagnosis().cause(evidence, now: 1000)
    #expect(cause.kind == .notFinite && cause.rank == 3 && cause.step == 5 && cause.code == 70)
    #expect(cause.message == "rank 3 left with code 70: step 5: the loss is nan")
  }

  @Test func aFullDiskIsNoOtherWriteError() throws {
    let full = "cannot write 'm': No space left on device; make room"
    var cause = try diagnosis().cause(
      evidence(74, ["dsv3-worker: " + full] + exited(74, rank: 0)), now: 1000)
    #expect(cause.kind == .diskFull && cause.code == 74)
    cause = try diagnosis().cause(
      evidence(74, ["dsv3-worker: cannot write 'm': Permission denied"]), now: 1000)
    #expect(cause.kind == .exited)
  }

  @Test func anAbortNamesItsRank() throws {
    let text = [
      "dsv3-worker: rank 1: MPI_Isend: invalid rank",
      "--------------------------------------------------------------------------",
      "MPI_ABORT was invoked on rank 1 in communicator MPI_COMM_WORLD", "with errorcode 70.",
      "--------------------------------------------------------------------------",
    ]
    let cause = try diagnosis().cause(evidence(70, text), now: 1000)
    #expect(cause.rank == 1 && cause.code == 70)
    #expect(cause.message == "rank 1 left with code 70: rank 1: MPI_Isend: invalid rank")
  }

  @Test func mpirunMayFailItself() throws {
    var evidence = evidence(
      1,
      [
        "--------------------------------------------------------------------------",
        "There are not enough slots available in the system to satisfy the 4",
        "--------------------------------------------------------------------------",
      ])
    evidence.hasStarted = false
    var cause = try diagnosis().cause(evidence, now: 1000)
    #expect(cause.kind == .notStarted && cause.exitCode == 1)
    #expect(cause.details.contains { $0.contains("not enough slots") })
    evidence = self.evidence(nil)
    evidence.ending = .signalled(9)
    cause = try diagnosis().cause(evidence, now: 1000)
    #expect(cause.kind == .launcherEnded && cause.message.contains("mpirun was killed by signal 9"))
  }

  // MARK: Hangs

  @Test func aStoppedRankIsToBlameWhateverItsBeatSays() throws {
    var evidence = evidence(nil)
    evidence.stalled = 120.4
    evidence.states = try [
      state(0, .gradient, on: 2), state(1, .dispatch),
      state(2, .activation, on: 0, process: .present("T")), state(3, .gradient, on: 1),
    ]
    let cause = try diagnosis().cause(evidence, now: 1000)
    #expect(cause.kind == .hung && cause.rank == 2 && cause.exitCode == 70)
    #expect(cause.message.hasPrefix("no progress for 120 s: rank 2 is stopped"))
    #expect(cause.message.hasSuffix("it is waited for by rank 0"))
  }

  @Test func theChainOfWaitsIsFollowedToTheOneThatWaitsForNobody() throws {
    var evidence = evidence(nil)
    evidence.states = try [
      state(0, .gradient, on: 2), state(1, .collective), state(2, .gradient, on: 3),
      state(3, process: .present("R")),
    ]
    let cause = try diagnosis().cause(evidence, now: 1000)
    #expect(cause.rank == 3)
    #expect(cause.message.contains("rank 3 computes without an end"), "\(cause.message)")
    #expect(cause.details.contains { $0.contains("a gradient of rank 3, 10.0 s") })
  }

  @Test func aCircleIsCalledOne() throws {
    var evidence = evidence(nil)
    evidence.states = try [
      state(0, .gradient, on: 2), state(1, .collective), state(2, .activation, on: 0),
      state(3, .collective),
    ]
    let cause = try diagnosis().cause(evidence, now: 1000)
    #expect(cause.message.contains("ranks 0, 2 wait for one another in a circle"))
  }

  @Test func theGridMarksEveryRanksPlace() throws {
    let schedule = try ScheduleCatalog.make(name: "1f1b", ranks: 2, microbatches: 4, chunks: 2)
    let plan = try SchedulePlan(lowering: schedule)
    let grid = StandGrid(layout: layout, plan: plan)
    let states = try [
      state(0, done: 0), nil, state(2, done: plan.actions[1].count),
      state(3, phase: .optimizer),
    ]
    let lines = grid.lines(states, first: [], now: 1000)
    #expect(lines.count == 5)
    #expect(lines[1].contains(">\(plan.actions[0][0])<"))
    #expect(lines[2].contains("no sign of it"))
    #expect(lines[3].contains(">end<") && lines[4].contains(">optimizer<"))
  }
}
