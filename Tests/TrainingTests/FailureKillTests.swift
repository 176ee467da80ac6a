// A rank that dies ends the job, and the run goes on from its last checkpoint.

import Glibc
import Testing
import Training

extension JobTests {
  struct KillTests {
    @Test func deathOfARankEndsTheJobAndTheRunGoesOn() throws {
      let run = SmallRun()
      let job = try Worker.start(
        run.fresh + ["--steps", "100000", "--set", "training.lr_schedule=constant"])
      var ranks: [pid_t] = []
      // Wait for a checkpoint; the logs of the ranks say their process numbers.
      for _ in 0..<1000 where access(run.file("checkpoints/latest"), F_OK) != 0 { usleep(20_000) }
      for rank in 0..<4 {
        let log = try text(of: run.file("ranks/rank-0000\(rank).log"))
        let words = log.split { $0 == " " || $0 == "\n" }
        let place = try #require(words.firstIndex(of: "process"))
        ranks.append(try #require(pid_t(words[place + 1])))
      }
      let killed = ActivityClock.now()
      try #require(kill(ranks[2], SIGKILL) == 0)
      let result = try job.wait()
      // Open MPI passes on the code of the first that died: 128 + 9.
      #expect(result.code == 137)
      #expect(Double(ActivityClock.now() - killed) / 1e9 < 10)
      for _ in 0..<100 where ranks.contains(where: { kill($0, 0) == 0 }) { usleep(20_000) }
      #expect(ranks.allSatisfy { kill($0, 0) != 0 }, "no rank is left over")

      let saved = try #require(try CheckpointFolder(path: run.file("checkpoints")).steps().last)
      let resumed = try Worker.run(run.resume + ["--steps", "\(saved + 2)"])
      #expect(resumed.code == 0, "\(resumed.errors)")
      let figures = try run.metrics()
      #expect(figures.count == saved + 2)
      for (index, line) in figures.enumerated() {
        #expect(line.hasPrefix("{\"step\": \(index + 1), ") || line == "{\"step\": \(index + 1)")
      }
    }
  }
}
