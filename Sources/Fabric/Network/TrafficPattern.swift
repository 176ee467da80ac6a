// Traffic that networks are judged by: all-to-all, and expert dispatch and combine in two hops.

/// Makes the flows of a pattern, numbered as they stand.
package enum TrafficPattern {
  package typealias Flow = NetworkScenario.Flow

  /// Every GPU sends to every other; sizes are asked for source by source, target by target.
  package static func allToAll(gpus: Int, bytes: (Int, Int) -> Double) -> [Flow] {
    (0..<gpus).flatMap { source in
      (0..<gpus).compactMap { target in
        guard source != target else { return nil }
        return Flow(source: source, target: target, bytes: bytes(source, target))
      }
    }
  }
}

/// Expert exchange of whole nodes, every expert equally liked: a token crosses the network once per
/// target node, to the GPU of its own rail there (the relay), and goes on over NVLink to the GPUs
/// of its experts, as DeepSeek-V3's report has it in section 3.2.2.
package struct BalancedExpertExchange: Sendable {
  package var firstGPU: Int
  package var nodes: Int
  package var gpusPerNode: Int
  /// What a source sends to each other node, a token once.
  package var bytesPerNode: Double
  /// What a source sends to each GPU of a node, its own included.
  package var bytesPerGPU: Double

  package init(
    firstGPU: Int = 0, nodes: Int, gpusPerNode: Int, bytesPerNode: Double, bytesPerGPU: Double
  ) {
    self.firstGPU = firstGPU
    self.nodes = nodes
    self.gpusPerNode = gpusPerNode
    self.bytesPerNode = bytesPerNode
    self.bytesPerGPU = bytesPerGPU
  }

  /// Dispatch, to be put behind `already` flows. Both hops are flows of their own: the second one
  /// starts after the first or, pipelined, at the same time, as if what it forwards were there.
  package func dispatch(isPipelined: Bool, behind already: Int = 0) -> [NetworkScenario.Flow] {
    var flows: [NetworkScenario.Flow] = []
    forEachRelay { source, relay in
      var after: [Int] = []
      if relay != source {
        if !isPipelined { after = [already + flows.count] }
        flows.append(.init(source: source, target: relay, bytes: bytesPerNode))
      }
      for target in neighbours(of: relay) {
        flows.append(.init(source: relay, target: target, bytes: bytesPerGPU, after: after))
      }
    }
    return flows
  }

  /// Dispatch as one flow per source and expert GPU, both hops coupled, no token shared.
  package func coupledDispatch() -> [NetworkScenario.Flow] {
    var flows: [NetworkScenario.Flow] = []
    forEachRelay { source, relay in
      if relay != source {
        flows.append(.init(source: source, target: relay, bytes: bytesPerGPU))
      }
      for target in neighbours(of: relay) {
        flows.append(
          .init(
            source: source, target: target, bytes: bytesPerGPU,
            via: relay == source ? [] : [relay]))
      }
    }
    return flows
  }

  /// Combine, the way back: the relay crosses the network once it has all parts of its node.
  package func combine(behind already: Int = 0) -> [NetworkScenario.Flow] {
    var flows: [NetworkScenario.Flow] = []
    forEachRelay { source, relay in
      let first = already + flows.count
      for target in neighbours(of: relay) {
        flows.append(.init(source: target, target: relay, bytes: bytesPerGPU))
      }
      if relay != source {
        flows.append(
          .init(
            source: relay, target: source, bytes: bytesPerNode,
            after: Array(first..<already + flows.count)))
      }
    }
    return flows
  }

  /// Every source with the GPU of its rail in each node, its own included.
  private func forEachRelay(_ body: (_ source: Int, _ relay: Int) -> Void) {
    for source in 0..<nodes * gpusPerNode {
      for node in 0..<nodes {
        body(firstGPU + source, firstGPU + node * gpusPerNode + source % gpusPerNode)
      }
    }
  }

  private func neighbours(of gpu: Int) -> [Int] {
    let node = gpu / gpusPerNode * gpusPerNode
    return (node..<node + gpusPerNode).filter { $0 != gpu }
  }
}
