// Reads a scenario of format `dsv3-netref-1`: strictly, and with the flow, the key and the value in
// every complaint.

internal import Units

extension NetworkScenario {
  static let format = "dsv3-netref-1"

  /// - Parameter source: names the file in errors.
  /// - Throws: `FabricError` of kind `.badData` with line, key, value and what would be right.
  package init(parsing bytes: [UInt8], source: String) throws(FabricError) {
    var scanner = JSONScanner(bytes, source: source)
    var name = ""
    var format: String?
    var topology: Topology?
    var flows: [Flow]?
    try scanner.object(of: "the file") { (key, scanner) throws(FabricError) in
      switch key {
      case "format": format = try scanner.string("'format'")
      case "name": name = try scanner.string("'name'")
      case "topology": topology = try Self.topology(&scanner)
      case "flows": flows = try Self.flows(&scanner)
      default: try scanner.skip("'\(key)'")
      }
    }
    try scanner.finish()
    let file = { (message: String) in FabricError(.badData, source: source, message: message) }
    guard format == Self.format else {
      let found = format.map { "is '\($0)'" } ?? "is missing"
      throw file("'format' \(found), must be '\(Self.format)'")
    }
    guard let topology else { throw file("'topology' is missing") }
    guard let flows else { throw file("'flows' is missing") }
    self.init(name: name, topology: topology, flows: flows)
    if let problem = problem() { throw file(problem) }
  }

  /// What a single flow cannot show: GPUs and flows that are not there, and cycles.
  private func problem() -> String? {
    for (index, flow) in flows.enumerated() {
      for (key, gpu) in [("src_gpu", flow.source), ("dst_gpu", flow.target)]
      where !(0..<topology.gpus).contains(gpu) {
        return "flow \(index): '\(key)' is \(gpu), must be from 0 to \(topology.gpus - 1)"
      }
      guard flow.source != flow.target else {
        return "flow \(index): 'src_gpu' and 'dst_gpu' are both \(flow.source), must differ"
      }
      if let problem = relayProblem(flow) ?? orderProblem(index, flow) {
        return "flow \(index): \(problem)"
      }
    }
    return flowInCycle().map {
      "flow \($0): 'after' leads back to the flow itself, so it can never start"
    }
  }

  private func relayProblem(_ flow: Flow) -> String? {
    for gpu in flow.via where !(0..<topology.gpus).contains(gpu) {
      return "'via' has GPU \(gpu), must be from 0 to \(topology.gpus - 1)"
    }
    guard !flow.via.isEmpty else { return nil }
    let stops = [flow.source] + flow.via + [flow.target]
    for (here, next) in zip(stops, stops.dropFirst()) where here == next {
      return "'via' \(flow.via) makes a leg from GPU \(here) to itself"
    }
    return nil
  }

  private func orderProblem(_ index: Int, _ flow: Flow) -> String? {
    for other in flow.after {
      if other == index { return "'after' names the flow itself" }
      if !flows.indices.contains(other) {
        return "'after' has flow \(other), must be from 0 to \(flows.count - 1)"
      }
    }
    return nil
  }

  // MARK: - Flows

  private static func flows(_ scanner: inout JSONScanner) throws(FabricError) -> [Flow] {
    var flows: [Flow] = []
    try scanner.list(of: "'flows'") { (index, scanner) throws(FabricError) in
      flows.append(try flow(index, &scanner))
    }
    return flows
  }

  private static func flow(
    _ index: Int, _ scanner: inout JSONScanner
  ) throws(FabricError) -> Flow {
    var flow = Flow(source: -1, target: -1, bytes: -1)
    var seen = 0
    let name = { (key: String) in "flow \(index): '\(key)'" }
    try scanner.object(of: "flow \(index)") { (key, scanner) throws(FabricError) in
      switch key {
      case "src_gpu": flow.source = try scanner.integer(name(key))
      case "dst_gpu": flow.target = try scanner.integer(name(key))
      case "start_s": flow.start = try scanner.notNegative(name(key))
      case "bytes": flow.bytes = try scanner.notNegative(name(key))
      case "rate_cap_GBps":
        flow.rateCap = Bandwidth(gigabytesPerSecond: try scanner.positive(name(key)))
      case "after": flow.after = try scanner.integers(name(key))
      case "via": flow.via = try scanner.integers(name(key))
      case "tag": try scanner.skip(name(key))
      default:
        throw scanner.bad(
          "flow \(index) has the key '\(key)'; there are start_s, src_gpu, dst_gpu, bytes, after, "
            + "via, rate_cap_GBps and tag")
      }
      if ["start_s", "src_gpu", "dst_gpu", "bytes"].contains(key) { seen += 1 }
    }
    guard seen == 4 else {
      throw scanner.bad("flow \(index) lacks one of start_s, src_gpu, dst_gpu and bytes")
    }
    return flow
  }

  // MARK: - Topology

  private static func topology(_ scanner: inout JSONScanner) throws(FabricError) -> Topology {
    let start = scanner
    var values: [String: Double] = [:]
    try scanner.object(of: "'topology'") { (key, scanner) throws(FabricError) in
      switch key {
      case "nodes", "gpus_per_node", "nodes_per_leaf":
        values[key] = Double(try scanner.count("'\(key)'", from: 1))
      case "spines": values[key] = Double(try scanner.count("'spines'", from: 0))
      case "nvlink_GBps", "nic_GBps": values[key] = try scanner.notNegative("'\(key)'")
      case "oversubscription": values[key] = try scanner.positive("'\(key)'")
      case "latency_us":
        try scanner.object(of: "'latency_us'") { (key, scanner) throws(FabricError) in
          guard ["nvlink", "ib_same_leaf", "ib_cross_leaf"].contains(key) else {
            throw scanner.bad(
              "'latency_us' has the key '\(key)'; there are nvlink, ib_same_leaf, ib_cross_leaf")
          }
          values["latency_us." + key] = try scanner.notNegative("'latency_us.\(key)'")
        }
      default: throw scanner.bad("'topology' has the key '\(key)', which means nothing here")
      }
    }
    let value = { (key: String) throws(FabricError) -> Double in
      guard let value = values[key] else { throw start.bad("'topology' lacks '\(key)'") }
      return value
    }
    let microseconds = { (key: String) throws(FabricError) -> VirtualDuration in
      let latency = try value("latency_us." + key)
      guard latency < 1e12 else { throw start.bad("'latency_us.\(key)' is over eleven days") }
      return VirtualDuration(microseconds: latency)
    }
    let spines = Int(try value("spines"))
    let parameters = Topology.Parameters(
      nodes: Int(try value("nodes")), gpusPerNode: Int(try value("gpus_per_node")),
      nvlink: Bandwidth(gigabytesPerSecond: try value("nvlink_GBps")),
      nic: Bandwidth(gigabytesPerSecond: try value("nic_GBps")),
      nodesPerLeaf: Int(try value("nodes_per_leaf")),
      oversubscription: try value("oversubscription"),
      routing: spines == 0 ? .adaptive : .hashed(spines: spines),
      latency: .init(
        nvlink: try microseconds("nvlink"), sameLeaf: try microseconds("ib_same_leaf"),
        crossLeaf: try microseconds("ib_cross_leaf")))
    do {
      return try Topology(parameters)
    } catch {
      throw start.bad("'topology': " + error.message)
    }
  }
}

extension JSONScanner {
  fileprivate mutating func notNegative(_ what: @autoclosure () -> String) throws(FabricError)
    -> Double
  {
    let start = self
    let value = try number(what())
    guard value >= 0 else { throw start.bad("\(what()) is \(value), must not be negative") }
    return value
  }

  fileprivate mutating func positive(_ what: @autoclosure () -> String) throws(FabricError)
    -> Double
  {
    let start = self
    let value = try number(what())
    guard value > 0 else { throw start.bad("\(what()) is \(value), must be over 0") }
    return value
  }

  fileprivate mutating func count(_ what: @autoclosure () -> String, from least: Int)
    throws(FabricError) -> Int
  {
    let start = self
    let value = try integer(what())
    guard value >= least, value <= 1 << 24 else {
      throw start.bad("\(what()) is \(value), must be from \(least) to \(1 << 24)")
    }
    return value
  }

  fileprivate mutating func integers(_ what: @autoclosure () -> String) throws(FabricError) -> [Int]
  {
    var values: [Int] = []
    try list(of: what()) { (_, scanner) throws(FabricError) in
      values.append(try scanner.integer("an element of \(what())"))
    }
    return values
  }
}
