// Failures of a job as its user meets them: one message from one rank that names key, file and
// value, one exit code for all (sysexits), and an end within seconds.

import Checkpoints
import Glibc
import RunFiles
import Testing
import Training

extension JobTests {
  struct FailureTests {
    struct Mistake: Sendable, CustomTestStringConvertible {
      var what: String
      var options: [String]
      var ranks = 4
      var code: Int32
      /// What the message must name.
      var names: [String]
      var testDescription: String { what }
    }

    /// One complaint that names everything, the exit code, and no hang.
    private func expect(_ result: JobResult, _ code: Int32, _ names: [String], _ what: String) {
      #expect(result.code == code, "\(what): \(result.errors)")
      #expect(result.complaints.count == 1, "\(what): \(result.errors)")
      for name in names { #expect(result.errors.contains(name), "\(what): \(result.errors)") }
      #expect(result.seconds < 20, "\(what)")
    }

    static let mistakes: [Mistake] = [
      Mistake(
        what: "unknown key", options: ["--set", "training.stepz=4"], code: 78,
        names: ["training.stepz", "did you mean 'steps'"]),
      Mistake(
        what: "bad value", options: ["--set", "training.steps=many"], code: 78,
        names: ["training.steps=many", "whole number"]),
      Mistake(
        what: "unknown option", options: ["--sets"], code: 64,
        names: ["--sets", "try 'dsv3-worker --help'"]),
      Mistake(
        what: "layout for other ranks", options: ["--set", "layout.data=4"], code: 78,
        names: ["4 MPI ranks were started", "mpirun -n 8", "--set layout.pipeline=2"]),
      Mistake(
        what: "missing text", options: ["--set", "data.sources=[/nowhere/text]"], code: 66,
        names: ["data.sources", "/nowhere/text"]),
      Mistake(
        what: "too little text",
        options: ["--set", "data.sources=[LICENSE]", "--set", "training.sequence=2000"], code: 65,
        names: ["data.sources", "tokens", "training.sequence"]),
      Mistake(
        what: "missing model", options: ["--set", "model={path: /nowhere/model}"], code: 66,
        names: ["/nowhere/model"]),
      Mistake(
        what: "size that no model can have",
        options: ["--set", "model.dimensions.rope_head_dim=3"], code: 78,
        names: ["model.dimensions.rope_head_dim=3", "must be even"]),
      Mistake(
        what: "size that needs another one", options: ["--set", "model.dimensions.experts=0"],
        code: 78, names: ["model.dimensions.dense_layers", "must be 4"]),
      Mistake(
        what: "run directory below a file", options: ["--run-dir", "LICENSE/run"], code: 74,
        names: ["LICENSE", "--run-dir"]),
      Mistake(
        what: "missing configuration", options: ["--config", "/nowhere.yaml"], code: 66,
        names: ["/nowhere.yaml"]),
      Mistake(
        what: "missing schedule", options: ["--set", "schedule={file: /nowhere.csv}"], code: 66,
        names: ["schedule", "/nowhere.csv"]),
      Mistake(
        what: "micro-batches that DualPipe can't have",
        options: ["--set", "schedule.microbatches=3"], code: 78,
        names: ["schedule.name", "schedule.microbatches", "3 micro-batches"]),
      Mistake(
        what: "loss that is not finite",
        options: [
          "--set", "training.learning_rate=1e30", "--set", "training.warmup_steps=1",
        ], code: 70, names: ["step 2", "learning rate 1e+30", "training.learning_rate"]),
      Mistake(
        what: "no checkpoint", options: ["--resume"], code: 66,
        names: ["checkpoints/latest", "--resume"]),
    ]

    @Test(arguments: mistakes) func mistakeIsOneMessageAndOneExitCode(_ mistake: Mistake) throws {
      let run = SmallRun()
      let result = try Worker.run(run.fresh + mistake.options, ranks: mistake.ranks)
      expect(result, mistake.code, mistake.names, mistake.what)
    }

    @Test func shippedConfigurationOnThreeRanksSaysWhichLayoutsFit() throws {
      let result = try Worker.run(["--config", "cluster.yaml"], ranks: 3)
      expect(
        result, 78,
        [
          "cluster.yaml:", "3 MPI ranks were started", "mpirun -n 16",
          "--set schedule.name=1f1b --set layout.pipeline=3 --set layout.data=1",
        ], "3 ranks")
    }

    @Test func badScheduleFileIsNamedWithLineAndCell() throws {
      let run = SmallRun()
      run.files.write("bad.csv", "0F0,0B0\n1F0,1Q0\n")
      let path = run.files("bad.csv")
      let result = try Worker.run(run.fresh + ["--set", "schedule={file: \(path)}"])
      expect(result, 78, ["schedule", path, "line 2, cell 2", "1Q0"], "CSV")
    }

    /// Two ranks with two stages each, looped and then folded: no setting tells the two apart, and
    /// the ranks' shares of the weights are others.
    @Test func scheduleFileThatWasEditedIsFollowedWhenTheRunGoesOn() throws {
      let run = SmallRun()
      let looped = (0..<2).map { "\($0)F0,\($0 + 2)F0,\($0 + 2)B0,\($0)B0\n" }.joined()
      let folded = "0F0,3F0,3B0,0B0\n1F0,2F0,2B0,1B0\n"
      run.files.write("my.csv", looped)
      let options = [
        "--set", "schedule={file: \(run.files("my.csv")), microbatches: 1}",
      ]
      let first = try Worker.run(run.fresh + options)
      try #require(first.code == 0, "\(first.errors)")
      #expect(first.output.contains("Peak activations (micro-batches × stages)"))
      #expect(first.output.contains("by pipeline rank: 2 2"))
      let losses = try run.losses()
      try run.goBack(from: 6, to: 3)
      run.files.write("my.csv", folded)
      let second = try Worker.run(run.resume)
      try #require(second.code == 0, "\(second.errors)")
      for (a, b) in zip(try run.losses(), losses) { #expect(abs(a - b) <= 1e-5 * b) }
    }

    @Test func scheduleFileForOtherRanksOrMicroBatchesIsNamedWithBoth() throws {
      let run = SmallRun()
      run.files.write("my.csv", "0F0,0B0\n1F0,1B0\n2F0,2B0\n")
      let option = "schedule={file: \(run.files("my.csv")), microbatches: 1}"
      expect(
        try Worker.run(run.fresh + ["--set", option]), 78,
        ["schedule", "my.csv", "3 lines", "2 ranks", "layout.pipeline"], "3 ranks")
      run.files.write("my.csv", "0F0,0B0\n1F0,1B0\n")
      expect(
        try Worker.run(run.fresh + ["--set", option.replacing("batches: 1", with: "batches: 2")]),
        78, ["schedule", "my.csv", "1 micro-batches", "2 are", "schedule.microbatches"], "1 of 2")
    }

    @Test(
      .enabled(if: hasFullDevice, "needs the device /dev/full"),
      arguments: ["metrics.jsonl", "loads.jsonl"])
    func fullDiskEndsTheJob(file: String) throws {
      let run = SmallRun()
      run.files.link("run/\(file)", to: "/dev/full")
      let result = try Worker.run(run.fresh)
      expect(result, 74, [file, "No space left"], "full disk")
    }

    /// A network of 10^15 weights: more bytes than a process of x86-64 can name, so that every
    /// system refuses them.
    @Test func lackOfMemoryEndsTheJob() throws {
      let run = SmallRun()
      let dimensions = "{hidden: 262144, dense_width: 262144, layers: 1000, dense_layers: 1000}"
      let result = try Worker.run(run.fresh + ["--set", "model.dimensions=\(dimensions)"])
      #expect(result.code == 71, "\(result.errors)")
      let said = result.complaints.filter { $0.contains("out of memory: the system refused") }
      // Each rank asks for as much; the first to be refused ends the others.
      #expect((1...4).contains(said.count) && said.count == result.complaints.count)
    }

    @Test func damagedCheckpointsArePassedOverAndForeignOnesRefused() throws {
      let run = SmallRun()
      try #require(try Worker.run(run.fresh).code == 0)
      let whole = try run.contents(ofStep: 6)
      let optimizer = "optimizer-00002.safetensors"

      /// Goes on from step 3, having said why, to the same step 6.
      func passOver(_ name: String, _ what: String, _ change: () -> Void) throws {
        change()
        let result = try Worker.run(run.resume)
        #expect(result.code == 0, "\(result.errors)")
        let note = try #require(
          result.output.split(separator: "\n").first { $0.hasPrefix("note: ") }, "\(name)")
        #expect(note.contains("step-6/\(name): \(what)"), "\(note)")
        #expect(note.contains("going on from \(run.file("checkpoints/step-3"))"))
        #expect(try run.contents(ofStep: 6) == whole)
        let event = try #require(RunEvent.all(at: run.file("events.jsonl")).last)
        #expect(event.kind == .fallback && event.step == 3)
        #expect(note == "note: \(event.message)")
      }
      func damaged(_ name: String, _ change: (inout [UInt8]) -> Void) throws {
        var bytes = try #require(whole[name])
        change(&bytes)
        run.files.write("run/checkpoints/step-6/\(name)", bytes)
      }
      let weights = "model-00001-of-00002.safetensors"
      try passOver(weights, "100000 bytes where \(try #require(whole[weights]).count)") {
        truncate(run.file("checkpoints/step-6/\(weights)"), 100_000)
      }
      try passOver(optimizer, "damaged") { try? damaged(optimizer) { $0[$0.count - 7] ^= 64 } }
      try passOver(optimizer, "no such file") {
        unlink(run.file("checkpoints/step-6/\(optimizer)"))
      }

      for (option, names) in [
        ("training.seed=5", ["training.seed is 1", "--set 'training.seed=1'"]),
        ("model.dimensions.hidden=64", ["model.dimensions.hidden is 32"]),
        (
          "schedule.microbatches=8",
          ["training.micro_batch × layout.data is 8", "16 in this run", "microbatches=4"]
        ),
        ("training.steps=5", ["training.steps", "6"]),
      ] {
        let result = try Worker.run(run.resume + ["--set", option])
        expect(result, 78, ["step-6/state.json"] + names, option)
      }
      // All of that has changed nothing.
      #expect(try run.contents(ofStep: 6) == whole)

      try damaged("state.json") { $0.removeLast(40) }
      unlink(run.file("checkpoints/step-3/manifest.json"))
      let none = try Worker.run(run.resume)
      expect(
        none, 65,
        [
          "no checkpoint is whole", "step-6/state.json: ", "truncated", "step-3/manifest.json",
          "without --resume",
        ], "none whole")
    }

    @Test(.enabled(if: hasFullDevice, "needs the device /dev/full"))
    func checkpointThatCannotBeWrittenEndsTheJob() throws {
      let run = SmallRun()
      let job = try Worker.start(
        run.fresh + ["--steps", "100000", "--set", "checkpoint.every=50"])
      for _ in 0..<1000 where run.steps < 1 { usleep(20_000) }
      // One rank's file of whichever checkpoint comes next is a device that is full.
      let optimizer = "optimizer-00002.safetensors"
      for step in stride(from: 50, through: 1000, by: 50) {
        run.files.link("run/checkpoints/.step-\(step).partial/\(optimizer)", to: "/dev/full")
      }
      let result = try job.wait()
      expect(result, 74, [".partial/\(optimizer)", "No space left"], "full disk")
      let steps = try CheckpointFolder(path: run.file("checkpoints")).steps()
      #expect(steps.count <= 1, "\(steps)")
    }

    @Test func truncatedWeightsOfAModelAreNamed() throws {
      let run = SmallRun()
      try #require(try Worker.run(run.fresh).code == 0)
      let shard = "run/checkpoints/step-6/model-00002-of-00002.safetensors"
      try #require(truncate(run.files(shard), 60_000) == 0)
      let other = SmallRun()
      let result = try Worker.run(
        other.fresh + ["--set", "model={path: \(run.file("checkpoints/step-6"))}"])
      expect(result, 65, ["model-00002-of-00002", "tensor '", "60000 in all"], "model")
    }
  }
}

/// Whether /dev/full is the device that is always full (a container may not have it).
private let hasFullDevice: Bool = {
  var status = stat()
  return stat("/dev/full", &status) == 0 && status.st_mode & S_IFMT == S_IFCHR
}()
