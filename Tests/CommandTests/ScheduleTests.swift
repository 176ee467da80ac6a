// `dsv3 schedule`: figures against a reference (expected.tsv: integer event times computed by
// another program), files against PyTorch's, and a picture that is as wide as asked.

import JSON
import ModelSpec
import Testing

@Suite struct ScheduleTests {
  static let fixtures = "Tests/Fixtures/schedules"

  private func json(_ arguments: [String]) throws -> [String: JSONValue] {
    let output = try Binary.run(["schedule"] + arguments)
    #expect(output.code == 0 && output.error == "", "\(output.error)")
    guard case .object(let members) = try JSONValue(parsing: Array(output.standard.utf8)) else {
      Issue.record("no object: \(output.standard)")
      return [:]
    }
    return members
  }

  /// GPipe on 2 ranks with 2 micro-batches, F = 1, B = I + W = 2: rank 0 runs F0 F1 in 0–2, rank 1
  /// F0 F1 in 1–3 and B0 B1 in 3–7, rank 0 B0 B1 in 5–9 (B0 waits for 5, B1 for 7).
  @Test func analyzeGivesTheTimesOfGPipe() throws {
    let members = try json(["analyze", "gpipe", "--pp", "2", "--microbatches", "2", "--json"])
    func list(_ numbers: Int...) -> JSONValue { .array(numbers.map { .integer($0) }) }
    #expect(members["makespan"] == .integer(9))
    #expect(members["busy"] == list(6, 6))
    #expect(members["bubble"] == list(3, 3))
    #expect(members["bubble_in_span"] == list(3, 0))
    #expect(members["start"] == list(0, 1))
    #expect(members["finish"] == list(9, 7))
    #expect(members["peak_act"] == list(2, 2))
    #expect(members["peak_act_w"] == list(2, 2))
  }

  /// Scaling all times scales all results: thousandths behave as whole numbers.
  @Test func timesMayBeDecimalNumbers() throws {
    let shape = ["analyze", "dualpipe", "--pp", "4", "--microbatches", "10", "--json"]
    let whole = try json(shape + ["--f", "1", "--i", "2", "--w", "1", "--fb", "3", "--p2p", "5"])
    let fine = try json(
      shape + ["--f", "0.125", "--i", ".25", "--w", "125e-3", "--fb", "0.375", "--p2p", "0.625"])
    guard case .integer(let long) = whole["makespan"], let short = fine["makespan"] else {
      Issue.record("no makespan")
      return
    }
    let value = Double(long) / 8
    #expect(short == (value == value.rounded() ? .integer(Int(value)) : .number(value)))
    #expect(whole["peak_act"] == fine["peak_act"])
  }

  @Test func exportGivesTheReferenceFile() throws {
    for (name, ranks, count) in [("dualpipe", 8, 20), ("1f1b", 4, 8), ("gpipe", 4, 8)] {
      let output = try Binary.run([
        "schedule", "export", name, "--pp", "\(ranks)", "--microbatches", "\(count)",
        "--format", "csv",
      ])
      let reference = "\(Binary.root)/\(Self.fixtures)/reference/\(name)_pp\(ranks)_mb\(count).csv"
      #expect(output.standard == (try Binary.text(reference)))
    }
  }

  /// DualPipe on 2 ranks: each rank forwards its own end first; chunk 0 goes down, chunk 1 up.
  @Test func jsonCountsChunksAndMicrobatchesByPipe() throws {
    let members = try json([
      "export", "dualpipe", "--pp", "2", "--microbatches", "4", "--format", "json", "--comms",
    ])
    func list(_ numbers: Int...) -> JSONValue { .array(numbers.map { .integer($0) }) }
    #expect(members["chunks"] == .integer(4))
    #expect(members["microbatches_per_pipe"] == .integer(2))
    #expect(members["pipe_of_chunk"] == list(0, 1))
    #expect(members["stage_of"] == .array([list(0, 1), list(1, 0)]))
    guard case .array(let ranks) = members["ranks"], case .array(let last) = ranks.last,
      case .array(let communicating) = members["ranks_with_comm"],
      case .array(let first) = communicating.first
    else {
      Issue.record("no ranks")
      return
    }
    func action(_ kind: String, _ chunk: Int, _ stage: Int, peer: Int? = nil) -> JSONValue {
      var members: [String: JSONValue] = [
        "op": .string(kind), "chunk": .integer(chunk), "mb": .integer(0), "stage": .integer(stage),
      ]
      members["peer"] = peer.map { .integer($0) }
      return .object(members)
    }
    #expect(last.first == action("F", 1, 0))
    #expect(
      first[1]
        == .object([
          "op": .string("COMM"),
          "batch": .array([action("SEND_F", 0, 0, peer: 1), action("RECV_F", 1, 1, peer: 1)]),
        ]))
  }

  @Test func checkTellsGoodFilesFromBad() throws {
    let good = try Binary.run(["schedule", "check", "\(Self.fixtures)/cases/ok_good.csv"])
    #expect(good.code == 0)
    #expect(good.standard.contains(": valid: "))
    let path = "\(Self.fixtures)/cases/bad_deadlock_cross_stage.csv"
    let bad = try Binary.run(["schedule", "check", path])
    #expect(bad.code == 65 && bad.standard == "")
    #expect(bad.error.contains("\(path): line "))
    #expect(bad.error.contains("rank \\ action"), "the grid is shown")
    let wrong = try Binary.run([
      "schedule", "check", "\(Self.fixtures)/cases/ok_good.csv", "--pp=3",
    ])
    #expect(wrong.code == 65)
    #expect(wrong.error.contains("one for each of 3 ranks"))
  }

  @Test(arguments: [
    (["show", "1f2b", "--pp", "2"], Int32(64), "did you mean `1f1b`?"),
    (["show", "1f1b", "--microbatches", "4"], 64, "--pp is missing"),
    (["show", "1f1b", "--pp", "4"], 64, "--microbatches is missing"),
    (["show", "1f1b", "--pp", "four"], 64, "a whole number"),
    (
      ["show", "1f1b", "--pp", "2", "--microbatches", "2", "--svg", "/nowhere/x.svg"], 74,
      "/nowhere/x.svg: cannot be written: No such file"
    ),
    (
      ["show", "gpipe", "--pp", "2", "--microbatches", "2", "--svg", "/dev/full"], 74,
      "/dev/full: cannot be written: No space"
    ),
    (
      ["show", "1f1b", "--pp", "64", "--microbatches", "4096", "--svg", "x"], 64,
      "524288 actions are too many for a picture"
    ),
    (["show", "1f1b", "--pp", "2", "--microbatches", "2", "--color=red"], 64, "'red'"),
    (["analyze", "dualpipe", "--pp", "3", "--microbatches", "6"], 64, "an even number of ranks"),
    (
      ["analyze", "1f1b", "--pp", "2", "--microbatches", "2", "--f", "-1"], 64, "'--f' wants a time"
    ),
    (["analyze", "1f1b", "--pp", "2", "--microbatches", "2", "--f", "1,2,3"], 64, "3 times"),
    (["analyze", "1f1b", "--pp", "2", "--microbatches", "2", "--p2p", "1e30"], 64, "'--p2p'"),
    (["analyze", "nothing.csv"], 66, "nothing.csv: no such file"),
    (["export", "1f1b", "--pp", "2", "--microbatches", "2", "--format", "xml"], 64, "csv or json"),
    (["check"], 64, "FILE.csv is missing"),
    (["check", "README.md"], 65, "README.md: line 1"),
  ])
  func mistakesAreNamedWithTheirCode(
    _ arguments: [String], _ code: Int32, _ message: String
  ) throws {
    let output = try Binary.run(["schedule"] + arguments)
    #expect(output.code == code)
    #expect(output.standard == "")
    #expect(output.error.contains(message), "\(output.error)")
  }

  /// GPipe, 2 ranks, 2 micro-batches, as timed above; a unit of time is 3 columns.
  @Test func thePictureShowsEveryActionAtItsTime() throws {
    let output = try Binary.run(["schedule", "show", "gpipe", "--pp", "2", "--microbatches", "2"])
    let picture = output.standard.split(separator: "\n").suffix(2)
    #expect(
      picture == [
        "rank 0 F0 F1 ·········B0─── B1───",
        "rank 1 ···F0 F1 B0─── B1─── ······",
      ])
  }

  @Test(arguments: [40, 80, 200])
  func thePictureFitsTheWidth(_ width: Int) throws {
    let output = try Binary.run(
      ["schedule", "show", "dualpipe", "--pp", "8", "--microbatches", "20"],
      environment: ["COLUMNS": "\(width)"])
    let lines = output.standard.split(separator: "\n").drop { !$0.hasPrefix("rank") }
    #expect(lines.allSatisfy { $0.count <= width })
    // Every one of the 20 micro-batches starts on rank 0 and on rank 7 once.
    let first = lines.filter { $0.hasPrefix("rank 0") }.map { $0.dropFirst(7) }.joined()
    #expect(first.split { !"F0123456789".contains($0) }.count { $0.hasPrefix("F") } == 20)
  }

  @Test func coloursAreForTerminalsOrForWhoAsks() throws {
    let shape = ["schedule", "show", "dualpipe", "--pp", "2", "--microbatches", "4"]
    #expect(!(try Binary.run(shape).standard.contains("\u{1B}")))
    let always = try Binary.run(shape + ["--color", "always"]).standard
    for background in [222, 150, 116, 111] {
      #expect(always.contains("48;5;\(background)m"), "F, B, I and W have colours of their own")
    }
  }

  @Test func listNamesTheSchedules() throws {
    let text = try Binary.run(["schedule", "list"]).standard
    for name in ["gpipe", "1f1b", "dualpipe"] { #expect(text.contains(name + " ")) }
  }
}
