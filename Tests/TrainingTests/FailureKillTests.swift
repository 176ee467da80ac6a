// A rank that dies ends the job, and the run goes on from its last checkpoint; so it does when it
// was asked to end. No rank outlives its mpirun.

import Checkpoints
import Glibc
import Testing
import Training

extension JobTests {
  struct KillTests {
    @Test func deathOfARankEndsTheJobAndTheRunGoesOn() throws {
      let run = SmallRun()
      let job = try Worker.start(
        run.fresh + ["--steps", "100000", "--set", "training.lr_schedule=constant"])
      run.wait(for: "checkpoints/latest")
      let ranks = try run.processes()
      let killed = ActivityClock.now()
      try #require(kill(ranks[2], SIGKILL) == 0)
      let result = try job.wait()
      // Open MPI passes on the code of the first that died: 128 + 9.
      #expect(result.code == 137)
      #expect(Double(ActivityClock.now() - killed) / 1e9 < 10)
      #expect(run.areGone(ranks), "no rank is left over")

      let saved = try #require(try CheckpointFolder(path: run.file("checkpoints")).steps().last)
      let resumed = try Worker.run(run.resume + ["--steps", "\(saved + 2)"])
      #expect(resumed.code == 0, "\(resumed.errors)")
      let figures = try run.metrics()
      #expect(figures.count == saved + 2)
      for (index, line) in figures.enumerated() {
        #expect(line.hasPrefix("{\"step\": \(index + 1), ") || line == "{\"step\": \(index + 1)")
      }
    }

    @Test func noRankOutlivesItsMPIRun() throws {
      let run = SmallRun()
      let job = try Worker.start(
        run.fresh + ["--steps", "100000", "--set", "training.lr_schedule=constant"])
      run.wait(for: "checkpoints/latest")
      let ranks = try run.processes()
      try #require(kill(job.process, SIGKILL) == 0)
      #expect(try job.wait().code == 137)
      #expect(run.areGone(ranks))
    }

    /// SIGUSR1 is for a checkpoint; SIGUSR2, and SIGTERM to a rank, for one and the end.
    @Test func signalsAskForACheckpointAndForTheEnd() throws {
      let run = SmallRun()
      let folder = CheckpointFolder(path: run.file("checkpoints"))
      let endless = [
        "--steps", "100000", "--set", "training.lr_schedule=constant", "--set",
        "checkpoint.every=0",
      ]
      var job = try Worker.start(run.fresh + endless)
      run.wait(forLines: 2)
      try #require(kill(job.process, SIGUSR1) == 0)
      run.wait(for: "checkpoints/latest")
      // All four ranks were told, one after the other: that is one checkpoint.
      run.wait(forLines: run.steps + 3)
      #expect(try folder.steps().count == 1)
      try #require(kill(job.process, SIGUSR2) == 0)
      var result = try job.wait()
      #expect(result.code == 75, "\(result.errors)")
      var last = try #require(try folder.steps().last)
      #expect(try folder.newest() == folder.checkpoint(step: last))
      #expect(result.output.contains("stopped on request after step \(last)"))
      #expect(run.steps == last)

      job = try Worker.start(run.resume + endless.dropFirst(2))
      run.wait(forLines: last + 2)
      try #require(kill(try run.processes()[3], SIGTERM) == 0)
      result = try job.wait()
      #expect(result.code == 75, "\(result.errors)")
      let before = last
      last = try #require(try folder.steps().last)
      #expect(last > before)
      #expect(run.steps == last)
      #expect(CheckpointManifest.damage(in: try folder.newest()) == nil)
    }
  }
}

extension SmallRun {
  /// Process numbers of the ranks, which the newest of their logs' headings say.
  fileprivate func processes() throws -> [pid_t] {
    try (0..<4).map { rank in
      let log = try text(of: file("ranks/rank-0000\(rank).log"))
      let words = log.split { $0 == " " || $0 == "\n" }
      let place = try #require(words.lastIndex(of: "process"))
      return try #require(pid_t(words[place + 1]))
    }
  }

  /// Until a file is there, or 20 seconds.
  fileprivate func wait(for name: String) {
    for _ in 0..<1000 where access(file(name), F_OK) != 0 { usleep(20_000) }
  }

  /// Until metrics.jsonl has so many lines, or 20 seconds.
  fileprivate func wait(forLines count: Int) {
    for _ in 0..<1000 where steps < count { usleep(20_000) }
  }

  /// Whether the processes end within 2 seconds.
  fileprivate func areGone(_ processes: [pid_t]) -> Bool {
    for _ in 0..<100 where processes.contains(where: { kill($0, 0) == 0 }) { usleep(20_000) }
    return processes.allSatisfy { kill($0, 0) != 0 }
  }
}
