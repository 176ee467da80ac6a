// A network, and the flows that are sent over it: what a `dsv3-netref-1` file says.

package import Units

/// Flows with starts, dependencies and relays over one topology.
package struct NetworkScenario: Sendable {
  package struct Flow: Equatable, Sendable {
    /// Seconds after the beginning.
    package var start: Double
    package var source: Int
    package var target: Int
    package var bytes: Double
    /// Flows, by position, that must end first.
    package var after: [Int]
    /// GPUs that the flow passes on its way.
    package var via: [Int]
    package var rateCap: Bandwidth?

    package init(
      start: Double = 0, source: Int, target: Int, bytes: Double, after: [Int] = [],
      via: [Int] = [], rateCap: Bandwidth? = nil
    ) {
      self.start = start
      self.source = source
      self.target = target
      self.bytes = bytes
      self.after = after
      self.via = via
      self.rateCap = rateCap
    }
  }

  package var name: String
  package var topology: Topology
  package var flows: [Flow]

  package init(name: String, topology: Topology, flows: [Flow]) {
    self.name = name
    self.topology = topology
    self.flows = flows
  }

  /// When every flow ends, in seconds; with a tolerance as `FlowNetwork` has it.
  ///
  /// - Throws: `FabricError` of kind `.badDescription` that names the flow, when it has no route or
  ///   waits, over others, for itself.
  package func run(
    tolerance: Double = 0, progress: (Int) -> Void = { _ in }
  ) throws(FabricError) -> NetworkResult {
    if let flow = flowInCycle() {
      throw bad(flow, "'after' leads back to the flow itself, so it can never start")
    }
    let longest = flows.reduce(1) { max($0, $1.via.count + 1) } * 4
    var network = FlowNetwork(topology, tolerance: tolerance, longestRoute: longest)
    for (index, flow) in flows.enumerated() {
      _ = network.add(
        try route(of: index), bytes: flow.bytes, start: flow.start, rateCap: flow.rateCap)
    }
    for (index, flow) in flows.enumerated() {
      for other in flow.after { network.wait(index, for: other) }
    }
    return NetworkResult(ends: network.run(progress: progress))
  }

  /// The route of a flow.
  package func route(of index: Int) throws(FabricError) -> Topology.Route {
    let flow = flows[index]
    do {
      return try topology.route(from: flow.source, to: flow.target, via: flow.via)
    } catch {
      throw bad(index, error.message)
    }
  }

  /// A flow that waits for itself over others; nil when every flow can start.
  func flowInCycle() -> Int? {
    var waitingFor = flows.map(\.after.count)
    var followers: [[Int32]] = []
    guard waitingFor.contains(where: { $0 > 0 }) else { return nil }
    followers = Array(repeating: [], count: flows.count)
    for (index, flow) in flows.enumerated() {
      for other in flow.after { followers[other].append(Int32(index)) }
    }
    var ready = flows.indices.filter { waitingFor[$0] == 0 }
    while let flow = ready.popLast() {
      for follower in followers[flow] {
        waitingFor[Int(follower)] -= 1
        if waitingFor[Int(follower)] == 0 { ready.append(Int(follower)) }
      }
    }
    // Of the flows that are left some only wait for a cycle; going back along `after` finds it.
    guard var flow = waitingFor.firstIndex(where: { $0 > 0 }) else { return nil }
    var seen: Set<Int> = []
    while seen.insert(flow).inserted {
      flow = flows[flow].after.first { waitingFor[$0] > 0 } ?? flow
    }
    return flow
  }

  private func bad(_ flow: Int, _ message: String) -> FabricError {
    FabricError(.badDescription, source: "scenario '\(name)'", message: "flow \(flow): \(message)")
  }
}

/// The answer to a scenario.
package struct NetworkResult: Equatable, Sendable {
  /// Seconds, by flow.
  package var ends: [Double]
  /// The last end; zero without flows.
  package var makespan: Double { ends.max() ?? 0 }
}
