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
    write(json(result, tolerance: tolerance))
  } else {
    print(summary(scenario, result, tolerance: tolerance))
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

private func write(_ text: String) { print(text, terminator: "") }

private func summary(
  _ scenario: NetworkScenario, _ result: NetworkResult, tolerance: Double
) -> String { "makespan \(result.makespan)" }
