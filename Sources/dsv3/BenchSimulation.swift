// `dsv3 bench simulation`: how fast steps are simulated, against the limits that were set, and how
// the cost grows with the cluster.

import Glibc
import JSON
import ModelSpec
import RunConfiguration
import Simulation
import Units
import VirtualCluster
import Workload

let benchSimulationCommand = Command(
  "dsv3 bench simulation",
  usage: "[--json]",
  summary: "the report's step on 64 to 8192 GPUs, and folded",
  help: """
    Times, on one core, the simulation of preset deepseek-v3-h800-2048 on 64 to 8192 GPUs (the data
    ranks vary, each with 120 micro-batches), from the configuration to the report: routing drawn,
    every GPU on its own; then folded.
    """,
  options: [CommandOption("json", help: "as JSON")],
  run: benchSimulation)

/// One size to time.
private struct SimulationCase {
  var data: Int
  var isFolded = false
  /// Seconds that it may take.
  var limit: Double?
}

private let cases = [
  SimulationCase(data: 128, isFolded: true, limit: 0.1), SimulationCase(data: 4),
  SimulationCase(data: 16), SimulationCase(data: 32), SimulationCase(data: 64),
  SimulationCase(data: 128, limit: 10), SimulationCase(data: 256), SimulationCase(data: 512),
]

private func benchSimulation(_ options: ParsedOptions) throws {
  _ = try options.operands()
  var rows = [
    ["GPUs", "", "operations", "events", "CPU s", "limit", "", "ns an event", "step s", "peak MiB"]
  ]
  var values: [JSONValue] = []
  for item in cases {
    let began = cpuTime()
    let step = try VirtualStep(
      try RunConfiguration.load(
        preset: "deepseek-v3-h800-2048",
        overrides: [
          "layout.data=\(item.data)", "layout.expert=\(min(item.data, 64))",
        ] + (item.isFolded ? ["model.routing=balanced"] : [])))
    let (report, outcome) = try step.simulation(of: try step.build()).run(isFolded: item.isFolded)
    let took = cpuTime() - began
    let perEvent = took / Double(max(outcome.events, 1)) * 1e9
    rows.append([
      "\(report.ranks)", item.isFolded ? "folded" : "each", rounded(report.operations),
      rounded(outcome.events), fixed(took, 3), item.limit.map { "\($0)" } ?? "",
      item.limit.map { took <= $0 ? "" : "too slow" } ?? "", fixed(perEvent, 0),
      fixed(report.step.seconds, 3), fixed(peakMemory() / 1048576, 0),
    ])
    values.append(
      .object([
        "ranks": .integer(report.ranks), "folded": .bool(item.isFolded),
        "operations": .integer(report.operations), "events": .integer(outcome.events),
        "cpu_seconds": .number(took), "step_seconds": .number(report.step.seconds),
      ]))
  }
  if options.has("json") {
    print(String(decoding: JSONValue.array(values).text(), as: UTF8.self), terminator: "")
  } else {
    print(table(rows, right: [0, 2, 3, 4, 5, 7, 8, 9]))
  }
}

/// Bytes of this process at its largest so far.
private func peakMemory() -> Double {
  var usage = rusage()
  getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
  return Double(usage.ru_maxrss) * 1024
}
