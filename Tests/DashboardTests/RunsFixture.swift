// A runs folder made by hand: what the dashboard serves of it can be told by looking at it.

import Glibc
import JSON
import RunFiles
import Testing

/// Goes with the test.
final class RunsFixture {
  let path: String
  /// Beside the folder: nothing in here may ever be served.
  let outside: String
  static let secret = "what-lies-outside"

  init() throws {
    var template = Array("/tmp/dsv3-dashboard-XXXXXX".utf8CString)
    let root = try #require(mkdtemp(&template).map { String(cString: $0) })
    path = root + "/runs"
    outside = root + "/outside"
    for folder in [path, outside] { try RunDirectory.makeDirectory(folder) }
    try write("\(outside)/config.yaml", "secret: \(Self.secret)\n")
    try write("\(outside)/metrics.jsonl", "{\"step\": 1, \"loss\": 66.5}\n")
    try RunsFixture.run(at: "\(path)/first")
  }

  deinit {
    let root = String(path.dropLast("/runs".count))
    Self.remove(root)
  }

  var first: RunDirectory { RunDirectory(path: path + "/first") }

  static let configuration =
    "training:\n  steps: 4\nlayout:\n  pipeline: 2\n  data: 1\n  expert: 1\n"

  /// A run of two steps on two ranks, without a coordinator.
  private static func run(at path: String) throws {
    let run = RunDirectory(path: path)
    try run.create()
    try write("\(path)/config.yaml", configuration)
    try write(run.metrics, line(1, loss: 5.5) + line(2, loss: 4.25))
    try write(run.loads, "{\"step\":2,\"layers\":[{\"layer\":1,\"tokens\":[3,5]}]}\n")
    try write(
      run.timeline,
      """
      {"step":2,"step_seconds":1.5,"ranks":[{"rank":0,"spans":[
        {"start":0.0,"end":0.5,"kind":"F","stage":0,"microbatch":0}]}]}

      """)
    try write(run.report, "{\"step_seconds\":1.5,\"links\":{\"nvlink_bytes\":7}}\n")
    let event = RunEvent(
      time: 100.5, kind: .failure, message: "rank 1 was killed by signal 9", step: 2, rank: 1,
      details: ["last line"])
    try event.append(to: run.events)
    for rank in 0..<2 {
      let beat = try BeatWriter(path: run.rankBeat(rank), rank: rank)
      beat.begin(step: 3)
      beat.wait(.dispatch, peer: 1 - rank)
      beat.memory(tensorBytes: 1000 + rank, residentBytes: 2000 + rank)
    }
  }

  /// A line of metrics.jsonl as the worker writes them.
  static func line(_ step: Int, loss: Double) -> String {
    """
    {"step": \(step), "tokens": 512, "loss": \(loss), "mtp_loss": 4.8, "grad_norm": 1.25, \
    "learning_rate": 1e-05, "wall_seconds": 0.5, "tokens_per_second": 1024.0, \
    "nvlink_bytes": 77, "infiniband_bytes": 0, "peak_memory_bytes": 7811084, \
    "memory_bytes": {"parameters": 3, "total": 7811084}, "virtual_step_seconds": 4.361131386311, \
    "mfu": 0.15, "bubble_fraction": 0.002}

    """
  }

  static func append(_ text: String, to path: String) throws {
    try LogFile(path: path, append: true).write(text)
  }

  private static func remove(_ path: String) {
    var status = stat()
    guard lstat(path, &status) == 0 else { return }
    if status.st_mode & S_IFMT == S_IFDIR {
      for name in RunFolder.names(in: path) { remove("\(path)/\(name)") }
      rmdir(path)
    } else {
      unlink(path)
    }
  }
}

private func write(_ path: String, _ text: String) throws {
  try RunDirectory.write(text, to: path)
}
