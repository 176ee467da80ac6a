// `dsv3 simulate` and `dsv3 replay` as a user meets them: keys, files, mistakes, and that the
// documents state what the commands say.

import JSON
import Testing

@Suite struct SimulateTests {
  private static func report(_ arguments: [String]) throws -> [String: JSONValue] {
    let output = try Binary.run(arguments + ["--json"])
    #expect(output.code == 0, "\(output.error)")
    return try object(JSONValue(parsing: Array(output.standard.utf8)))
  }

  private static func object(_ value: JSONValue?) throws -> [String: JSONValue] {
    guard case .object(let members) = value else {
      return try #require(nil as [String: JSONValue]?)
    }
    return members
  }

  /// The keys that others rely on.
  @Test func theReportHasTheKeysOfTheContract() throws {
    let report = try Self.report(["simulate"])
    for key in [
      "step_seconds", "ranks", "tokens_per_step", "tokens_per_day",
      "gpu_hours_per_trillion_tokens", "mfu_causal", "mfu_non_causal", "tflops_causal",
      "tflops_non_causal", "bubble_seconds", "bubble_fraction", "exposed_communication_seconds",
      "operations", "wall_seconds",
    ] {
      switch report[key] {
      case .number, .integer: break
      default: Issue.record("\(key) is \(String(describing: report[key]))")
      }
    }
    for (key, members) in [
      "breakdown": [
        "forward_only", "backward_only", "weight_only", "overlapped", "optimizer", "bubble",
      ],
      "chunk_seconds": ["f", "b", "i", "w", "fb"],
      "links": [
        "nvlink_bytes", "infiniband_bytes", "nvlink_utilisation", "infiniband_utilisation",
      ],
      "memory_bytes": ["parameters", "gradients", "optimizer", "activations", "total"],
    ] {
      let object = try Self.object(report[key])
      for member in members { #expect(object[member] != nil, "\(key).\(member)") }
    }
  }

  @Test func aReplayedWorkloadHasTheSameReport() throws {
    let scratch = try Scratch()
    let file = scratch.path("step.workload")
    var simulated = try Self.report(["simulate", "--workload", file])
    var replayed = try Self.report(["replay", file])
    simulated["wall_seconds"] = nil
    replayed["wall_seconds"] = nil
    #expect(simulated == replayed)
    let faster = try Self.report(["replay", file, "--set", "cluster.network.nic=800Gbps"])
    #expect(faster["step_seconds"] != simulated["step_seconds"])
  }

  @Test(
    arguments: [
      (["simulate", "--set", "cluster.network.nic=400Gpbs"], 78, "did you mean 'Gbps'?"),
      (["simulate", "--set", "cluster.network.nic=-5GB/s"], 78, "it cannot be negative"),
      (["simulate", "--preset", "deepseek-v3-h800-2084"], 64, "did you mean"),
      (["simulate", "--fold", "--set", "model.routing=sampled"], 64, "leave --fold out"),
      (["simulate", "--trace", "trace.txt"], 64, "*.pftrace"),
      (["simulate", "--ranks", "0-99", "--svg", "x.svg"], 64, "wants ranks 0 to 15"),
      (["replay", "no-such.workload"], 66, "no such file"),
    ] as [([String], Int32, String)])
  func mistakesSayWhatWouldBeRight(_ arguments: [String], _ code: Int32, _ part: String) throws {
    let output = try Binary.run(arguments)
    #expect(output.code == code && output.standard == "")
    #expect(output.error.contains(part), "\(output.error)")
  }

  /// docs/cluster-model.md states the prediction; it is the command's.
  @Test func theDocumentStatesThePredictionOfTheCommand() throws {
    let report = try Self.report(["simulate", "--preset", "deepseek-v3-h800-2048"])
    guard case .number(let step) = report["step_seconds"] else {
      Issue.record("no step_seconds")
      return
    }
    let text = try Binary.text(Binary.root + "/docs/cluster-model.md")
    let milliseconds = Int((step * 1000).rounded())
    let digits = "\(milliseconds % 1000)"
    let shown =
      "\(milliseconds / 1000)." + String(repeating: "0", count: 3 - digits.count) + digits
    #expect(text.contains("| step | \(shown) s |"), "the step is \(shown) s")
  }
}
