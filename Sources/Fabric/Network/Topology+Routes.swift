// Numbers and names of links, and the routes over them.

internal import Units

extension Topology {
  /// A GPU's port to the NVSwitch, out and in.
  package func nvlinkUp(_ gpu: Int) -> Int32 { Int32(gpu) }
  package func nvlinkDown(_ gpu: Int) -> Int32 { Int32(gpus + gpu) }
  /// A GPU's network port, out and in.
  package func nicUp(_ gpu: Int) -> Int32 { Int32(2 * gpus + gpu) }
  package func nicDown(_ gpu: Int) -> Int32 { Int32(3 * gpus + gpu) }
  /// A leaf's link to and from a spine.
  package func leafUp(_ leaf: Int, spine: Int) -> Int32 {
    Int32(4 * gpus + leaf * spines + spine)
  }
  package func leafDown(_ leaf: Int, spine: Int) -> Int32 {
    Int32(4 * gpus + (leaves + leaf) * spines + spine)
  }

  /// The leaf that a GPU's network port is on.
  package func leaf(of gpu: Int) -> Int {
    let pod = gpu / parameters.gpusPerNode / parameters.nodesPerLeaf
    let rails = parameters.leavesPerPod
    return pod * rails + (rails == 1 ? 0 : gpu % parameters.gpusPerNode)
  }

  /// The way from one GPU to another, over relays if any are named.
  ///
  /// - Throws: `FabricError` of kind `.badDescription` for a GPU that is not there or a leg from a
  ///   GPU to itself.
  package func route(
    from source: Int, to target: Int, via relays: [Int] = []
  ) throws(FabricError) -> Route {
    var route = Route(links: [], latency: .zero)
    try find(&route, from: source, to: target, via: relays)
    return route
  }

  /// As `route`, into one that is there already, so that many cost no allocation.
  func find(
    _ route: inout Route, from source: Int, to target: Int, via relays: [Int]
  ) throws(FabricError) {
    route.links.removeAll(keepingCapacity: true)
    route.latency = .zero
    var here = source
    for index in 0...relays.count {
      let next = index < relays.count ? relays[index] : target
      guard here >= 0, next >= 0, max(here, next) < gpus else {
        throw Self.bad("one of GPU \(here) and GPU \(next) is not one of the \(gpus)")
      }
      guard here != next else { throw Self.bad("a leg from GPU \(here) to itself") }
      appendLeg(from: here, to: next, &route)
      here = next
    }
  }

  private func appendLeg(from source: Int, to target: Int, _ route: inout Route) {
    if source / parameters.gpusPerNode == target / parameters.gpusPerNode {
      route.links.append(nvlinkUp(source))
      route.links.append(nvlinkDown(target))
      route.latency += parameters.latency.nvlink
      return
    }
    let (from, to) = (leaf(of: source), leaf(of: target))
    route.links.append(nicUp(source))
    if from == to {
      route.latency += parameters.latency.sameLeaf
    } else {
      let spine = (source + target) % spines
      route.links.append(leafUp(from, spine: spine))
      route.links.append(leafDown(to, spine: spine))
      route.latency += parameters.latency.crossLeaf
    }
    route.links.append(nicDown(target))
  }

  /// A link as people call it: "nicU[3]", "leafU[pod 0, rail 3, spine 1]".
  package func name(of link: Int32) -> String {
    let index = Int(link)
    if index < 4 * gpus {
      return ["nvlU", "nvlD", "nicU", "nicD"][index / gpus] + "[\(index % gpus)]"
    }
    let (leaf, spine) = (index - 4 * gpus).quotientAndRemainder(dividingBy: spines)
    let rails = parameters.leavesPerPod
    var place = "pod \(leaf % leaves / rails)"
    if rails > 1 { place += ", rail \(leaf % rails)" }
    if spines > 1 { place += ", spine \(spine)" }
    return (leaf < leaves ? "leafU[" : "leafD[") + place + "]"
  }

  static func bad(_ message: String) -> FabricError {
    FabricError(.badDescription, source: "topology", message: message)
  }
}

extension Topology.Parameters {
  var leavesPerPod: Int { fabric == .multiRail ? gpusPerNode : 1 }

  var spines: Int {
    if case .hashed(let spines) = routing { return spines }
    return 1
  }

  /// Of the network ports, what is in order.
  var shareOfPlanes: Double {
    if case .multiPlane(let planes, let down) = fabric {
      return Double(planes - down) / Double(planes)
    }
    return 1
  }

  func check() throws(FabricError) {
    for (name, value) in [
      ("nodes", nodes), ("GPUs per node", gpusPerNode), ("nodes per leaf", nodesPerLeaf),
      ("spines", spines),
    ] where value < 1 {
      throw Topology.bad("\(name): \(value), must be at least 1")
    }
    let most = 1 << 20
    guard nodes <= most, gpusPerNode <= most, nodes * gpusPerNode <= most, nodesPerLeaf <= most,
      spines <= 1 << 16
    else {
      throw Topology.bad(
        "\(nodes) nodes of \(gpusPerNode) GPUs, \(nodesPerLeaf) to a leaf of \(spines) spines, "
          + "are more than the \(most) GPUs that fit")
    }
    try checkReach("NVLink", nvlink, isNeeded: gpusPerNode > 1, "GPUs of a node")
    try checkReach("NIC", nic, isNeeded: nodes > 1, "nodes")
    guard oversubscription.isFinite, oversubscription > 0 else {
      throw Topology.bad("oversubscription: \(oversubscription), must be over 0; 1 for none")
    }
    for (name, value) in [
      ("NVLink", latency.nvlink), ("same-leaf", latency.sameLeaf),
      ("cross-leaf", latency.crossLeaf),
    ] where value < .zero {
      throw Topology.bad("\(name) latency: \(value.picoseconds) ps, must not be negative")
    }
    if case .multiPlane(let planes, let down) = fabric, planes < 1 || !(0..<planes).contains(down) {
      throw Topology.bad("\(down) of \(planes) planes down: no way between nodes is left")
    }
  }

  /// A port without bandwidth leaves what it joins disconnected.
  private func checkReach(
    _ name: String, _ bandwidth: Bandwidth, isNeeded: Bool, _ ends: String
  ) throws(FabricError) {
    let rate = bandwidth.bytesPerSecond
    guard rate.isFinite, rate >= 0 else {
      throw Topology.bad("\(name) bandwidth: \(rate / 1e9) GB/s, must be over 0")
    }
    guard rate > 0 || !isNeeded else {
      throw Topology.bad("\(name) bandwidth: 0 GB/s leaves the \(ends) disconnected")
    }
  }
}
