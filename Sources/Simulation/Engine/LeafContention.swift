// What leaf and spine switches take from an exchange. Where an expert group lies under one leaf of
// each rail, nothing: its ports decide. Else the flows of all groups that share its leaves are
// solved together, max-min fairly over the real links, and the exchange is as much slower.

internal import Fabric
internal import ModelSpec
internal import Units
internal import Workload

struct LeafContention {
  let layout: Layout
  let cluster: ClusterSpec

  /// How much longer the NICs' part of an exchange takes than its ports alone would have it; 1
  /// without contention. Of balanced rows, and of the pods of world rank 0's group.
  func factor() -> Double {
    let network = cluster.network
    let own = layout.expertGroup(of: 0)
    let pods = Set(own.map(pod))
    guard pods.count > 1, let topology = try? topology() else { return 1 }
    let groups = stride(from: 0, to: layout.worldSize, by: layout.expert)
      .map { layout.expertGroup(of: $0) }
      .filter { $0.contains { pods.contains(pod($0)) } }
    let flows = groups.flatMap(flows)
    let nodes = ExchangeGeometry(layout, groupOf: 0).nodes
    let alone = Self.bytes * Double(nodes - 1) / network.nic.bytesPerSecond
    let scenario = NetworkScenario(name: "exchange", topology: topology, flows: flows)
    guard let together = try? scenario.run(tolerance: 0).makespan else { return 1 }
    return max(together - network.crossLeafLatency.seconds, alone) / alone
  }

  /// How much longer a message to another leaf takes than on an idle NIC, where all of a leaf's
  /// GPUs send one.
  var messageFactor: Double { cluster.network.oversubscription }

  /// Of each flow: so large that latency does not count.
  private static let bytes = 1e9

  private func pod(_ rank: Int) -> Int { layout.node(of: rank) / cluster.network.nodesPerLeaf }

  /// Hop one of a group: each rank to its relay in every other node.
  private func flows(of group: [Int]) -> [NetworkScenario.Flow] {
    let geometry = ExchangeGeometry(worldRanks: group, gpusPerNode: layout.gpusPerNode)
    return group.indices.flatMap { source in
      (0..<geometry.nodes).filter { $0 != geometry.nodeOfRank[source] }.map { node in
        NetworkScenario.Flow(
          start: 0, source: group[source],
          target: group[geometry.relays[source * geometry.nodes + node]], bytes: Self.bytes)
      }
    }
  }

  private func topology() throws(FabricError) -> Topology {
    let network = cluster.network
    return try Topology(
      .init(
        nodes: (layout.worldSize + layout.gpusPerNode - 1) / layout.gpusPerNode,
        gpusPerNode: layout.gpusPerNode, nvlink: cluster.node.nvlink, nic: network.nic,
        nodesPerLeaf: network.nodesPerLeaf, oversubscription: network.oversubscription,
        fabric: network.planes > 1 ? .multiPlane(planes: network.planes, down: 0) : .multiRail,
        routing: network.paths == .ecmp ? .hashed(spines: network.spines) : .adaptive,
        latency: .init(
          nvlink: cluster.node.latency, sameLeaf: network.sameLeafLatency,
          crossLeaf: network.crossLeafLatency)))
  }
}
