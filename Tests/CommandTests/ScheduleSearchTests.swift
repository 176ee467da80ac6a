// `dsv3 schedule search`: the report, the JSON, and a file that the other commands agree with.

import JSON
import ModelSpec
import Testing

@Suite struct ScheduleSearchTests {
  private func run(_ arguments: String...) throws -> Output {
    try Binary.run(["schedule", "search"] + arguments)
  }

  private func object(_ output: Output) throws -> [String: JSONValue] {
    #expect(output.code == 0 && output.error == "", "\(output.error)")
    guard case .object(let members) = try JSONValue(parsing: Array(output.standard.utf8)) else {
      Issue.record("no object: \(output.standard)")
      return [:]
    }
    return members
  }

  /// 8 ranks, 20 micro-batches, F = I = W = 1: 60 to do and 3 forwards until the middle ranks of
  /// two pipes have something to do make 63; DualPipe takes 66.
  @Test func theFileHasTheMakespanThatIsReported() throws {
    let scratch = try Scratch()
    let file = scratch.path("found.csv")
    let found = try object(
      try run("--pp", "8", "--microbatches", "20", "--csv", file, "--json"))
    #expect(found["makespan"] == .integer(63))
    #expect(found["lower_bound"] == .integer(63))
    #expect(found["memory"] == .integer(9))
    let analysis = try object(try Binary.run(["schedule", "analyze", file, "--json"]))
    #expect(analysis["makespan"] == .integer(63))
    guard case .array(let peaks) = analysis["peak_act_w"] else {
      Issue.record("no peaks")
      return
    }
    #expect(peaks.allSatisfy { if case .integer(let peak) = $0 { peak <= 9 } else { false } })
    #expect(try Binary.run(["schedule", "check", file]).code == 0)
  }

  /// A fold in two: chunks of half a share, half the time each, memory in half shares.
  @Test func halfSharesTakeHalfTheTime() throws {
    let scratch = try Scratch()
    let file = scratch.path("v.csv")
    let output = try run(
      "--pp=3", "--microbatches=5", "--placement=v", "--memory=2.5", "--f=0.5,1,2", "--i=2",
      "--fb=3", "--p2p=0.25", "--effort=2", "--json", "-o", file)
    let found = try object(output)
    #expect(found["stages"] == .integer(6))
    #expect(found["placement"] == .string("v"))
    let analysis = try object(
      try Binary.run([
        "schedule", "analyze", file, "--f=0.25,0.25,0.5,0.5,1,1", "--i=1", "--w=0.5", "--fb=1.5",
        "--p2p=0.25", "--json",
      ]))
    #expect(analysis["makespan"] == found["makespan"])
    guard case .array(let peaks) = analysis["peak_act_w"] else {
      Issue.record("no peaks")
      return
    }
    #expect(peaks.allSatisfy { if case .integer(let peak) = $0 { peak <= 5 } else { false } })
  }

  @Test func theReportNamesWhatFitsAndWhatDoesNot() throws {
    let text = try run("--pp", "4", "--microbatches", "8", "--seconds", "0.1").standard
    func line(_ name: String) -> Substring? {
      text.split(separator: "\n").first { $0.hasPrefix(name) }
    }
    #expect(text.hasPrefix("4 ranks, 8 micro-batches, at most 5 activations on a rank\n"))
    #expect(line("lower bound") != nil)
    #expect(line("gpipe")?.hasSuffix("(too much memory)") == true)
    #expect(line("dualpipe ")?.hasSuffix("bidirectional") == true)
    #expect(line("found")?.contains("%") == true)
  }

  @Test(arguments: [
    (["--pp", "4"], Int32(64), "--microbatches is missing"),
    (["--microbatches", "4"], 64, "--pp is missing"),
    (["--pp", "4", "--microbatches", "4", "--memory", "0.5"], 64, "no step of 4 ranks"),
    (
      ["--pp", "4", "--microbatches", "4", "--placement", "w"], 64, "plain, bidirectional, v, loop"
    ),
    (["--pp", "4", "--microbatches", "4", "--f", "1,2"], 64, "2 times"),
    (["--pp", "4", "--microbatches", "4", "--seconds", "-1"], 64, "'--seconds' wants a number"),
    (["--pp", "4", "--microbatches", "4", "x"], 64, "unexpected argument 'x'"),
    (["--pp", "2", "--microbatches", "2", "-o", "/nowhere/found.csv"], 74, "cannot be written"),
  ])
  func mistakesAreNamedWithTheirCode(
    _ arguments: [String], _ code: Int32, _ message: String
  ) throws {
    let output = try Binary.run(["schedule", "search"] + arguments)
    #expect(output.code == code)
    #expect(output.standard == "")
    #expect(output.error.contains(message), "\(output.error)")
  }
}
