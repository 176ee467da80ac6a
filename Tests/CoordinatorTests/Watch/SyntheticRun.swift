// Run directories for tests of whatever shows runs: written here file by file, without training.

import Coordinator
import Glibc
import JSON
import RunFiles
import Testing

/// A folder with runs, removed with this value.
final class SyntheticRuns {
  let folder: TestFolder

  init() throws { folder = try TestFolder() }

  var path: String { folder.path }

  /// A run with a configuration of four ranks; nothing has been done.
  func run(_ name: String, settings: String = "") throws -> SyntheticRun {
    try SyntheticRun(RunDirectory(path: "\(path)/\(name)"), settings, in: folder)
  }
}

struct SyntheticRun {
  let directory: RunDirectory
  /// Stays as long as this run is used.
  private let folder: TestFolder

  static let configuration = """
    layout: {pipeline: 2, data: 2, expert: 2}
    schedule: {name: 1f1b, microbatches: 4}
    training: {steps: 20}

    """

  fileprivate init(
    _ directory: RunDirectory, _ settings: String, in folder: TestFolder
  ) throws {
    self.directory = directory
    self.folder = folder
    try directory.create()
    try RunDirectory.write(
      settings.isEmpty ? Self.configuration : settings, to: directory.path + "/config.yaml")
  }

  /// A line of metrics.jsonl with all its keys. The loss falls from 5.6 by 0.1 a step.
  static func line(
    _ step: Int, loss: Double? = nil, seconds: Double = 0.5, virtual: Double? = 18.5
  ) -> String {
    let clock =
      virtual.map {
        ", \"virtual_step_seconds\": \($0), \"virtual_tokens_per_second\": 1000.0, \"mfu\": 0.44, "
          + "\"bubble_fraction\": 0.07, \"exposed_communication_seconds\": 1.5"
      } ?? ""
    return "{\"step\": \(step), \"tokens\": 1024, \"loss\": \(loss ?? 5.7 - 0.1 * Double(step)), "
      + "\"mtp_loss\": 5.9, \"balance_loss\": 0.001, \"grad_norm\": 1.25, "
      + "\"learning_rate\": 0.0003, \"wall_seconds\": \(seconds), "
      + "\"tokens_per_second\": \(1024 / seconds), \"max_expert_load_ratio\": 1.75, "
      + "\"nvlink_bytes\": 2000000, \"infiniband_bytes\": 1000000, \"dispatch_bytes\": 1500000, "
      + "\"peak_memory_bytes\": 15000000, \"memory_bytes\": {\"parameters\": 5000000, "
      + "\"gradients\": 4000000, \"optimizer\": 3000000, \"activations\": 2000000, "
      + "\"buffers\": 1000000, \"total\": 15000000}, \"emulation_bytes\": 0, "
      + "\"peak_activation_bytes\": 2500000, \"peak_activations\": 3\(clock)}\n"
  }

  func write(_ text: String, to path: String) throws { try RunDirectory.write(text, to: path) }

  func append(_ text: String, to path: String) throws {
    try LogFile(path: path, append: true).write(text)
  }

  /// Steps as the worker would have done them.
  func train(_ steps: ClosedRange<Int>, seconds: Double = 0.5) throws {
    try append(steps.map { Self.line($0, seconds: seconds) }.joined(), to: directory.metrics)
  }

  func record(
    _ state: RunRecord.State, coordinator: ProcessIdentity = ProcessTable.own, restarts: Int = 0
  ) throws {
    var record = RunRecord(
      name: directory.name, state: state, coordinator: coordinator, ranks: 4, hosts: [],
      command: ["mpirun"], started: 1_000_000, maxRestarts: 3, steps: 20)
    record.restarts = restarts
    if state == .failed { record.reason = "rank 3 was killed" }
    try record.write(to: directory.record)
  }

  /// A process that doesn't live: this one's number with another beginning.
  static var dead: ProcessIdentity {
    var own = ProcessTable.own
    own.ticks += 1
    return own
  }

  /// Experts 0..<count of each layer with 10 tokens more each than the one before.
  func writeLoads(step: Int, layers: ClosedRange<Int>, experts: Int) throws {
    let rows = layers.map { layer in
      "{\"layer\": \(layer), \"tokens\": \((0..<experts).map { 10 * ($0 + 1) })}"
    }
    try append(
      "{\"step\": \(step), \"layers\": [\(rows.joined(separator: ", "))]}\n", to: directory.loads)
  }

  /// A beat that stays as it is when its writer has gone.
  func beat(_ rank: Int, _ fill: (BeatWriter) -> Void) throws {
    fill(try BeatWriter(path: directory.rankBeat(rank), rank: rank))
  }
}
