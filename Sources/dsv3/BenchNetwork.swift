// `dsv3 bench network`: how fast the ends of flows are found, against the limits that were set.

import Fabric
import Glibc
import JSON
import RunConfiguration
import Units

let benchNetworkCommand = Command(
  "dsv3 bench network",
  usage: "[--only CASE] [--json]",
  summary: "max-min sharing of large networks against its limits",
  help: """
    Times, on one core, the ends of all flows of five large networks of 8 GPUs a node, without the
    making of the flows.
    """,
  options: [
    CommandOption("only", value: "CASE", help: "one of them, by its name"),
    CommandOption("json", help: "as JSON"),
  ],
  run: benchNetwork)

/// A network to time.
private struct NetworkCase: Sendable {
  var name: String
  var what: String
  var gpus: Int
  var tolerance = 0.0
  /// Seconds that it may take.
  var limit: Double
  var flows: @Sendable () -> [NetworkScenario.Flow]
}

private let cases = [
  NetworkCase(name: "uniform-512", what: "uniform all-to-all", gpus: 512, limit: 0.3) {
    TrafficPattern.allToAll(gpus: 512) { _, _ in 1e6 }
  },
  NetworkCase(name: "random-128", what: "all-to-all, random sizes", gpus: 128, limit: 1) {
    randomAllToAll(128)
  },
  NetworkCase(name: "random-256", what: "all-to-all, random sizes", gpus: 256, limit: 10) {
    randomAllToAll(256)
  },
  NetworkCase(name: "dispatch-2048", what: "EP64 dispatch in two hops", gpus: 2048, limit: 0.2) {
    (0..<32).reduce(into: []) { flows, group in
      let exchange = BalancedExpertExchange(
        firstGPU: 64 * group, nodes: 8, gpusPerNode: 8, bytesPerNode: 4096 * 7168 / 2,
        bytesPerGPU: 4096 * 7168 / 8)
      flows += exchange.dispatch(isPipelined: false, behind: flows.count)
    }
  },
  NetworkCase(
    name: "bounded-512", what: "all-to-all, random sizes", gpus: 512, tolerance: 0.01, limit: 2
  ) {
    randomAllToAll(512)
  },
]

/// Sizes even between 0.5 and 1.5 MB.
private func randomAllToAll(_ gpus: Int) -> [NetworkScenario.Flow] {
  // Knuth's MMIX generator, its upper bits.
  var state: UInt64 = 1
  return TrafficPattern.allToAll(gpus: gpus) { _, _ in
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Double(500_000 + (state >> 33) % 1_000_000)
  }
}

private func benchNetwork(_ options: ParsedOptions) throws {
  _ = try options.operands()
  let chosen = cases.filter { options.value("only") == nil || options.value("only") == $0.name }
  guard !chosen.isEmpty else {
    let names = cases.map(\.name).joined(separator: ", ")
    throw options.usageError("option '--only' wants one of \(names)")
  }
  var rows: [[String]] = []
  var values: [JSONValue] = []
  for item in chosen {
    let scenario = NetworkScenario(
      name: item.name, topology: try h800(gpus: item.gpus), flows: item.flows())
    let began = cpuTime()
    let result = try scenario.run(tolerance: item.tolerance)
    let took = cpuTime() - began
    rows.append([
      item.name, item.what, "\(scenario.flows.count)",
      item.tolerance > 0 ? "\(item.tolerance)" : "exact", fixed(took, 3), "\(item.limit)",
      took <= item.limit ? "" : "too slow", fixed(result.makespan * 1e6, 2),
    ])
    values.append(
      .object([
        "name": .string(item.name), "flows": .integer(scenario.flows.count),
        "tolerance": .number(item.tolerance), "cpu_seconds": .number(took),
        "limit_seconds": .number(item.limit), "makespan_s": .number(result.makespan),
      ]))
  }
  if options.has("json") {
    print(String(decoding: JSONValue.array(values).text(), as: UTF8.self), terminator: "")
  } else {
    let head = ["network", "", "flows", "error", "CPU s", "limit", "", "makespan µs"]
    print(table([head] + rows, right: [2, 4, 5, 7]))
  }
}

private func h800(gpus: Int) throws -> Topology {
  try Topology(
    .init(
      nodes: gpus / 8, gpusPerNode: 8, nvlink: Bandwidth(gigabytesPerSecond: 160),
      nic: Bandwidth(gigabytesPerSecond: 50), nodesPerLeaf: 32,
      latency: .init(
        nvlink: VirtualDuration(microseconds: 3.33), sameLeaf: VirtualDuration(microseconds: 2.8),
        crossLeaf: VirtualDuration(microseconds: 3.7))))
}

/// Seconds that this thread had a processor.
func cpuTime() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}
