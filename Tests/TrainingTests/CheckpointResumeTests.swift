// Going on from a checkpoint is as if the run had never stopped: bit for bit in every figure and
// in the next checkpoint.

import Checkpoints
import Glibc
import Model
import ModelSpec
import Testing
import Training

extension JobTests {
  struct ResumeTests {
    @Test(arguments: ["dualpipe", "1f1b", "gpipe"])
    func resumedRunEqualsOneThatNeverStopped(schedule: String) throws {
      let run = SmallRun(schedule: schedule)
      let whole = try Worker.run(run.fresh)
      try #require(whole.code == 0, "\(whole.errors)")
      let figures = try run.metrics()
      #expect(figures.count == 6)
      let last = try run.contents(ofStep: 6)
      #expect(last.keys.filter { $0.hasPrefix("average-") }.count == 4)
      let losses = try text(of: run.file("losses.json"))
      #expect(losses.contains("\"held_out_loss_ema\" : ") && !losses.contains("null"))

      // Killed in step 6, before its checkpoint, while a line was being written.
      try run.goBack(from: 6, to: 3)
      let complete = try text(of: run.file("metrics.jsonl"))
      run.files.write("run/metrics.jsonl", complete + "{\"step\": 7, \"tok")
      let resumed = try Worker.run(run.resume)
      try #require(resumed.code == 0, "\(resumed.errors)")
      #expect(resumed.output.contains("step 4/6") && !resumed.output.contains("step 3/6"))
      #expect(!resumed.output.contains("note:"))
      #expect(try run.metrics() == figures)
      #expect(try run.contents(ofStep: 6) == last)
      #expect(try run.averagedLoss(of: resumed) == run.averagedLoss(of: whole))
      for rank in 0..<4 {
        let log = try text(of: run.file("ranks/rank-0000\(rank).log"))
        #expect(log.contains("rank \(rank) of 4") && log.contains("went on from"))
        #expect(log.contains("steps 1–6 took") && log.contains("steps 4–6 took"))
      }
    }

    @Test func checkpointIsAHuggingFaceModelThatAnotherLayoutTrainsOn() throws {
      let run = SmallRun()
      let first = try Worker.run(run.fresh)
      try #require(first.code == 0, "\(first.errors)")
      let model = try HuggingFaceDirectory(path: run.file("checkpoints/latest"))
      #expect(model.names == model.spec.parameters().map(\.name).sorted())
      #expect(try run.names(in: run.file("checkpoints")) == ["latest", "step-3", "step-6"])

      let alone = SmallRun(schedule: "1f1b")
      let second = try Worker.run(
        alone.fresh + [
          "--set", "layout={pipeline: 1, data: 1, expert: 1}", "--steps", "1",
          "--set", "model={path: \(run.file("checkpoints/latest"))}",
          "--set", "schedule.microbatches=8",
        ], ranks: 1)
      try #require(second.code == 0, "\(second.errors)")
      // "Held-out loss: 3.1416 nats per token" of the first run is where the second begins.
      let line = try #require(
        first.output.split(separator: "\n").first { $0.hasPrefix("Held-out loss:") })
      let loss = try #require(line.split(separator: " ").compactMap { Double($0) }.first)
      let begin = try #require(
        second.output.split(separator: "\n").first { $0.hasPrefix("held-out loss") })
      let before = try #require(begin.split(separator: " ").compactMap { Double($0) }.first)
      // The printed four digits may round either way.
      #expect(abs(before - loss) < 1.5e-4)
    }

    /// Each is begun while the one before may still be on its way to disk.
    @Test func checkpointOfEveryStepIsWhole() throws {
      let run = SmallRun()
      let frequent = try Worker.run(
        run.fresh + ["--set", "checkpoint={every: 1, keep: 6}"])
      try #require(frequent.code == 0, "\(frequent.errors)")
      #expect(frequent.output.contains("\nCheckpoints: 6, which held the steps up for "))
      let folder = CheckpointFolder(path: run.file("checkpoints"))
      #expect(try folder.steps() == [1, 2, 3, 4, 5, 6])
      for step in 1...6 {
        #expect(CheckpointManifest.damage(in: folder.checkpoint(step: step)) == nil)
        #expect(try CheckpointState(checkpoint: folder.checkpoint(step: step)).stepsDone == step)
      }
      let rare = SmallRun()
      try #require(try Worker.run(rare.fresh).code == 0)
      for step in [3, 6] {
        let contents = try run.contents(ofStep: step)
        #expect(contents.keys.contains("manifest.json"))
        // The text, and with it the model, is that of another directory: the same all the same.
        #expect(try rare.contents(ofStep: step) == contents)
      }
    }

    /// 4 ranks, then 1, then 2: as the run that stayed on 4.
    @Test func runGoesOnInAnotherLayout() throws {
      let run = SmallRun()
      try #require(try Worker.run(run.fresh).code == 0)
      let losses = try run.losses()
      let other = SmallRun()
      try #require(try Worker.run(other.fresh + ["--steps", "6"]).code == 0)
      try other.goBack(from: 6, to: 3)
      let alone = try Worker.run(
        other.resume + [
          "--set", "layout={pipeline: 1, data: 1, expert: 1}", "--set", "schedule.name=gpipe",
          "--set", "schedule.microbatches=8", "--set", "checkpoint.every=5",
        ], ranks: 1)
      try #require(alone.code == 0, "\(alone.errors)")
      for note in [
        "layout.pipeline was 2 and is 1", "layout.expert was 2 and is 1",
        "schedule.name was dualpipe and is gpipe", "schedule.microbatches was 4 and is 8",
      ] { #expect(alone.output.contains("note: \(note) from here on")) }
      try other.goBack(from: 6, to: 5)
      let two = try Worker.run(
        other.resume + ["--set", "layout.data=2", "--set", "schedule.microbatches=4"], ranks: 2)
      try #require(two.code == 0, "\(two.errors)")
      let own = try other.losses()
      #expect(own.count == 6)
      for (a, b) in zip(own, losses) { #expect(abs(a - b) <= 1e-5 * b) }
    }

    @Test func longerRunGoesOnAndSaysWhatChanges() throws {
      let run = SmallRun()
      try #require(try Worker.run(run.fresh).code == 0)
      let longer = try Worker.run(
        run.resume + ["--steps", "7", "--set", "training.learning_rate=0.002"])
      try #require(longer.code == 0, "\(longer.errors)")
      #expect(longer.output.contains("note: training.steps was 6 and is 7"))
      #expect(longer.output.contains("note: training.learning_rate was 0.008 and is 0.002"))
      #expect(try run.metrics().count == 7)
      #expect(try run.names(in: run.file("checkpoints")) == ["latest", "step-6", "step-7"])
      // Nothing is left to do then; that is no failure.
      let again = try Worker.run(run.resume)
      #expect(again.code == 0)
      #expect(try run.metrics().count == 7)
    }

    @Test func newRunInAUsedDirectoryDoesNotGoOnFromTheOldOne() throws {
      let run = SmallRun()
      try #require(try Worker.run(run.fresh).code == 0)
      let second = try Worker.run(run.fresh + ["--steps", "1", "--set", "checkpoint.every=0"])
      try #require(second.code == 0, "\(second.errors)")
      #expect(second.output.contains("has checkpoints of an earlier run"))
      #expect(try run.metrics().count == 1)
      let resumed = try Worker.run(run.resume)
      #expect(resumed.code == 66 && resumed.complaints.count == 1)
    }
  }
}

extension SmallRun {
  /// The closing report's line about the mean of the weights.
  fileprivate func averagedLoss(of job: JobResult) throws -> Substring {
    try #require(
      job.output.split(separator: "\n").first { $0.hasPrefix("Held-out loss with the mean") })
  }
}
