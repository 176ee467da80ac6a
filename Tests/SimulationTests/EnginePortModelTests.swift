// The engine prices an exchange by its busiest port. Here all flows of a dispatch go through the
// exact max-min network instead, and the two are compared.
//
// Every port has to move its own bytes, so bytes/rate of a rank's busiest port is a lower bound of
// that rank's end, and the busiest port of the group one of the makespan. From above: at no moment
// does a flow get less than an equal share of the more crowded of its two ports, so it ends by
// (its bytes) × (flows there) / rate, and the makespan is at most the largest of these. Both hops
// run at once, as relays forward in small chunks.

import Fabric
import ModelSpec
import Schedules
import Simulation
import Testing
import Units
import Workload

@Suite struct EnginePortModelTests {
  static let nic = Bandwidth(gigabytesPerSecond: 50 * 0.88)
  static let nvlink = Bandwidth(gigabytesPerSecond: 160 * 0.8)
  static let rowBytes = 7168.0

  /// One dispatch both ways, in seconds.
  struct Comparison {
    /// By rank: bytes over rate of its busiest port, and the end of its last flow.
    var ports: [Double]
    var exact: [Double]
    /// The largest (bytes × flows at its more crowded port / rate) of a flow.
    var bound: Double

    var makespan: Double { exact.max() ?? 0 }
    var predicted: Double { ports.max() ?? 0 }
  }

  static let layers = 6

  static func spec() -> ModelSpec {
    var spec = ModelPreset.deepseekV3.spec
    spec.layers = layers
    spec.denseLayers = 1
    return spec
  }

  static func routing(_ layout: Layout, skew: Double?) throws -> RoutingSource {
    guard let skew else {
      let schedule = try ScheduleCatalog.make(name: "1f1b", ranks: 1, microbatches: 1)
      return WorkloadBuilder(
        spec: spec(), layout: layout, plan: try SchedulePlan(lowering: schedule),
        stages: [0..<layers], sequenceLength: 4096, sequences: 1
      ).build().routing
    }
    return .sampled(
      SampledRouting(
        spec: spec(), layout: layout,
        shape: StepShape(spec(), sequenceLength: 4096, sequences: 1, microbatches: 4), seed: 7,
        skew: skew))
  }

  static func compare(_ routing: RoutingSource, _ layout: Layout, layer: Int) throws -> Comparison {
    let geometry = ExchangeGeometry(layout, groupOf: 0)
    let sources = try (0..<layout.expert).map {
      try #require(routing.rows(layer: layer, microbatch: 1, dataRank: $0))
    }
    let flows = flows(sources, geometry)
    let topology = try Topology(
      Topology.Parameters(
        nodes: geometry.nodes, gpusPerNode: layout.gpusPerNode, nvlink: nvlink, nic: nic,
        nodesPerLeaf: geometry.nodes,
        latency: Topology.Latency(nvlink: .zero, sameLeaf: .zero, crossLeaf: .zero)))
    let ends = try NetworkScenario(name: "dispatch", topology: topology, flows: flows).run().ends
    let loads = ExchangeLoads(sources, geometry)
    var comparison = Comparison(ports: [], exact: [], bound: 0)
    for rank in 0..<layout.expert {
      let network = Double(max(loads.networkOut[rank], loads.networkIn[rank])) * rowBytes
      let local = Double(max(loads.nvlinkOut[rank], loads.nvlinkIn[rank])) * rowBytes
      comparison.ports.append(
        max(network / nic.bytesPerSecond, local / nvlink.bytesPerSecond))
      comparison.exact.append(
        zip(flows, ends).filter { $0.0.source == rank || $0.0.target == rank }.map(\.1).max() ?? 0)
    }
    func isLocal(_ flow: NetworkScenario.Flow) -> Bool {
      geometry.nodeOfRank[flow.source] == geometry.nodeOfRank[flow.target]
    }
    for flow in flows {
      let alike = flows.filter { isLocal($0) == isLocal(flow) }
      let crowd = max(
        alike.count { $0.source == flow.source }, alike.count { $0.target == flow.target })
      let rate = (isLocal(flow) ? nvlink : nic).bytesPerSecond
      comparison.bound = max(comparison.bound, flow.bytes * Double(crowd) / rate)
    }
    return comparison
  }

  /// First hop to the relay of each other node, second hop from there to the node's other ranks;
  /// flows between the same two ranks are one.
  private static func flows(
    _ sources: [RoutedRows], _ geometry: ExchangeGeometry
  ) -> [NetworkScenario.Flow] {
    var rows: [[Int]: Int] = [:]
    for (source, sent) in sources.enumerated() {
      for node in 0..<geometry.nodes {
        let relay = geometry.relays[source * geometry.nodes + node]
        if relay != source { rows[[source, relay], default: 0] += Int(sent.toNode[node]) }
        for rank in geometry.members[node] where rank != relay {
          rows[[relay, rank], default: 0] += Int(sent.toRank[rank])
        }
      }
    }
    return rows.keys.sorted { $0.lexicographicallyPrecedes($1) }.map {
      NetworkScenario.Flow(
        source: $0[0], target: $0[1], bytes: Double(rows[$0] ?? 0) * rowBytes)
    }
  }

  /// The bound is 4 % above the busiest port at most here; the makespan itself stays within half of
  /// a percent, as the flows of the busiest port are the last to end.
  @Test(arguments: [8, 16, 32, 64], [nil, 0, 0.15] as [Double?])
  func busiestPortIsAlmostTheMakespan(expert: Int, skew: Double?) throws {
    let layout = Layout(pipeline: 1, data: expert, expert: expert, gpusPerNode: 8)
    let routing = try Self.routing(layout, skew: skew)
    for layer in 1..<Self.layers {
      let comparison = try Self.compare(routing, layout, layer: layer)
      let rounding = 1 + 1e-9
      for (port, exact) in zip(comparison.ports, comparison.exact) {
        #expect(port <= exact * rounding)
      }
      #expect(comparison.makespan <= comparison.bound * rounding)
      #expect(comparison.makespan <= comparison.predicted * 1.005)
    }
  }
}
