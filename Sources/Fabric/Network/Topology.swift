// The links of a cluster and the way between two GPUs: NVLink within a node, leaf and spine
// switches between nodes. Every GPU has a port to NVLink and one to the network, each with its own
// capacity out and in; the NVSwitch and the spine switches never block, links between leaf and
// spine may.

package import Units

/// What carries flows between GPUs: directed links of fixed capacity, and routes over them.
///
/// GPU g is in node g / gpusPerNode; its rail is g mod gpusPerNode.
package struct Topology: Sendable {
  /// Which GPUs share a leaf switch.
  package enum Fabric: Hashable, Sendable {
    /// One leaf per pod and rail, as in DeepSeek's cluster: same rail, same pod stays on the leaf.
    case multiRail
    /// `planes` fabrics side by side, each with a 1/`planes` port of every GPU and a leaf per pod,
    /// `down` of them out of order. A flow is spread evenly over the others, which carry the same
    /// and are therefore one set of links with the capacity of all.
    case multiPlane(planes: Int, down: Int)
  }

  /// How a flow finds its spine switch.
  package enum Routing: Hashable, Sendable {
    /// Packets go where there is room: all spines of a leaf are one link.
    case adaptive
    /// ECMP: flow a → b keeps to spine (a + b) mod `spines`.
    case hashed(spines: Int)
  }

  /// What a route costs before the first byte arrives.
  package struct Latency: Hashable, Sendable {
    /// Within a node.
    package var nvlink: VirtualDuration
    /// Over one leaf.
    package var sameLeaf: VirtualDuration
    /// Leaf, spine, leaf.
    package var crossLeaf: VirtualDuration

    package init(
      nvlink: VirtualDuration, sameLeaf: VirtualDuration, crossLeaf: VirtualDuration
    ) {
      self.nvlink = nvlink
      self.sameLeaf = sameLeaf
      self.crossLeaf = crossLeaf
    }

    /// From the cost of the two ends and of each switch: one over a leaf, three over a spine.
    package init(
      nvlink: VirtualDuration, networkEnds: VirtualDuration, perSwitch: VirtualDuration
    ) {
      self.init(
        nvlink: nvlink, sameLeaf: networkEnds + perSwitch, crossLeaf: networkEnds + perSwitch * 3)
    }
  }

  /// What a topology is built from.
  package struct Parameters: Hashable, Sendable {
    package var nodes: Int
    package var gpusPerNode: Int
    /// Of a GPU's port, each direction.
    package var nvlink: Bandwidth
    /// Of a GPU's network port, each direction, all planes together.
    package var nic: Bandwidth
    /// Nodes of a pod.
    package var nodesPerLeaf: Int
    /// Capacity of a full leaf's GPU ports over that of its links to the spine.
    package var oversubscription: Double
    package var fabric: Fabric
    package var routing: Routing
    package var latency: Latency

    package init(
      nodes: Int, gpusPerNode: Int, nvlink: Bandwidth, nic: Bandwidth, nodesPerLeaf: Int,
      oversubscription: Double = 1, fabric: Fabric = .multiRail, routing: Routing = .adaptive,
      latency: Latency
    ) {
      self.nodes = nodes
      self.gpusPerNode = gpusPerNode
      self.nvlink = nvlink
      self.nic = nic
      self.nodesPerLeaf = nodesPerLeaf
      self.oversubscription = oversubscription
      self.fabric = fabric
      self.routing = routing
      self.latency = latency
    }
  }

  /// Links in the order of the flow, a repeated one as often as the flow crosses it, and the sum of
  /// the legs' latencies.
  package struct Route: Hashable, Sendable {
    package var links: [Int32]
    package var latency: VirtualDuration

    package init(links: [Int32], latency: VirtualDuration) {
      self.links = links
      self.latency = latency
    }
  }

  package let parameters: Parameters
  /// Bytes a second of every link.
  package private(set) var capacities: [Double]
  /// Whether a link can ever be the narrowest of a route. A leaf's way up that is as wide as all
  /// ports below it together can not, and sharing leaves it out.
  package let canLimit: [Bool]
  let leaves: Int
  let spines: Int

  /// - Throws: `FabricError` of kind `.badDescription` that names the parameter.
  package init(_ parameters: Parameters) throws(FabricError) {
    try parameters.check()
    self.parameters = parameters
    let gpus = parameters.nodes * parameters.gpusPerNode
    let pods = (parameters.nodes + parameters.nodesPerLeaf - 1) / parameters.nodesPerLeaf
    let rails = parameters.leavesPerPod
    let spines = parameters.spines
    self.spines = spines
    leaves = pods * rails
    let nic = parameters.nic.bytesPerSecond * parameters.shareOfPlanes
    let ports = parameters.nodesPerLeaf * parameters.gpusPerNode / rails
    let up = Double(ports) * nic / parameters.oversubscription / Double(spines)
    capacities =
      Array(repeating: parameters.nvlink.bytesPerSecond, count: 2 * gpus)
      + Array(repeating: nic, count: 2 * gpus)
      + Array(repeating: up, count: 2 * leaves * spines)
    let leafLimits = (0..<leaves).flatMap { leaf in
      let first = leaf / rails * parameters.nodesPerLeaf
      let nodes = min(parameters.nodesPerLeaf, parameters.nodes - first)
      let below = Double(nodes * parameters.gpusPerNode / rails) * nic
      return Array(repeating: up < below * (1 - 1e-12), count: spines)
    }
    canLimit = Array(repeating: true, count: 4 * gpus) + leafLimits + leafLimits
  }

  package var gpus: Int { parameters.nodes * parameters.gpusPerNode }

  /// Narrows a link, such as the port of a slow GPU; `factor` over 0, at most 1.
  package mutating func narrow(_ link: Int32, by factor: Double) {
    precondition(factor > 0 && factor <= 1, "a link is narrowed by a factor from over 0 to 1")
    capacities[Int(link)] *= factor
  }
}
