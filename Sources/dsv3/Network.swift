// `dsv3 network`: when the flows of a scenario end, and which links hold them up.

import Fabric
import Glibc
import ModelSpec
import RunConfiguration

let networkCommand = Command(
  "dsv3 network",
  usage: "SCENARIO.json [OPTION]...",
  summary: "when flows end that share the links of a cluster",
  help: """
    Reads a scenario of format dsv3-netref-1: a cluster's links, and flows with starts, sizes,
    dependencies, relays and rate caps. The flows share the links max-min fairly; the answer is the
    end of each. With --tolerance E rates are the exact ones of flows that are up to E larger, which
    is quicker where flows end one by one.
    """,
  options: [
    CommandOption("tolerance", value: "E", help: "share of its bytes that a flow may be off (0)"),
    CommandOption("json", help: "end_s by flow and makespan_s, as JSON"),
  ],
  run: network)

private func network(_ options: ParsedOptions) throws {
  let path = try options.operands("SCENARIO.json")[0]
  let tolerance = try options.number("tolerance") ?? 0
  guard tolerance < 1 else {
    throw options.usageError("option '--tolerance' wants a share below 1, not \(tolerance)")
  }
  let scenario = try NetworkScenario(parsing: try readScenario(path), source: path)
  var progress = Progress(flows: scenario.flows.count)
  let result = try scenario.run(tolerance: tolerance) { progress.show($0) }
  progress.finish()
  if options.has("json") {
    print(json(result, tolerance: tolerance), terminator: "")
  } else {
    print(try summary(scenario, result, tolerance: tolerance))
  }
}

/// The file, of any size that a scenario may have.
private func readScenario(_ path: String) throws -> [UInt8] {
  do {
    return try readSmallFile(path, limit: 4 << 30)
  } catch {
    let kind = error.problem == .missingFile ? FabricError.Kind.missingFile : .unreadable
    throw FabricError(kind, source: path, message: error.message)
  }
}

/// A line on standard error twice a second, once a run takes longer than two.
private struct Progress {
  let flows: Int
  private var shownAt = clock() + 2 * clock_t(CLOCKS_PER_SEC)
  private var hasShown = false

  init(flows: Int) { self.flows = flows }

  mutating func show(_ ended: Int) {
    guard isatty(STDERR_FILENO) == 1, clock() >= shownAt else { return }
    shownAt = clock() + clock_t(CLOCKS_PER_SEC) / 2
    hasShown = true
    complain("\u{1B}[1A\u{1B}[2Kdsv3: \(ended) of \(flows) flows ended")
  }

  func finish() { if hasShown { complain("") } }
}

/// Shortest decimals that read back as the same doubles.
private func json(_ result: NetworkResult, tolerance: Double) -> String {
  var text = "{\"end_s\": ["
  for (index, end) in result.ends.enumerated() {
    if index > 0 { text += ", " }
    text += "\(end)"
  }
  text += "], \"makespan_s\": \(result.makespan)"
  if tolerance > 0 { text += ", \"error_bound\": \(tolerance)" }
  return text + "}\n"
}

/// The makespan, the busiest links and the last flows.
private func summary(
  _ scenario: NetworkScenario, _ result: NetworkResult, tolerance: Double
) throws -> String {
  let flows = scenario.flows
  let title = scenario.name.isEmpty ? "" : printable(scenario.name) + ": "
  var text =
    "\(title)\(flows.count) flows over \(scenario.topology.gpus) GPUs, makespan "
    + "\(microseconds(result.makespan)) µs, "
    + (tolerance > 0 ? "of flows within \(fixed(100 * tolerance, 3)) % of their bytes" : "exact")
  guard !flows.isEmpty else { return text }
  text += "\n\nbusiest links over the makespan\n" + (try linkTable(scenario, result))
  let last = flows.indices.sorted {
    result.ends[$0] > result.ends[$1] || (result.ends[$0] == result.ends[$1] && $0 < $1)
  }
  let rows = last.prefix(5).map { flow in
    [
      "\(flow)", "\(flows[flow].source)", "\(flows[flow].target)", fixed(flows[flow].bytes, 0),
      microseconds(result.ends[flow]),
    ]
  }
  let head = ["flow", "from GPU", "to", "bytes", "end µs"]
  return text + "\n\nlast flows\n" + table([head] + rows, right: [0, 1, 2, 3, 4])
}

private func linkTable(_ scenario: NetworkScenario, _ result: NetworkResult) throws -> String {
  let topology = scenario.topology
  var bytes = [Double](repeating: 0, count: topology.capacities.count)
  for flow in scenario.flows.indices {
    for link in try scenario.route(of: flow).links {
      bytes[Int(link)] += scenario.flows[flow].bytes
    }
  }
  let shares = bytes.indices.map { link in
    result.makespan > 0 ? bytes[link] / (topology.capacities[link] * result.makespan) : 0
  }
  let busiest = shares.indices.sorted {
    shares[$0] > shares[$1] || (shares[$0] == shares[$1] && $0 < $1)
  }
  let rows = busiest.prefix(5).filter { bytes[$0] > 0 }.map { link in
    [
      topology.name(of: Int32(link)), fixed(bytes[link], 0),
      fixed(topology.capacities[link] / 1e9, 1), fixed(100 * shares[link], 1) + " %",
    ]
  }
  return table([["link", "bytes", "GB/s", "in use"]] + rows, right: [1, 2, 3])
}

private func microseconds(_ value: Double) -> String { fixed(value * 1e6, 3) }
