// Faults that a configuration or `dsv3 inject` asks for, as a user meets them: each is made once,
// is written down before, and the run that goes on behind it ends as if nothing had been.

import Glibc
import JSON
import ModelSpec
import RunFiles
import Schedules
import Testing
import Training

extension JobTests {
  struct FaultTests {
    private func events(_ run: SmallRun) -> [RunEvent] {
      RunEvent.all(at: RunDirectory(path: run.directory).events).filter { $0.kind == .fault }
    }

    private func set(_ faults: String) -> [String] {
      ["--set", "faults=\(faults)", "--set", "supervision.compare_holders=2"]
    }

    /// Rank 2 dies in step 4, then rank 1 has a flipped bit in step 5, which the comparison before
    /// the checkpoint of step 5 finds. With one each step, that of step 2 is written when step 3's
    /// begins, so there is one to go on from both times.
    @Test func eachFaultIsMadeOnceAndTheRunEndsAsWithoutThem() throws {
      let clean = SmallRun()
      try #require(try Worker.run(clean.fresh).code == 0)
      try expectPictures(clean)

      let run = SmallRun()
      let each = ["--set", "checkpoint.every=1"]
      let killed = try Worker.run(run.fresh + each + set("[kill 2 at 4, flip 1 at 5]"))
      #expect(killed.code == 137, "\(killed.errors)")
      let flipped = try Worker.run(run.resume)
      #expect(flipped.code == 70, "\(flipped.errors)")
      #expect(flipped.complaints.count == 1)
      #expect(flipped.errors.contains("step 5: "), "\(flipped.errors)")
      #expect(flipped.errors.contains("since step 4's comparison"), "\(flipped.errors)")
      #expect(flipped.errors.contains("weights ranks-"), "\(flipped.errors)")
      let last = try Worker.run(run.resume)
      #expect(last.code == 0, "\(last.errors)")

      #expect(events(run).map(\.step) == [4, 5])
      #expect(events(run).map(\.rank) == [2, 1])
      #expect(events(run)[0].message.hasPrefix("rank 2 kills itself in step 4, before action "))
      #expect(
        try run.names(in: run.file("faults")) == ["made-flip-1-at-5", "made-kill-2-at-4"])
      #expect(try run.metrics() == clean.metrics())
      #expect(try text(of: run.file("loads.jsonl")) == text(of: clean.file("loads.jsonl")))
      // A new run in the same place is another run.
      #expect(try Worker.run(run.fresh + set("none")).code == 0)
      #expect(try run.names(in: run.file("faults")).isEmpty)
    }

    /// What a run without faults left: loads that add up, and a picture of the schedule's actions.
    private func expectPictures(_ run: SmallRun) throws {
      let loads = try text(of: run.file("loads.jsonl")).split(separator: "\n").map {
        try JSONValue.decode(LoadLine.self, from: Array($0.utf8))
      }
      #expect(loads.map(\.step) == Array(1...6))
      for line in loads {
        // Three layers of experts and an MTP block; 2 experts for each of 4 × 2 × 32 tokens, of
        // which the MTP block has one less for each of the 8 sequences.
        #expect(line.layers.map(\.layer) == [1, 2, 3, 4])
        let sums = line.layers.map { $0.tokens.reduce(0, +) }
        #expect(sums == [512, 512, 512, 496] && line.layers.allSatisfy { $0.tokens.count == 8 })
      }
      let bytes = try readSmallFile(run.file("timeline.json"))
      let timeline = try JSONValue.decode(TimelineFile.self, from: bytes)
      let schedule = try ScheduleCatalog.make(name: "dualpipe", ranks: 2, microbatches: 4)
      #expect(timeline.step == 6 && timeline.ranks.map(\.rank) == [0, 2])
      for (rank, picture) in timeline.ranks.enumerated() {
        let spans = picture.spans
        #expect(spans.dropLast().map(\.action) == schedule.actions[rank].map(\.description))
        #expect(spans.last?.kind == "optimizer")
        for (span, next) in zip(spans, spans.dropFirst()) { #expect(span.end <= next.start) }
        #expect(spans.allSatisfy { $0.start < $0.end && $0.end <= timeline.seconds })
      }
    }

    @Test func damageHitsOneFileOfTheNewestCheckpointAndASlowRankComputesTheSame() throws {
      let run = SmallRun()
      let faults = set("[corrupt at 20, slow 3 at 2 by 1.5 for 2]")
      let length = ["--steps", "60", "--set", "checkpoint={every: 20, keep: 3}"]
      try #require(try Worker.run(run.fresh + length + faults).code == 0)
      #expect(events(run).map(\.rank) == [3, 0] && events(run).first?.step == 2)
      let clean = SmallRun()
      try #require(try Worker.run(clean.fresh + length).code == 0)
      // The newest that is written when the time has come, which writing takes some steps.
      var different: [String] = []
      for step in [20, 40, 60] {
        let (whole, damaged) = (try clean.contents(ofStep: step), try run.contents(ofStep: step))
        different += whole.keys.filter { whole[$0] != damaged[$0] }.map { "step-\(step)/\($0)" }
      }
      #expect(different.count == 1)
      let name = try #require(different.first)
      #expect(events(run)[1].message.contains("checkpoints/\(name)"))
      #expect(try run.metrics() == clean.metrics())
    }

    @Test func aRunningRunTakesFaults() throws {
      let run = SmallRun()
      let job = try Worker.start(
        run.fresh + ["--steps", "100000", "--set", "training.lr_schedule=constant"])
      let directory = RunDirectory(path: run.directory)
      for _ in 0..<500 where (RankBeat(path: directory.rankBeat(1))?.step ?? 0) < 1 {
        usleep(20_000)
      }
      func inject(_ words: String...) throws -> JobResult {
        try Worker.command(["inject", run.directory] + words)
      }
      let slow = try inject("slow", "--rank", "3", "--factor", "1.5")
      #expect(slow.code == 0 && slow.output.hasPrefix("rank 3 takes 1.5 times as long"))
      let later = try inject("nan", "--rank", "0", "--step", "99999")
      #expect(later.code == 0 && later.output == "rank 0 has taken it: nan 0 at 99999\n")
      let past = try inject("nan", "--rank", "0", "--step", "1")
      #expect(past.code == 64 && past.errors.contains("give a later --step"), "\(past.errors)")
      let absent = try inject("kill", "--rank", "4")
      #expect(absent.code == 69 && absent.errors.contains("the run has ranks 0 to 3"))
      let wrong = try inject("kil", "--rank", "1")
      #expect(wrong.code == 64 && wrong.errors.contains("did you mean 'kill'?"))

      let hang = try inject("hang", "--rank", "1")
      #expect(hang.code == 0 && hang.output.contains("rank 1 hangs in step "), "\(hang.errors)")
      let stopped = try #require(RankBeat(path: directory.rankBeat(1)))
      usleep(100_000)
      #expect(RankBeat(path: directory.rankBeat(1))?.count == stopped.count)
      let late = try inject("kill", "--rank", "1", "--timeout", "0.1")
      #expect(late.code == 75 && late.errors.contains("withdrawn"), "\(late.errors)")
      kill(stopped.pid, SIGKILL)
      #expect(try job.wait().code == 137)
      let over = try inject("flip", "--rank", "1")
      #expect(over.code == 69 && over.errors.contains("not running"), "\(over.errors)")
      #expect(events(run).map(\.rank) == [3, 1])
    }
  }
}

private struct LoadLine: Decodable {
  struct Layer: Decodable {
    var layer: Int
    var tokens: [Int]
  }
  var step: Int
  var layers: [Layer]
}

private struct TimelineFile: Decodable {
  struct Cell: Decodable {
    var stage: Int
    var microbatch: Int
  }
  struct Span: Decodable {
    var start: Double
    var end: Double
    var kind: String
    var stage: Int?
    var microbatch: Int?
    var backward: Cell?

    /// As schedules write it.
    var action: String {
      guard let stage, let microbatch else { return kind }
      guard let backward else { return "\(stage)\(kind)\(microbatch)" }
      return "(\(stage)F\(microbatch);\(backward.stage)B\(backward.microbatch))OVERLAP_F_B"
    }
  }
  struct Rank: Decodable {
    var rank: Int
    var spans: [Span]
  }
  var step: Int
  var seconds: Double
  var ranks: [Rank]

  private enum CodingKeys: String, CodingKey {
    case step, ranks
    case seconds = "step_seconds"
  }
}
