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
    var relays = 0
    for index in flows.indices { relays = max(relays, flows[index].via.count) }
    var network = FlowNetwork(topology, tolerance: tolerance, mostRelays: relays)
    network.reserve(flows.count)
    var route = Topology.Route(links: [], latency: .zero)
    for index in flows.indices {
      try findRoute(&route, of: index)
      _ = network.add(
        route, bytes: flows[index].bytes, start: flows[index].start, rateCap: flows[index].rateCap)
    }
    for index in flows.indices {
      for other in flows[index].after { network.wait(index, for: other) }
    }
    return NetworkResult(ends: network.run(progress: progress))
  }

  /// The route of a flow.
  package func route(of index: Int) throws(FabricError) -> Topology.Route {
    var route = Topology.Route(links: [], latency: .zero)
    try findRoute(&route, of: index)
    return route
  }

  private func findRoute(_ route: inout Topology.Route, of index: Int) throws(FabricError) {
    do {
      try topology.find(
        &route, from: flows[index].source, to: flows[index].target, via: flows[index].via)
    } catch {
      throw bad(index, error.message)
    }
  }

  /// A flow that waits for itself over others; nil when every flow can start.
  func flowInCycle() -> Int? {
    guard flows.indices.contains(where: { !flows[$0].after.isEmpty }) else { return nil }
    // The followers of a flow are a run of one list.
    var waitingFor = [Int32](repeating: 0, count: flows.count)
    var firstFollower = [Int32](repeating: 0, count: flows.count + 1)
    for index in flows.indices {
      waitingFor[index] = Int32(flows[index].after.count)
      for other in flows[index].after { firstFollower[other + 1] += 1 }
    }
    for index in flows.indices { firstFollower[index + 1] += firstFollower[index] }
    var followers = [Int32](repeating: 0, count: Int(firstFollower[flows.count]))
    var next = firstFollower
    for index in flows.indices {
      for other in flows[index].after {
        followers[Int(next[other])] = Int32(index)
        next[other] += 1
      }
    }
    var ready = flows.indices.filter { waitingFor[$0] == 0 }
    while let flow = ready.popLast() {
      for place in Int(firstFollower[flow])..<Int(firstFollower[flow + 1]) {
        let follower = Int(followers[place])
        waitingFor[follower] -= 1
        if waitingFor[follower] == 0 { ready.append(follower) }
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
