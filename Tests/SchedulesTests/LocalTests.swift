// A schedule in a rank's own terms (chunks, micro-batches of a pipe) and times as people write
// them.

import Schedules
import Testing

@Suite struct LocalTests {
  /// DualPipe's rank r holds stage r going down and stage P − 1 − r going up.
  @Test(arguments: [2, 4, 8])
  func dualPipeHasAChunkForEachDirection(_ ranks: Int) throws {
    let schedule = try Schedule.dualpipe(ranks: ranks, microbatches: 2 * ranks)
    let local = LocalChunks(of: schedule)
    #expect(local.pipes.map(\.ranks) == [Array(0..<ranks), (0..<ranks).reversed()])
    #expect(local.pipes[1].microbatches == Array(ranks..<(2 * ranks)))
    for rank in 0..<ranks {
      #expect(
        local.chunks[rank] == [
          .init(pipe: 0, stage: rank), .init(pipe: 1, stage: ranks - 1 - rank),
        ])
      let up = Cell(stage: ranks - 1 - rank, microbatch: ranks + 1)
      #expect(local.place(of: up, onRank: rank) == (chunk: 1, microbatch: 1))
    }
  }

  /// Stages that come back to a rank are its chunks of one pipe.
  @Test func loopedStagesAreChunksOfOnePipe() throws {
    let text = try Fixtures.text("pytorch/interleaved1f1b_pp4_mb8_compute.csv")
    let local = LocalChunks(of: try ScheduleCSV.read(text, name: "file").schedule)
    #expect(local.pipes.map(\.ranks) == [[0, 1, 2, 3, 0, 1, 2, 3]])
    #expect(local.chunks[1] == [.init(pipe: 0, stage: 1), .init(pipe: 0, stage: 5)])
  }

  @Test(arguments: [
    ("2", 2, 0), ("0.25", 25, 2), (".5", 5, 1), ("3.", 3, 0), ("1.50", 15, 1), ("0", 0, 0),
    ("007", 7, 0), ("1.5e-3", 15, 4), ("2E2", 200, 0), ("25e-1", 25, 1), ("0.000", 0, 0),
    ("0.12345678901234567890", 12_345_678_901_234_567, 17),
  ])
  func decimalNumbersAreRead(_ text: String, _ digits: Int, _ decimals: Int) {
    let time = DecimalTime(text)
    #expect(time?.digits == digits && time?.decimals == decimals)
  }

  @Test(arguments: ["", ".", "-1", "+1", "1.2.3", "1e", "e3", "1e99", "nan", "0x10", "1 ", "1,2"])
  func whatIsNoDecimalNumberIsNot(_ text: String) {
    #expect(DecimalTime(text) == nil)
  }

  @Test func aScaleMakesTimesWhole() throws {
    func times(_ texts: String...) -> [DecimalTime] { texts.compactMap { DecimalTime($0) } }
    let exact = times("0.25", "3", "1.5")
    let scale = try #require(TimeScale(for: exact))
    #expect(exact.map(scale.units) == [25, 300, 150])
    #expect(scale.text(475) == "4.75" && scale.text(300) == "3" && scale.text(5) == "0.05")
    // 2^38 is 2.7e11: two thirds and three hundred leave nine digits behind the point, rounded.
    let fine = times("0.66666666666666", "200")
    let rounded = try #require(TimeScale(for: fine))
    #expect(rounded.decimals == 9)
    #expect(fine.map(rounded.units) == [666_666_667, 200_000_000_000])
    #expect(TimeScale(for: times("274877906944")) != nil)
    #expect(TimeScale(for: times("274877906945")) == nil)
  }
}
