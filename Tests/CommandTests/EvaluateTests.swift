// `dsv3 evaluate` on the golden directories: every tensor that Hugging Face's DeepSeek-V3 gives,
// from the command line, within 2e-5 of its largest entry (Tests/Fixtures/golden/README.md).

import Glibc
import JSON
import Model
import ModelSpec
import Testing

struct EvaluateCase: Sendable, CustomTestStringConvertible {
  var name: String
  var options: [String] = []
  var testDescription: String { name }

  var directory: String { "Tests/Fixtures/golden/\(name)" }

  static let all = [
    EvaluateCase(name: "tiny"), EvaluateCase(name: "tiny-yarn"),
    EvaluateCase(name: "tiny-mtp", options: ["--mtp", "report"]),
    EvaluateCase(name: "tiny-mtp-released"),
  ]
}

@Suite struct EvaluateTests {
  private func run(
    _ golden: EvaluateCase, _ scratch: Scratch, _ more: [String] = []
  ) throws -> Output {
    try Binary.run(
      [
        "evaluate", "--checkpoint", golden.directory, "--inputs",
        golden.directory + "/inputs.safetensors", "--output", scratch.path("out"),
      ] + golden.options + more)
  }

  /// The tensors of two files: the same names and shapes, and values within the tolerance.
  private func compare(_ path: String, _ expectedPath: String) throws {
    let own = try SafeTensors(path: path)
    let expected = try SafeTensors(path: "\(Binary.root)/\(expectedPath)")
    #expect(Set(own.names) == Set(expected.names))
    for tensor in expected.tensors {
      let info = try own.info(tensor.name)
      #expect(info.shape == tensor.shape, "\(tensor.name)")
      #expect(info.type == .f32)
      let error = try Self.error(own.floats(tensor.name), expected.floats(tensor.name))
      #expect(error <= 2e-5, "\(tensor.name)")
    }
  }

  /// max|a − b| / max|b|
  private static func error(_ a: [Float], _ b: [Float]) -> Float {
    let difference = zip(a, b).map { abs($0 - $1) }.reduce(0) { $1.isNaN ? $1 : max($0, $1) }
    return difference / max(b.map(abs).max() ?? 0, .leastNormalMagnitude)
  }

  @Test(arguments: EvaluateCase.all)
  func everyTensorIsHuggingFaces(_ golden: EvaluateCase) throws {
    let scratch = try Scratch()
    let output = try run(golden, scratch, ["--gradients", scratch.path("gradients")])
    #expect(output.code == 0)
    #expect(output.error == "")
    #expect(output.standard.hasPrefix("loss      "))
    try compare(scratch.path("out"), golden.directory + "/outputs.safetensors")
    try compare(scratch.path("gradients"), golden.directory + "/grads.safetensors")
  }

  /// The two conventions differ, and `released` is the default: tiny-mtp's weights are for the
  /// other one, so the main loss is its own and the MTP loss is not.
  @Test func withoutAnOptionTheConventionIsTheReleasedCheckpoints() throws {
    let scratch = try Scratch()
    let golden = EvaluateCase(name: "tiny-mtp")
    let output = try run(golden, scratch, ["--json"])
    let json = try JSONValue(parsing: Array(output.standard.utf8))
    guard case .object(let members) = json, case .number(let main) = members["main_loss"],
      case .number(let mtp) = members["mtp_loss"], case .number(let loss) = members["loss"],
      case .object(let loads) = members["expert_loads"]
    else {
      Issue.record("unexpected JSON: \(output.standard)")
      return
    }
    #expect(members["mtp"] == .string("released"))
    #expect(abs(main - 5.953335) < 1e-4)
    #expect(abs(mtp - 6.061488) > 0.01)
    #expect(abs(loss - (main + 0.3 * mtp)) < 1e-6)
    // Layers 1, 2 and MTP's 3: 2 sequences of 32 (MTP: 30) tokens with 2 experts each.
    for (layer, tokens) in [("1", 128), ("2", 128), ("3", 120)] {
      guard case .array(let counts) = loads[layer] else {
        Issue.record("no loads of layer \(layer)")
        continue
      }
      let sum = counts.reduce(0) { sum, count in
        if case .integer(let value) = count { sum + value } else { sum }
      }
      #expect(counts.count == 8 && sum == tokens)
    }
    #expect(loads.count == 3)
  }

  @Test func theMTPWeightIsTheShareOfTheMTPLoss() throws {
    let scratch = try Scratch()
    let golden = EvaluateCase.all[3]
    _ = try run(golden, scratch, ["--mtp-weight", "0"])
    let file = try SafeTensors(path: scratch.path("out"))
    #expect(try file.floats("loss") == file.floats("main_loss"))
  }

  /// The mistakes of a user, each with its code and what the message must name.
  @Test func mistakesAreNamedWithTheirCode() throws {
    let scratch = try Scratch()
    let wrong = scratch.path("wrong.safetensors")
    try SafeTensors.write(
      [.init("input_ids", shape: [1, 4], .integers([1, 2, 256, 3]))], to: wrong)
    let golden = EvaluateCase.all[0].directory
    let inputs = golden + "/inputs.safetensors"
    let cases: [([String], Int32, [String])] = [
      ([], 64, ["--checkpoint is missing", "try 'dsv3 evaluate --help'"]),
      (["--checkpoint", golden, "--inputs", inputs], 64, ["--output is missing"]),
      (["--chekpoint", golden], 64, ["did you mean '--checkpoint'?"]),
      (
        ["--checkpoint", golden, "--inputs", inputs, "--output", "x", "--mtp", "both"], 64,
        ["'--mtp'", "released or report", "'both'"]
      ),
      (
        ["--checkpoint", golden, "--inputs", inputs, "--output", "x", "y"], 64,
        ["unexpected argument 'y'"]
      ),
      (
        ["--checkpoint", "nowhere", "--inputs", inputs, "--output", scratch.path("x")], 66,
        ["nowhere", "no such directory"]
      ),
      (
        ["--checkpoint", golden, "--inputs", "nothing", "--output", scratch.path("x")], 66,
        ["nothing", "no such file"]
      ),
      (
        ["--checkpoint", golden, "--inputs", wrong, "--output", scratch.path("x")], 65,
        ["wrong.safetensors", "'input_ids'", "256 at [0, 2]", "0 to 255"]
      ),
      (["--checkpoint", golden, "--inputs", inputs, "--output", "/nowhere/x"], 74, ["/nowhere/"]),
    ]
    for (arguments, code, parts) in cases {
      let output = try Binary.run(["evaluate"] + arguments)
      #expect(output.code == code, "\(arguments)")
      #expect(output.standard == "", "\(arguments)")
      for part in parts { #expect(output.error.contains(part), "\(output.error)") }
    }
    #expect(access(scratch.path("x"), F_OK) != 0, "nothing is written after a mistake")
  }
}
