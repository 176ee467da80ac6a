// `dsv3 checkpoint` on a checkpoint that is made of a golden model: what it shows, what it finds
// damaged, and what it exports.

import Checkpoints
import Glibc
import JSON
import Model
import ModelSpec
import RunFiles
import Testing

struct CheckpointTests {
  /// A run of one rank with a checkpoint of step 4, the weights those of the golden model and their
  /// mean half of them.
  private func makeRun(_ scratch: Scratch) throws -> CheckpointFolder {
    let run = RunDirectory(path: scratch.path("runs/tiny"))
    try run.create()
    try RunDirectory.write("model: {}\n", to: run.path + "/config.yaml")
    let folder = CheckpointFolder(path: run.checkpoints)
    try folder.begin(step: 4)
    let directory = folder.partial(step: 4)
    let model = try HuggingFaceDirectory(path: "\(Binary.root)/Tests/Fixtures/golden/tiny")
    let tensors = try model.spec.parameters().map {
      SafeTensors.Tensor($0.name, shape: $0.shape, .floats(try model.floats($0.name)))
    }
    try HuggingFaceDirectory.write(spec: model.spec, tensors: tensors, to: directory)
    let means = try model.spec.parameters().filter { !$0.isBuffer }.map { parameter in
      let values = try model.floats(parameter.name).map { $0 / 2 }
      return SafeTensors.Tensor(
        ShardPiece(.mean, of: parameter.name, 0..<values.count).name, shape: [values.count],
        .floats(values))
    }
    try SafeTensors.write(means, to: directory + "/" + ShardFiles.file("average", rank: 0))
    let state = CheckpointState(
      stepsDone: 4, totalSteps: 9, worldSize: 1, globalBatch: 8, sequences: 32,
      averageUpdates: 2.5, text: "0",
      settings: [
        "layout.pipeline": .integer(1), "layout.stages": .array([.integer(4)]),
        "schedule.name": .string("gpipe"),
      ])
    try RunFile.replace(directory + "/state.json", with: state.json)
    let files = try RunFolder.names(in: directory).map { name in
      let checksum = try FileChecksum(ofFile: "\(directory)/\(name)")
      return CheckpointManifest.File(
        name: name, bytes: checksum.bytes, checksum: checksum.digits)
    }
    try CheckpointManifest(step: 4, files: files).writePart(to: directory, rank: 0)
    _ = try CheckpointManifest.join(partsOf: 1, in: directory)
    try folder.complete(step: 4, keep: 1)
    return folder
  }

  private func run(_ scratch: Scratch, _ arguments: [String]) throws -> Output {
    try Binary.run(["checkpoint"] + arguments + ["--runs", scratch.path("runs")])
  }

  @Test func checkpointIsShownVerifiedAndFoundDamaged() throws {
    let scratch = try Scratch()
    let folder = try makeRun(scratch)
    defer { remove(folder, scratch) }
    for name in ["tiny", "tiny@4", "@4", folder.latest, scratch.path("runs/tiny")] {
      let shown = try run(scratch, ["inspect", name])
      #expect(shown.code == 0, "\(shown.error)")
      for part in ["4 of 9, 32 sequences", "stages [4]", "gpipe", "model.safetensors", "xxh3"] {
        #expect(shown.standard.contains(part), "\(shown.standard)")
      }
    }
    let json = try JSONValue(
      parsing: Array(try run(scratch, ["inspect", "--json"]).standard.utf8))
    guard case .object(let members) = json, case .object(let files)? = members["files"] else {
      Issue.record("no object")
      return
    }
    #expect(members["steps_done"] == .integer(4) && files.count == 4)
    #expect(members["steps_of_run"] == .array([.integer(4)]))

    #expect(try run(scratch, ["verify"]).standard == "\(folder.checkpoint(step: 4)) is whole\n")
    let weights = folder.checkpoint(step: 4) + "/model.safetensors"
    let handle = open(weights, O_RDWR)
    var byte: UInt8 = 0
    pread(handle, &byte, 1, 90_000)
    byte ^= 4
    pwrite(handle, &byte, 1, 90_000)
    close(handle)
    truncate(folder.checkpoint(step: 4) + "/state.json", 9)
    let damaged = try run(scratch, ["verify", "tiny"])
    #expect(damaged.code == 65 && damaged.standard == "")
    for part in ["model.safetensors: damaged", "state.json: 9 bytes where"] {
      #expect(damaged.error.contains(part), "\(damaged.error)")
    }
    let export = try run(scratch, ["export", "tiny", "--output", scratch.path("model")])
    #expect(export.code == 65 && access(scratch.path("model"), F_OK) != 0)
  }

  @Test(arguments: [(false, "f32"), (true, "f32"), (false, "bf16")])
  func exportIsTheModelOfTheCheckpoint(isAverage: Bool, dtype: String) throws {
    let scratch = try Scratch()
    let folder = try makeRun(scratch)
    defer { remove(folder, scratch) }
    let output = scratch.path("model")
    defer { for name in RunFolder.names(in: output) { unlink("\(output)/\(name)") }; rmdir(output) }
    let export = try run(
      scratch,
      ["export", "tiny", "--output", output + "/", "--dtype", dtype]
        + (isAverage ? ["--average"] : []))
    try #require(export.code == 0, "\(export.error)")
    let golden = try HuggingFaceDirectory(path: "\(Binary.root)/Tests/Fixtures/golden/tiny")
    let exported = try HuggingFaceDirectory(path: output)
    #expect(exported.spec == golden.spec)
    #expect(try text(output + "/config.json").contains(dtype == "f32" ? "float32" : "bfloat16"))
    for parameter in golden.spec.parameters() {
      let type = try exported.info(parameter.name).type
      #expect(type == (dtype == "f32" || parameter.isBuffer ? .f32 : .bf16))
      let factor: Float = isAverage && !parameter.isBuffer ? 0.5 : 1
      for (a, b) in zip(
        try exported.floats(parameter.name), try golden.floats(parameter.name))
      {
        // Eight bits of significand: rounding changes a number by at most 2⁻⁸ of it.
        let tolerance: Float = type == .f32 ? 0 : 0x1p-8 * abs(b)
        #expect(abs(a - b * factor) <= tolerance)
      }
    }
    let inputs = "Tests/Fixtures/golden/tiny/inputs.safetensors"
    let evaluated = try Binary.run([
      "evaluate", "--checkpoint", output, "--inputs", inputs, "--output", scratch.path("out"),
    ])
    #expect(evaluated.code == 0, "\(evaluated.error)")
    let again = try run(scratch, ["export", "tiny", "--output", output])
    #expect(again.code == 74 && again.error.contains("not an empty directory"))
  }

  @Test func mistakesAreNamedWithTheirCode() throws {
    let scratch = try Scratch()
    let folder = try makeRun(scratch)
    defer { remove(folder, scratch) }
    let cases: [([String], Int32, String)] = [
      (["inspect", "tiny@5"], 66, "no checkpoint of step 5; there are those of 4"),
      (["inspect", "big"], 66, "there is no run 'big'"),
      (["verify", "a", "b"], 64, "unexpected argument 'b'"),
      (["export", "tiny"], 64, "--output is missing"),
      (["export", "tiny", "--output", "x", "--dtype", "f16"], 64, "f32 or bf16, not 'f16'"),
      (["exprot"], 64, "did you mean 'export'"),
    ]
    for (arguments, code, part) in cases {
      let output = try run(scratch, arguments)
      #expect(output.code == code && output.error.contains(part), "\(output.error)")
    }
  }

  private func text(_ path: String) throws -> String { try Binary.text(path) }

  /// The scratch directory removes files, not directories.
  private func remove(_ folder: CheckpointFolder, _ scratch: Scratch) {
    let run = RunDirectory(path: scratch.path("runs/tiny"))
    unlink(folder.latest)
    for path in [
      folder.checkpoint(step: 4), folder.path, run.path + "/ranks", run.workloads, run.path,
      scratch.path("runs"),
    ] {
      for name in RunFolder.names(in: path) { unlink("\(path)/\(name)") }
      rmdir(path)
    }
  }
}
