// `dsv3 numerics compare` as its user meets it, on a model that trains a step in milliseconds: what
// it writes, that it goes on, what it says when something is wrong, and that it leaves no worker.

import Coordinator
import Glibc
import JSON
import Testing

@Suite struct NumericsCompareJobTests {
  /// A text and a directory, and the options of a small comparison there.
  private final class Small {
    let path: String

    init() throws {
      var template = Array("/tmp/dsv3-compare-XXXXXX".utf8CString)
      path = try #require(
        template.withUnsafeMutableBufferPointer { buffer in
          buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) }
        })
      let file = try #require(fopen(path + "/text.txt", "w"))
      for number in 0..<800 { fputs("token \(number * number % 97) of the text\n", file) }
      fclose(file)
    }

    deinit {
      _ = try? Subprocess(
        starting: ProgramCall("rm", ["-rf", path]), output: { _ in }, error: { _ in }
      ).wait()
    }

    var output: String { path + "/out" }

    func arguments(_ more: [String] = [], steps: Int = 3) -> [String] {
      let settings = [
        "model.dimensions={hidden: 16, layers: 2, dense_layers: 1, heads: 2, dense_width: 32}",
        "training.sequence=16", "schedule.microbatches=2", "data.sources=[\(path)/text.txt]",
        "data.held_out=0.02",
      ]
      return ["numerics", "compare", "--steps", "\(steps)", "--output", output]
        + settings.flatMap { ["--set", $0] } + more
    }

    func run(_ more: [String] = []) throws -> Output { try Binary.run(arguments(more)) }
  }

  private func object(_ value: JSONValue?) throws -> [String: JSONValue] {
    guard case .object(let members) = value else {
      return try #require(nil as [String: JSONValue]?)
    }
    return members
  }

  private func list(_ value: JSONValue?) throws -> [JSONValue] {
    guard case .array(let values) = value else { return try #require(nil as [JSONValue]?) }
    return values
  }

  @Test func twoPrecisionsAreComparedAndNotTrainedAgain() throws {
    let small = try Small()
    let options = ["--precisions", "fp32,bf16", "--baseline", "fp32", "--json"]
    let output = try small.run(options)
    try #require(output.code == 0, "\(output.error)")
    let figures = try object(JSONValue(parsing: Array(output.standard.utf8)))
    #expect(figures["steps"] == .integer(3) && figures["seeds"] == .array([.integer(1)]))
    // 4 data ranks of 2 micro-batches of 16 tokens, on one rank.
    #expect(figures["tokens_per_step"] == .integer(128) && figures["ranks"] == .integer(1))
    let precisions = try list(figures["precisions"])
    #expect(precisions.count == 2)
    let second = try object(precisions[1])
    let error = try object(second["relative_error_last_half"])
    for key in ["mean", "max", "signed_mean"] {
      guard case .number(let value) = error[key] else {
        #expect(error[key] == .integer(0), "\(key)")
        continue
      }
      #expect(abs(value) < 0.05, "\(key)")
    }
    for key in ["final_loss", "held_out_loss", "seconds_per_step", "relative_cost"] {
      guard case .number(let value) = second[key] else {
        Issue.record("\(key) is \(String(describing: second[key]))")
        continue
      }
      #expect(value > 0)
    }
    #expect(try Binary.text(small.output + "/comparison.svg").hasPrefix("<svg "))
    let kept = try object(
      JSONValue(parsing: Array(Binary.text(small.output + "/comparison.json").utf8)))
    let first = try object(list(kept["precisions"]).first)
    #expect(try list(first["mean_curve"]).count == 3)

    let again = try small.run(options)
    #expect(again.standard == output.standard)
    #expect(again.error.components(of: "(trained before)") == 2)
    let other = try small.run(options + ["--set", "training.clip_norm=2"])
    #expect(other.code == 64 && other.error.contains("training.clip_norm was 1.0 and is 2.0"))
  }

  @Test func divergenceIsAResult() throws {
    let output = try Small().run([
      "--precisions", "fp32", "--baseline", "fp32", "--set", "training.learning_rate=1e30",
      "--set", "training.warmup_steps=1",
    ])
    #expect(output.code == 0, "\(output.error)")
    #expect(output.error.contains("fp32-seed1: diverged at step 2"))
    #expect(output.standard.contains("diverged at step 2"))
  }

  @Test func aWorkersFailureIsShown() throws {
    let output = try Small().run([
      "--precisions", "fp32", "--baseline", "fp32", "--set", "data.sources=[/nowhere/text]",
    ])
    #expect(output.code == 70 && output.standard == "")
    #expect(output.error.contains("dsv3: fp32-seed1: the worker ended with code 66"))
    #expect(output.error.contains("/nowhere/text"), "\(output.error)")
  }

  @Test(
    arguments: [
      (["--precisions", "fp32,bf61"], "did you mean 'bf16'?"),
      (["--precisions", "fp32,fp8"], "the baseline 'bf16' is not among the precisions"),
      (["--precisions", "fp32,,fp8"], "wants a list such as a,b,c"),
      (["--seeds", "1,two"], "wants whole numbers such as 1,2,3"),
      (["--seeds", "2,2"], "a seed is named twice"),
      (["--ranks", "3"], "can't share out the 8 micro-batches"),
      (["--layout", "own"], "takes 'keep' only"),
      (["--json", "--svg", "-"], "both want standard output"),
      (["--curves"], "comparison.json always has them"),
    ] as [([String], String)])
  func mistakesSayWhatWouldBeRight(_ options: [String], _ part: String) throws {
    let output = try Small().run(options)
    #expect(output.code == 64 && output.standard == "")
    #expect(output.error.contains(part), "\(output.error)")
  }

  @Test func otherFilesAreLeftAlone() throws {
    let small = try Small()
    let output = try Binary.run(small.arguments(["--output", small.path]))
    #expect(output.code == 64)
    #expect(output.error.contains("\(small.path) holds something else (text.txt)"))
  }

  @Test func aMissingMpirunIsNamed() throws {
    let output = try Binary.run(Small().arguments(), environment: ["PATH": "/nowhere"])
    #expect(output.code == 66)
    #expect(output.error.contains("no program 'mpirun' in PATH (/nowhere); install Open MPI"))
  }

  /// The workers are in process groups of their own: nobody else would end them.
  @Test func anInterruptedComparisonLeavesNoWorker() throws {
    let small = try Small()
    let options = ["--precisions", "fp32", "--baseline", "fp32"]
    let child = try Subprocess(
      starting: ProgramCall(
        Binary.path, small.arguments(options, steps: 1_000_000), directory: Binary.root),
      output: { _ in }, error: { _ in })
    let metrics = small.output + "/fp32-seed1/metrics.jsonl"
    for _ in 0..<500 where access(metrics, F_OK) != 0 && child.ending == nil {
      try Subprocess.wait(for: [child], atMost: 0.02)
    }
    let worker = try workerProcess(small.output + "/fp32-seed1/ranks/rank-00000.log")
    #expect(kill(worker, 0) == 0)
    child.send(SIGINT, toGroup: false)
    #expect(try child.wait(atMost: 20) == .exited(128 + SIGINT))
    for _ in 0..<100 where kill(worker, 0) == 0 { usleep(20_000) }
    #expect(kill(worker, 0) != 0)
  }

  /// The log of a rank says its process number.
  private func workerProcess(_ log: String) throws -> pid_t {
    let words = try Binary.text(log).split { $0 == " " || $0 == "\n" }
    let place = try #require(words.firstIndex(of: "process"))
    return try #require(pid_t(words[place + 1]))
  }
}

extension String {
  /// How often `part` stands in the text.
  fileprivate func components(of part: String) -> Int {
    var (count, rest) = (0, self[...])
    while let place = rest.firstRange(of: part) {
      count += 1
      rest = rest[place.upperBound...]
    }
    return count
  }
}
