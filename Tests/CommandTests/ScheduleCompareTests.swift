// `dsv3 schedule compare` and the pictures that `show` and `compare` write to files.

import JSON
import ModelSpec
import Testing

@Suite struct ScheduleCompareTests {
  private static let shape = ["schedule", "compare", "--pp", "4", "--microbatches", "8"]

  /// The lines of the table, each split at blanks, by schedule.
  private func rows(_ output: String) -> [String: [String]] {
    let rows = output.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
    return Dictionary(rows.map { ($0[0], $0) }) { first, _ in first }
  }

  /// The members of each entry of "schedules", by name, and the whole.
  private func json(
    _ arguments: [String]
  ) throws -> (whole: [String: JSONValue], schedules: [String: [String: JSONValue]]) {
    let output = try Binary.run(arguments + ["--json"])
    #expect(output.code == 0 && output.error == "", "\(output.error)")
    guard case .object(let members) = try JSONValue(parsing: Array(output.standard.utf8)),
      case .array(let list) = members["schedules"]
    else {
      Issue.record("no schedules: \(output.standard)")
      return ([:], [:])
    }
    var schedules: [String: [String: JSONValue]] = [:]
    for entry in list {
      guard case .object(let entry) = entry, case .string(let name) = entry["name"] else {
        Issue.record("no name: \(entry)")
        continue
      }
      schedules[name] = entry
    }
    return (members, schedules)
  }

  /// Unit times, PP 4, mb 8, makespan / bubble / worst bubble in span / peak_act / peak_act_w from
  /// the independent event model that made the reference orders: GPipe 33 / 9 / 9 / 8 / 8, 1F1B
  /// 33 / 9 / 9 / 4 / 4, DualPipe 26 / 2 / 2 / 5 / 5. Shares: 9 / 33 and 2 / 26. DualPipe has each
  /// stage twice.
  @Test func theTableIsTheReferences() throws {
    let output = try Binary.run(Self.shape)
    #expect(output.code == 0 && output.error == "")
    let rows = rows(output.standard)
    #expect(rows["gpipe"] == ["gpipe", "33", "9", "9", "27.3", "8", "8", "0", "1×"])
    #expect(rows["1f1b"] == ["1f1b", "33", "9", "9", "27.3", "4", "4", "0", "1×"])
    let dualpipe = ["dualpipe", "26", "2", "2", "7.7", "5", "5"]
    #expect(rows["dualpipe"].map { Array($0.prefix(7)) } == dualpipe)
    #expect(rows["dualpipe"]?.last == "2×")
    let order = output.standard.split(separator: "\n").compactMap { line in
      ["gpipe", "1f1b", "dualpipe"].first { line.hasPrefix($0 + " ") }
    }
    #expect(order == ["dualpipe", "1f1b", "gpipe"])
  }

  @Test func jsonHasTheSameNumbersByRank() throws {
    let (whole, schedules) = try json(Self.shape + ["--fb", "2.5"])
    #expect(whole["pp"] == .integer(4) && whole["microbatches"] == .integer(8))
    #expect(
      whole["times"]
        == .object([
          "f": .integer(1), "i": .integer(1), "w": .integer(1), "fb": .number(2.5),
          "p2p": .integer(0),
        ]))
    let gpipe = try #require(schedules["gpipe"])
    #expect(gpipe["makespan"] == .integer(33) && gpipe["stages"] == .integer(4))
    #expect(gpipe["bubble"] == .array(Array(repeating: .integer(9), count: 4)))
    #expect(gpipe["bubble_in_span"] == .array([9, 6, 3, 0].map { .integer($0) }))
    #expect(gpipe["bubble_share"] == .number(9.0 / 33))
    #expect(gpipe["peak_act"] == .integer(8) && gpipe["peak_w"] == .integer(0))
    #expect(schedules["dualpipe"]?["parameters"] == .integer(2))
    #expect(gpipe["parameters"] == .integer(1))
  }

  /// Times scale: in thousandths everything is a thousandth.
  @Test func timesMayBeDecimalNumbers() throws {
    let times = ["--f", "0.001", "--i", "1e-3", "--w", ".001"]
    let rows = rows(try Binary.run(Self.shape + times).standard)
    #expect(rows["gpipe"]?.prefix(5) == ["gpipe", "0.033", "0.009", "0.009", "27.3"])
    #expect(rows["dualpipe"]?.prefix(3) == ["dualpipe", "0.026", "0.002"])
  }

  @Test func whatASchedulesRuleForbidsIsToldUnderTheTable() throws {
    let shape = ["schedule", "compare", "--pp", "3", "--microbatches", "8"]
    let output = try Binary.run(shape)
    #expect(output.code == 0 && output.error == "")
    #expect(rows(output.standard)["gpipe"]?[1] == "30", "(8 + 2) × 3")
    #expect(output.standard.contains("\ndualpipe: "))
    #expect(output.standard.contains("even number of ranks"))
    let schedules = try json(shape).schedules
    guard case .string(let reason) = schedules["dualpipe"]?["refused"] else {
      Issue.record("\(schedules)")
      return
    }
    #expect(reason.contains("even number of ranks"))
  }

  @Test func picturesAreWrittenToFilesOrStandardOutput() throws {
    let scratch = try Scratch()
    let show = ["schedule", "show", "dualpipe", "--pp", "4", "--microbatches", "8", "--svg"]
    for command in [show, Self.shape + ["--svg"]] {
      let path = scratch.path("picture.svg")
      let filed = try Binary.run(command + [path])
      #expect(filed.code == 0 && filed.error == "")
      #expect(filed.standard.hasSuffix("written \(path)\n"))
      let piped = try Binary.run(command + ["-"])
      #expect(piped.code == 0 && piped.error == "")
      #expect(piped.standard.hasPrefix("<svg xmlns=\"http://www.w3.org/2000/svg\""))
      #expect(piped.standard.hasSuffix("</svg>\n"))
      #expect(piped.standard == (try Binary.text(path)))
      #expect(piped.standard.contains("makespan 26"))
    }
    let (whole, _) = try json(Self.shape + ["--svg", scratch.path("other.svg")])
    #expect(whole["pp"] == .integer(4), "JSON and nothing else beside the file")
    #expect(try Binary.text(scratch.path("other.svg")).hasPrefix("<svg "))
  }

  @Test(arguments: [
    ([], Int32(64), "--pp is missing"),
    (["--pp", "4"], 64, "--microbatches is missing"),
    (["--pp", "4", "--microbatches", "8", "1f1b"], 64, "unexpected argument '1f1b'"),
    (["--pp", "4", "--microbatches", "8", "--f", "1,2,3,4"], 64, "'--f' wants one time here"),
    (["--pp", "4", "--microbatches", "8", "--w", "x"], 64, "'--w' wants a time"),
    (["--pp", "4", "--microbatches", "8", "--json", "--svg", "-"], 64, "both want standard"),
    (["--pp", "4", "--microbatches", "8", "--svg", "/nowhere/x"], 74, "/nowhere/x: cannot be"),
  ])
  func mistakesAreNamedWithTheirCode(
    _ arguments: [String], _ code: Int32, _ message: String
  ) throws {
    let output = try Binary.run(["schedule", "compare"] + arguments)
    #expect(output.code == code)
    #expect(output.standard == "")
    #expect(output.error.contains(message), "\(output.error)")
  }
}
