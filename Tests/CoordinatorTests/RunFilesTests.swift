// What the coordinator reads of a run: metrics while they grow, and what a worker says.

import Coordinator
import Glibc
import Testing

/// A directory of its own, removed with all in it.
final class TestFolder {
  let path: String

  init() throws {
    var template = Array("/tmp/dsv3-coordinator-XXXXXX".utf8CString)
    path = try #require(
      template.withUnsafeMutableBufferPointer { buffer in
        buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) }
      })
  }

  deinit {
    _ = try? Subprocess(
      starting: ProgramCall("rm", ["-rf", path]), output: { _ in }, error: { _ in }
    ).wait()
  }

  func append(_ text: String, to name: String) throws {
    let file = try #require(fopen("\(path)/\(name)", "a"))
    fputs(text, file)
    fclose(file)
  }
}

@Suite struct RunFilesTests {
  private func line(_ step: Int, _ loss: Double) -> String {
    "{\"step\": \(step), \"tokens\": 64, \"loss\": \(loss), \"grad_norm\": 1.0, "
      + "\"wall_seconds\": 0.25}\n"
  }

  @Test func metricsAreReadAsTheyGrow() throws {
    let folder = try TestFolder()
    var reader = MetricsReader(path: folder.path + "/metrics.jsonl")
    try reader.update()
    #expect(reader.steps.isEmpty)
    let second = line(2, 4.5)
    try folder.append(line(1, 5.5) + second.prefix(20), to: "metrics.jsonl")
    try reader.update()
    #expect(reader.steps.map(\.loss) == [5.5])
    try folder.append(second.dropFirst(20) + line(3, 4), to: "metrics.jsonl")
    try reader.update()
    #expect(reader.steps.map(\.loss) == [5.5, 4.5, 4])
    #expect(reader.steps[1].tokens == 64 && reader.steps[1].wallSeconds == 0.25)
  }

  @Test(arguments: ["no JSON\n", "{\"step\": 1}\n", "{\"step\": 3, \"tokens\": 1}\n"])
  func metricsOfAnotherKindAreRefusedWithTheirLine(_ text: String) throws {
    let folder = try TestFolder()
    try folder.append(line(1, 5) + text, to: "metrics.jsonl")
    var reader = MetricsReader(path: folder.path + "/metrics.jsonl")
    let error = #expect(throws: ComparisonError.self) { try reader.update() }
    #expect(error?.description.contains("metrics.jsonl, line 2: ") == true)
    #expect(error?.exitCode == 65)
  }

  @Test func aWorkersWordsAreUnderstood() {
    var output = WorkerOutput()
    for line in [
      "text: 1532764 tokens to train on, 80958 held out",
      "held-out loss 5.6143 before training",
      "Held-out loss: 4.6163 nats per token (before training 5.6143)",
    ] {
      output.read(output: line)
    }
    #expect(output.trainingTokens == 1_532_764 && output.heldOutTokens == 80_958)
    #expect(output.heldOutLoss == 4.6163 && output.divergedAt == nil)
    output.read(
      error: "dsv3-worker: step 17: the loss is nan and the gradient norm nan (learning rate 0.1):")
    for _ in 0..<20 { output.read(error: "mpirun adds this") }
    #expect(output.divergedAt == 17)
    // A worker's own words are worth more, but only the last lines are kept.
    #expect(output.complaint == [String](repeating: "mpirun adds this", count: 12))
    output.read(error: "dsv3-worker: no text")
    #expect(output.complaint == ["dsv3-worker: no text"])
  }
}
