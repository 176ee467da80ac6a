// The folder of checkpoints, the division of weights over its files, and the cutting of metrics:
// what can be told without a job.

import Checkpoints
import Glibc
import Model
import ModelSpec
import RunFiles
import Schedules
import Testing
import Training

struct CheckpointFolderTests {
  private let files = TestDirectory()
  private var folder: CheckpointFolder { CheckpointFolder(path: files("checkpoints")) }

  private func write(step: Int, keep: Int) throws {
    try folder.begin(step: step)
    // Any rank may come first.
    try folder.begin(step: step)
    files.write("checkpoints/.step-\(step).partial/state.json", "{}")
    try folder.complete(step: step, keep: keep)
  }

  private func target(_ link: String) -> String {
    var buffer = [CChar](repeating: 0, count: 256)
    let count = readlink(link, &buffer, buffer.count)
    return String(
      decoding: buffer.prefix(max(0, count)).map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  @Test func newestAreKeptAndLatestIsARelativeLink() throws {
    for step in [3, 6, 9, 12] { try write(step: step, keep: 2) }
    #expect(try folder.steps() == [9, 12])
    #expect(target(folder.latest) == "step-12")
    #expect(try folder.newest() == folder.checkpoint(step: 12))
  }

  @Test func whatWasGivenUpGoesAndLeftoversToo() throws {
    for step in [3, 6, 9] { try write(step: step, keep: 3) }
    files.write("checkpoints/.step-7.partial/model-00001-of-00002.safetensors", "torn")
    try folder.clear()
    #expect(access(folder.partial(step: 7), F_OK) != 0)
    // Gone back to step 3 by hand and trained on: 6 and 9 are of another past.
    try write(step: 5, keep: 3)
    #expect(try folder.steps() == [3, 5])
  }

  @Test func checkpointsOfAnEarlierRunAreNoneToFallBackOn() throws {
    for step in [2, 4, 6] { try write(step: step, keep: 3) }
    try folder.forgetLatest()
    try folder.begin(step: 5)
    try folder.complete(step: 5, keep: 3, foreign: [2, 4, 6])
    #expect(try folder.steps() == [5])
    #expect(try folder.candidates() == [folder.checkpoint(step: 5)])
  }

  @Test func candidatesAreTheNewestThatLatestKnowsAndThoseBefore() throws {
    for step in [3, 6, 9, 12] { try write(step: step, keep: 4) }
    unlink(folder.latest)
    files.link("checkpoints/latest", to: "step-9")
    #expect(try folder.candidates() == [9, 6, 3].map(folder.checkpoint(step:)))
    unlink(folder.latest)
    #expect(throws: CheckpointError.self) { try folder.candidates() }
    // Moved away by hand: it is named, and those before it are there.
    files.link("checkpoints/latest", to: "step-7")
    #expect(try folder.candidates() == [7, 6, 3].map(folder.checkpoint(step:)))
  }

  @Test func aCheckpointIsReplacedByANewOneOfTheSameStep() throws {
    try write(step: 4, keep: 1)
    try folder.begin(step: 4)
    files.write("checkpoints/.step-4.partial/state.json", "second")
    // Until it is whole the old one stands.
    #expect(try text(of: folder.checkpoint(step: 4) + "/state.json") == "{}")
    try folder.complete(step: 4, keep: 1)
    #expect(try text(of: folder.checkpoint(step: 4) + "/state.json") == "second")
  }

  @Test func metricsAreCutAfterTheStepAndAtTornLines() throws {
    func line(_ step: Int) -> String { "{\"step\": \(step), \"tokens\": 256}\n" }
    let run = RunDirectory(path: files.path)
    try run.cutMetrics(after: 3)
    for (before, after) in [
      ((1...6).map(line).joined(), (1...3).map(line).joined()),
      ((1...2).map(line).joined() + "{\"step\": 3, \"tok", (1...2).map(line).joined()),
      // Torn between the brace and the line's end: a line that nobody finished.
      (line(1) + "{\"step\": 2, \"tokens\": 256}", line(1)),
      (line(12) + line(1), ""),
      ("", ""),
    ] {
      files.write("metrics.jsonl", before)
      try run.cutMetrics(after: 3)
      #expect(try text(of: run.metrics) == after)
    }
  }

  @Test(arguments: ["gpipe", "1f1b", "dualpipe"], [(2, 2, 2), (4, 2, 1), (4, 4, 4), (2, 4, 2)])
  func everyTensorIsWrittenOnceByARankThatHoldsIt(
    schedule: String, degrees: (pipeline: Int, data: Int, expert: Int)
  ) throws {
    let spec = try ModelPreset.named("dsv3-mini").spec
    let (pipeline, data, expert) = degrees
    let layout = Layout(pipeline: pipeline, data: data, expert: expert, gpusPerNode: 2)
    let placement = Placement(
      spec: spec, layout: layout,
      schedule: try ScheduleCatalog.make(name: schedule, ranks: pipeline, microbatches: 8),
      stages: try StagePartition(spec, stages: pipeline, sequenceLength: 128).stages)
    let shards = CheckpointShards(placement)
    // The oracle: the model's own list of tensors.
    #expect(shards.tensors.flatMap { $0 }.sorted() == spec.parameters().map(\.name).sorted())
    for (rank, names) in shards.tensors.enumerated() {
      #expect((shards.files[rank] == nil) == names.isEmpty)
      let held = Set(placement.groups(of: rank).flatMap { $0.shapes.map(\.name) })
      let biases = names.filter { !held.contains($0) }
      #expect(biases.allSatisfy { $0.hasSuffix("mlp.gate.e_score_correction_bias") })
    }
    let named = shards.files.compactMap { $0 }
    #expect(Set(named).count == named.count)
  }
}
