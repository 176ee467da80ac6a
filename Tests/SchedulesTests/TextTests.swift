// The text form of actions and files: what is read, what is refused, and where the message points.
// Several of the refused ones PyTorch's own reader lets pass.

import Schedules
import Testing

@Suite struct ActionTextTests {
  @Test(arguments: [
    "2F0", "1I3", "1W3", "2B1", "(0F8;7B4)OVERLAP_F_B", "2SEND_F0", "3RECV_F0", "3SEND_B0",
    "2RECV_B0", "1000000F1000000",
  ])
  func actionsRoundTrip(_ text: String) throws {
    #expect(try Action(parsing: text).description == text)
    #expect(try Action(parsing: " \(text)\t").description == text)
  }

  static let refused: [(text: String, says: String)] = [
    ("0F0junk", "`junk` follows the action; `0F0` is all of it"),
    ("2BW0", "write `2B0`"),
    ("2BW", "write `2B0`"),
    ("0F", "the micro-batch is missing: `0F0` would be that of the first"),
    ("0F-1", "`-1` stands where the micro-batch should"),
    ("0FORWARD0", "there is no kind `FORWARD`"),
    ("0f0", "kinds are upper case: `0F0`"),
    ("0 F0", "no kind after the stage"),
    ("0F 0", "` 0` stands where the micro-batch should"),
    ("F0", "does not begin with a stage"),
    ("-1F0", "does not begin with a stage"),
    ("0", "no kind after the stage"),
    ("0UNSHARD1", "takes no micro-batch"),
    ("1000001F0", "above 1000000"),
    ("0F99999999999999999999999999", "above 1000000"),
    ("(0F8;7B4) OVERLAP_F_B", "` OVERLAP_F_B` follows the bracket"),
    ("(0F8;7B4)OVERLAP_F_B0", "`OVERLAP_F_B0` follows the bracket"),
    ("(0F8;7B4)", "follows the bracket"),
    ("(0F8;7B4", "the bracket is not closed"),
    ("(7B4;0F8)OVERLAP_F_B", "a forward F, then a full backward B"),
    ("(0F8;7I4)OVERLAP_F_B", "a forward F, then a full backward B"),
    ("(0F8)OVERLAP_F_B", "1 actions in the bracket instead of two"),
    ("(0F8;7B4;1F0)OVERLAP_F_B", "3 actions in the bracket instead of two"),
    ("((0F8;7B4)OVERLAP_F_B;7B5)OVERLAP_F_B", "follows the bracket"),
    ("(0F8;)OVERLAP_F_B", "a forward F, then a full backward B"),
    ("0F٣", "\\xD9"),
    ("0F0\r", "\\x0D"),
    ("", "not an action"),
    ("0UNSHARD", "not an action"),
  ]

  @Test(arguments: refused)
  func anythingElseIsRefusedWithWhatWouldBeRight(_ text: String, _ says: String) throws {
    let error = try #require(
      scheduleError { () throws(ScheduleError) in _ = try Action(parsing: text) })
    #expect(error.message.contains(says), "\(error)")
  }
}

@Suite struct ScheduleCSVTests {
  @Test func theListedCasesGetTheirVerdict() throws {
    let cases = try Fixtures.table("cases/cases.tsv")
    #expect(cases.count == 13)
    for row in cases {
      let bytes = try Fixtures.bytes("cases/\(row[0]).csv")
      let expecting = ScheduleCSV.Expectation(
        ranks: Int(row[1]), stages: Int(row[2]), microbatches: Int(row[3]))
      for expectation in [expecting, ScheduleCSV.Expectation()] {
        let error = scheduleError { () throws(ScheduleError) in
          _ = try ScheduleCSV.read(bytes, name: row[0], expecting: expectation)
        }
        let found = error?.description ?? "loads"
        #expect((error == nil) == (row[4] == "load"), "\(row[0]): \(found)")
      }
    }
  }

  @Test(arguments: LoweringTests.files)
  func filesOfPyTorchRoundTrip(_ file: String) throws {
    let text = try Fixtures.text("pytorch/\(file)_compute.csv")
    let plan = try ScheduleCSV.read(text, name: file)
    // PyTorch writes idle slots as empty cells; they are no part of the schedule.
    let packed = text.split(separator: "\r\n").map { line in
      line.split(separator: ",").joined(separator: ",") + "\r\n"
    }
    #expect(ScheduleCSV.text(of: plan.schedule) == packed.joined())
    for form in ["compute", "comms", "comms_deferred"] {
      let bytes = try Fixtures.bytes("pytorch/\(file)_\(form).csv")
      let whole = try ScheduleCSV.readFile(bytes, name: file)
      #expect(whole.text == String(decoding: bytes, as: UTF8.self))
      #expect(whole.hasCommunication == (form != "compute"))
    }
    let communicating = ScheduleCSV.text(of: plan)
    #expect(ScheduleCSV.text(of: try ScheduleCSV.read(communicating, name: "")) == communicating)
  }

  @Test(arguments: Reference.all)
  func referenceFilesRoundTripAlthoughAStageIsOnTwoLines(_ reference: Reference) throws {
    let text = try Fixtures.text("reference/\(reference.stem).csv")
    let plan = try ScheduleCSV.read(text, name: reference.stem)
    #expect(ScheduleCSV.text(of: plan.schedule) == text)
    let lines = text.replacing("\r\n", with: "\n")
    #expect(try ScheduleCSV.read(lines, name: reference.stem) == plan)
    #expect(try ScheduleCSV.read(String(lines.dropLast()), name: reference.stem) == plan)
  }

  @Test func torchsOwnBroken1F1BFileIsRefused() throws {
    let bytes = try Fixtures.bytes("pytorch/1f1b_pp4_mb8_pipeline_order.csv")
    let error = scheduleError { () throws(ScheduleError) in
      _ = try ScheduleCSV.read(bytes, name: "1f1b")
    }
    #expect(error?.rule == .completeness)
    let good = try Fixtures.bytes("pytorch/gpipe_pp4_mb8_pipeline_order.csv")
    #expect(try ScheduleCSV.read(good, name: "gpipe").ranks == 4)
  }

  /// Files that are wrong in one place, with the line and cell of that place.
  static let broken: [(text: String, rule: ScheduleError.Rule, line: Int?, cell: Int?)] = [
    ("0F0,0F1,0B0x,0B1", .text, 1, 3),
    ("0F0,,0B0\n1F0,,1BW0", .text, 2, 3),
    ("0F0,0B0\n\n1F0,1B0", .text, 2, 1),
    ("0F0,0B0\n,,\n1F0,1B0", .text, 2, 1),
    ("0F0,0B0\n1F0,1B0\n\n", .text, 3, 1),
    ("\u{FEFF}0F0,0B0", .text, 1, 1),
    ("0F0,,0F0,0B0", .completeness, 1, 3),
    ("0F0,0B0,,0B0", .completeness, 1, 4),
    ("0F0,0B0\n0F0,1F0,1B0", .completeness, 2, 1),
    ("0F0,0I0,0W0,0W0", .completeness, 1, 4),
    ("0F0,0I0,0B0,0W0", .completeness, 1, 3),
    ("0F0,0B0,0W0", .completeness, 1, 3),
    ("0F0,0I0", .completeness, 1, 2),
    ("0F0,,0F1,0B1", .completeness, 1, 1),
    ("0F0,0W0,0I0", .order, 1, 2),
    ("0F0,0F1,0B1,0W0,0I0", .order, 1, 4),
    ("0F0,(0F1;0B1)OVERLAP_F_B,0B0", .order, 1, 2),
    ("0B0,0F0", .order, 1, 1),
    ("0F0\n1F0,1B0,0B0", .placement, 2, 3),
    ("0F1,0B1", .completeness, 1, 1),
    ("0F0,0B0\n2F0,2B0", .completeness, 1, 1),
    ("0F0,0F1,0B0,0B1\n1F0,1B0", .completeness, 1, 2),
    ("0F1000000,0B1000000", .completeness, 1, 1),
    ("1000000F1000000,0B0", .completeness, 1, 2),
    ("0B0", .completeness, 1, 1),
    ("0UNSHARD,0RESHARD", .text, 1, 1),
    ("", .text, nil, nil),
    ("1F0,0F0,0B0,1B0", .deadlock, 1, 1),
    ("0F0,0B0,0F1,0B1\n1F1,1B1,1F0,1B0", .deadlock, 1, 2),
    ("0SEND_F0,0RECV_B0", .size, nil, nil),
  ]

  @Test(arguments: broken)
  func errorsPointAtTheLineAndTheCell(
    _ text: String, _ rule: ScheduleError.Rule, _ line: Int?, _ cell: Int?
  ) throws {
    let error = try #require(
      scheduleError { () throws(ScheduleError) in _ = try ScheduleCSV.read(text, name: "broken") })
    #expect(error.rule == rule, "\(error)")
    #expect(error.textPosition?.line == line, "\(error)")
    #expect(error.textPosition?.cell == cell, "\(error)")
  }

  @Test func theGridMarksTheFirstBadAction() throws {
    let error = try #require(
      scheduleError { () throws(ScheduleError) in
        _ = try ScheduleCSV.read("0F0,0B0,0B1,0F1\r\n1F0,1B0,1F1,1B1\r\n", name: "bad")
      })
    let expected = """
      line 1, cell 3 = rank 0, action 2: `0B1`: `0F1` has not run before it (rule: order)
      rank \\ action    0    1      2    3
                  0  0F0  0B0  >0B1<  0F1
                  1  1F0  1B0    1F1  1B1
      """
    #expect(error.description == expected)
  }

  @Test func aWrongNumberOfRanksStagesOrMicrobatchesIsNamed() throws {
    let text = "0F0,0B0\n1F0,1B0"
    let wrong: [(ScheduleCSV.Expectation, String)] = [
      (.init(ranks: 3), "the file has 2 lines, one for each of 3 ranks is right"),
      (.init(stages: 4), "the file has 2 stages (numbered from 0), 4 are right"),
      (.init(microbatches: 2), "the file has 1 micro-batches (numbered from 0), 2 are right"),
    ]
    for (expecting, message) in wrong {
      let error = scheduleError { () throws(ScheduleError) in
        _ = try ScheduleCSV.read(text, name: "small", expecting: expecting)
      }
      #expect(error?.message == message)
    }
    let right = ScheduleCSV.Expectation(ranks: 2, stages: 2, microbatches: 1)
    #expect(try ScheduleCSV.read(text, name: "small", expecting: right).ranks == 2)
  }

  @Test func aRankThatWaitsForItselfIsTold() throws {
    let bytes = try Fixtures.bytes("cases/bad_deadlock_cross_stage.csv")
    let error = try #require(
      scheduleError { () throws(ScheduleError) in
        _ = try ScheduleCSV.read(bytes, name: "deadlock")
      })
    #expect(
      error.message == "rank 1 waits at action 0 `2F0` for the output of stage 1, micro-batch 0 "
        + "from itself, later in its list")
  }
}
