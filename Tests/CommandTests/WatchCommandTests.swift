// `dsv3 monitor`, `runs`, `logs` and `compare` as a user calls them, on runs that are written here.

import Glibc
import JSON
import RunFiles
import Testing

/// A folder of runs, removed with this value.
final class RunsOnDisk {
  private let scratch: Scratch
  private var names: [String] = []
  var path: String { scratch.directory }

  init() throws { scratch = try Scratch() }

  /// A run that has done `losses.count` steps of as many.
  func add(_ name: String, losses: [Double], settings: String = "") throws {
    names.append(name)
    let directory = RunDirectory(path: scratch.path(name))
    try directory.create()
    try RunDirectory.write(
      "layout: {pipeline: 1, data: 2, expert: 1}\nschedule: {name: 1f1b, microbatches: 4}\n"
        + "training: {steps: \(losses.count)}\n" + settings,
      to: directory.path + "/config.yaml")
    let lines = losses.enumerated().map { place, loss in
      "{\"step\": \(place + 1), \"tokens\": 100, \"loss\": \(loss), \"wall_seconds\": 0.5, "
        + "\"tokens_per_second\": 200}\n"
    }
    try RunDirectory.write(lines.joined(), to: directory.metrics)
    for rank in 0..<2 {
      try RunDirectory.write("hello\nfrom \(rank)\n", to: directory.rankLog(rank))
    }
    var record = RunRecord(
      name: name, state: .finished, coordinator: ProcessTable.own, ranks: 2, hosts: [],
      command: [], started: 1_000_000 + Double(names.count), maxRestarts: 3, steps: losses.count)
    record.ended = 2_000_000
    try record.write(to: directory.record)
  }

  func remove(_ name: String) {
    let directory = RunDirectory(path: scratch.path(name))
    for file in ["config.yaml", "metrics.jsonl", "run.json"] { unlink("\(directory.path)/\(file)") }
    for rank in 0..<2 { unlink(directory.rankLog(rank)) }
    for folder in ["ranks", "checkpoints", "workloads", ""] { rmdir("\(directory.path)/\(folder)") }
  }

  deinit { for name in names { remove(name) } }
}

@Suite struct WatchCommandTests {
  @Test func aRunThatIsOverIsToldInLines() throws {
    let runs = try RunsOnDisk()
    try runs.add("a", losses: [5, 4, 3.5])
    for arguments in [["monitor", "a"], ["monitor"], ["monitor", "\(runs.path)/a", "--once"]] {
      let output = try Binary.run(arguments + ["--runs", runs.path])
      #expect(output.code == 0 && output.error == "")
      #expect(
        output.standard == "a: finished, step 3/3\nstep 3/3  loss 3.5000  200 tokens/s\n")
    }
    let missing = try Binary.run(["monitor", "b", "--runs", runs.path])
    #expect(missing.code == 66 && missing.error.contains("there is no run 'b'"))
  }

  @Test func runsAreListedAndRememberedWhenTheyAreDeleted() throws {
    let runs = try RunsOnDisk()
    try runs.add("first", losses: [5, 4])
    try runs.add("second", losses: [5, 4.5, 4.25], settings: "precision: bf16\n")
    let table = try Binary.run(["runs", "--runs", runs.path])
    #expect(table.code == 0 && table.error == "")
    let rows = table.standard.split(separator: "\n").map { $0.split(separator: " ") }
    #expect(rows.map { $0.first } == ["run", "second", "first"])
    #expect(rows[1].prefix(5) == ["second", "finished", "3/3", "4.2500", "200"])
    #expect(rows[1].suffix(3) == ["1×2×1", "1f1b", "bf16"])
    runs.remove("second")
    func listed(_ options: [String]) throws -> [[String: JSONValue]] {
      let output = try Binary.run(["runs", "--runs", runs.path, "--json"] + options)
      #expect(output.code == 0 && output.error == "")
      guard case .array(let values) = try JSONValue(parsing: Array(output.standard.utf8)) else {
        return []
      }
      return values.compactMap { if case .object(let members) = $0 { members } else { nil } }
    }
    #expect(try listed([]).map { $0["name"] } == [.string("first")])
    let all = try listed(["--all"])
    #expect(all.map { $0["name"] } == [.string("second"), .string("first")])
    #expect(all.map { $0["deleted"] } == [.bool(true), .bool(false)])
    #expect(all[0]["loss"] == .number(4.25) && all[0]["steps"] == .integer(3))
    // A history that can't be used is a warning.
    try RunDirectory.write("no database, whatever its name", to: runs.path + "/history.db")
    let warned = try Binary.run(["runs", "--all", "--runs", runs.path])
    #expect(warned.code == 0 && warned.standard.contains("first"))
    #expect(warned.error.hasPrefix("dsv3: warning: the history of runs can't be used"))
    let none = try Binary.run(["runs", "--runs", runs.path + "/nowhere"])
    #expect(none.code == 0 && none.error.contains("has no run"))
  }

  @Test func logsHaveTheirRankBeforeThem() throws {
    let runs = try RunsOnDisk()
    try runs.add("a", losses: [5])
    func logs(_ options: String...) throws -> Output {
      try Binary.run(["logs", "a", "--runs", runs.path] + options)
    }
    #expect(
      try logs().standard
        == "rank 0  | hello\nrank 0  | from 0\nrank 1  | hello\nrank 1  | from 1\n")
    #expect(try logs("-n", "1").standard == "rank 0  | from 0\nrank 1  | from 1\n")
    // The run is over: following ends at once.
    #expect(try logs("--rank", "1", "-f").standard == "hello\nfrom 1\n")
    let missing = try logs("--rank", "7")
    #expect(missing.code == 66 && missing.error.hasSuffix("rank 7 has no log; 0–1 have one\n"))
  }

  @Test func runsThatDifferTooMuchAreAFailure() throws {
    let runs = try RunsOnDisk()
    try runs.add("a", losses: [5, 4, 2])
    try runs.add("b", losses: [5, 4.1, 2], settings: "precision: bf16\n")
    func compare(_ names: [String], _ options: String...) throws -> Output {
      try Binary.run(["compare"] + names + ["--runs", runs.path] + options)
    }
    let same = try compare(["a", "a"])
    #expect(same.code == 0 && same.standard.contains("bit-identical"))
    // 0.1 / 4 at step 2, a third of that on average.
    let other = try compare(["a", "b"])
    #expect(other.code == 1 && other.error == "dsv3: beyond the tolerance of 0.01: b\n")
    #expect(other.standard.contains("differs by 0.833% on average, at most 2.5% (step 2)"))
    #expect(other.standard.contains("first beyond  step 2: 4.1 against 4, 2.5%"))
    #expect(other.standard.contains("precision  bf16 against fp32"))
    #expect(try compare(["a", "b"], "--tolerance", "0.03").code == 0)
    let json = try compare(["a", "b"], "--tolerance", "0.03", "--json")
    let values = try JSONValue(parsing: Array(json.standard.utf8))
    guard case .array(let items) = values, case .object(let members)? = items.first else {
      Issue.record("no array of objects: \(json.standard)")
      return
    }
    #expect(members["identical"] == .bool(false) && members["steps"] == .integer(3))
    #expect(members["within_tolerance"] == .bool(true))
    let missing = try compare(["a", "b"], "--metric", "grad_norm")
    #expect(missing.code == 65 && missing.error.contains("no step in common with 'grad_norm'"))
    #expect(try compare(["a"]).code == 64)
    #expect(try compare(["a", "b"], "--metric", "los").error.contains("did you mean 'loss'?"))
    #expect(try compare(["a", "b"], "--tolerance", "1", "--svg", "-").standard.hasPrefix("<svg"))
  }
}
