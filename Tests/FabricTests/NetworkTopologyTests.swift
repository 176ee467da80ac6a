// Links and routes of a topology, and the complaints about topologies and scenarios that make no
// sense.

import Fabric
import Testing
import Units

@Suite struct NetworkTopologyTests {
  static func parameters(
    fabric: Topology.Fabric = .multiRail, routing: Topology.Routing = .adaptive
  ) -> Topology.Parameters {
    Topology.Parameters(
      nodes: 8, gpusPerNode: 4, nvlink: Bandwidth(gigabytesPerSecond: 160),
      nic: Bandwidth(gigabytesPerSecond: 50), nodesPerLeaf: 4, oversubscription: 2,
      fabric: fabric, routing: routing,
      latency: .init(
        nvlink: VirtualDuration(microseconds: 3), networkEnds: VirtualDuration(microseconds: 2),
        perSwitch: VirtualDuration(microseconds: 0.5)))
  }

  func names(_ topology: Topology, _ source: Int, _ target: Int, via: [Int] = []) throws
    -> [String]
  {
    try topology.route(from: source, to: target, via: via).links.map(topology.name)
  }

  @Test func routesUseThePortsAndTheLeaves() throws {
    let topology = try Topology(Self.parameters())
    #expect(try names(topology, 0, 3) == ["nvlU[0]", "nvlD[3]"])
    #expect(try names(topology, 1, 13) == ["nicU[1]", "nicD[13]"])
    #expect(
      try names(topology, 1, 17) == [
        "nicU[1]", "leafU[pod 0, rail 1]", "leafD[pod 1, rail 1]", "nicD[17]",
      ])
    #expect(
      try names(topology, 0, 5) == [
        "nicU[0]", "leafU[pod 0, rail 0]", "leafD[pod 0, rail 1]", "nicD[5]",
      ])
    #expect(
      try names(topology, 0, 5, via: [1]) == ["nvlU[0]", "nvlD[1]", "nicU[1]", "nicD[5]"])
    // One switch on a leaf, three over a spine; a relay's legs add up.
    #expect(try topology.route(from: 1, to: 13).latency == VirtualDuration(microseconds: 2.5))
    #expect(try topology.route(from: 1, to: 17).latency == VirtualDuration(microseconds: 3.5))
    let relayed = try topology.route(from: 0, to: 5, via: [1])
    #expect(relayed.latency == VirtualDuration(microseconds: 5.5))
    // Four ports of 50 GB/s over 2.
    #expect(topology.capacities.suffix(1) == [100e9])
  }

  @Test func hashedRoutesKeepToOneOfTheSpines() throws {
    let topology = try Topology(Self.parameters(routing: .hashed(spines: 3)))
    #expect(try names(topology, 1, 17)[1] == "leafU[pod 0, rail 1, spine 0]")
    #expect(try names(topology, 2, 18)[1] == "leafU[pod 0, rail 2, spine 2]")
    #expect(abs((topology.capacities.last ?? 0) - 100e9 / 3) < 1)
  }

  @Test func planesJoinTheRailsOfAPodAndShareTheLoss() throws {
    let topology = try Topology(Self.parameters(fabric: .multiPlane(planes: 4, down: 1)))
    #expect(try names(topology, 0, 5) == ["nicU[0]", "nicD[5]"])
    #expect(try names(topology, 0, 16)[1] == "leafU[pod 0]")
    #expect(topology.capacities[Int(topology.nicUp(0))] == 37.5e9)
    #expect(topology.capacities.last == 16 * 37.5e9 / 2)
  }

  @Test func aNarrowedPortIsSlower() throws {
    var topology = try Topology(Self.parameters())
    topology.narrow(topology.nicUp(4), by: 0.5)
    let flow = NetworkScenario.Flow(source: 4, target: 8, bytes: 1e6)
    let scenario = NetworkScenario(name: "", topology: topology, flows: [flow])
    // 1 MB at 25 GB/s, after 2.5 µs.
    #expect(abs(try scenario.run().makespan - 42.5e-6) < 1e-15)
  }

  @Test func parametersThatMakeNoSenseAreNamed() {
    func message(_ change: (inout Topology.Parameters) -> Void) -> String {
      var parameters = Self.parameters()
      change(&parameters)
      do throws(FabricError) {
        _ = try Topology(parameters)
        return ""
      } catch {
        return error.message
      }
    }
    #expect(message { $0.nodes = 0 } == "nodes: 0, must be at least 1")
    #expect(message { $0.nic = Bandwidth(gigabytesPerSecond: -1) }.hasPrefix("NIC bandwidth: -1.0"))
    #expect(
      message { $0.nic = Bandwidth(gigabytesPerSecond: 0) }
        == "NIC bandwidth: 0 GB/s leaves the nodes disconnected")
    #expect(
      message { $0.nvlink = Bandwidth(gigabytesPerSecond: 0) }
        == "NVLink bandwidth: 0 GB/s leaves the GPUs of a node disconnected")
    #expect(message { $0.oversubscription = 0 }.contains("must be over 0"))
    #expect(message { $0.fabric = .multiPlane(planes: 2, down: 2) }.contains("2 of 2 planes down"))
    #expect(message { $0.latency.sameLeaf = VirtualDuration(picoseconds: -1) }.contains("negative"))
  }

  // MARK: - Files

  static let good = """
    {"format": "dsv3-netref-1", "name": "n", "topology": {"nodes": 2, "gpus_per_node": 2,
    "nvlink_GBps": 160.0, "nic_GBps": 50.0, "nodes_per_leaf": 4, "oversubscription": 1.0,
    "spines": 0, "latency_us": {"nvlink": 3.33, "ib_same_leaf": 2.8, "ib_cross_leaf": 3.7}},
    "flows": [
    {"start_s": 0.0, "src_gpu": 0, "dst_gpu": 2, "bytes": 1e6, "tag": {"a": [1, null, true]}},
    {"start_s": 0, "src_gpu": 1, "dst_gpu": 3, "bytes": 5, "after": [0], "via": [2]}], "seed": 1}
    """

  @Test func aFileIsReadAsItStands() throws {
    let scenario = try NetworkScenario(parsing: Array(Self.good.utf8), source: "f")
    #expect(scenario.name == "n" && scenario.topology.gpus == 4)
    #expect(scenario.flows[0] == .init(source: 0, target: 2, bytes: 1_000_000))
    #expect(scenario.flows[1] == .init(source: 1, target: 3, bytes: 5, after: [0], via: [2]))
  }

  @Test(arguments: [
    ("\"nic_GBps\": 50.0", "\"nic_GBps\": -50.0", "'nic_GBps' is -50.0, must not be negative"),
    ("\"nic_GBps\": 50.0", "\"nic_GBps\": 0", "leaves the nodes disconnected"),
    ("\"nic_GBps\": 50.0", "\"nic_GBps\": \"400 Gbps\"", "must be a number"),
    ("\"nic_GBps\": 50.0", "\"nic_Gbps\": 50.0", "has the key 'nic_Gbps'"),
    ("\"nic_GBps\": 50.0, ", "", "'topology' lacks 'nic_GBps'"),
    ("\"nodes\": 2", "\"nodes\": 0", "'nodes' is 0, must be from 1"),
    ("\"nodes\": 2", "\"nodes\": 2.5", "'nodes' is '2.5', must be a whole number"),
    ("\"oversubscription\": 1.0", "\"oversubscription\": 0", "must be over 0"),
    ("\"bytes\": 5", "\"bytes\": -5", "line 6: flow 1: 'bytes' is -5.0, must not be negative"),
    ("\"bytes\": 5", "\"bytes\": NaN", "'bytes' is 'NaN', must be a number"),
    ("\"bytes\": 5", "\"bytes\": 1e999", "larger than any number"),
    ("\"bytes\": 5", "\"bytes\": 05", "must be a number"),
    ("\"bytes\": 5, ", "", "flow 1 lacks one of"),
    ("\"bytes\": 5", "\"bytes\": 5, \"bytes\": 5", "flow 1 has the key 'bytes' twice"),
    ("\"bytes\": 5", "\"byte\": 5", "flow 1 has the key 'byte'; there are start_s"),
    ("\"dst_gpu\": 3", "\"dst_gpu\": 4", "flow 1: 'dst_gpu' is 4, must be from 0 to 3"),
    ("\"dst_gpu\": 3", "\"dst_gpu\": 1", "flow 1: 'src_gpu' and 'dst_gpu' are both 1"),
    ("\"after\": [0]", "\"after\": [1]", "flow 1: 'after' names the flow itself"),
    ("\"after\": [0]", "\"after\": [7]", "flow 1: 'after' has flow 7, must be from 0 to 1"),
    ("\"via\": [2]", "\"via\": [9]", "flow 1: 'via' has GPU 9, must be from 0 to 3"),
    ("\"via\": [2]", "\"via\": [2, 2]", "makes a leg from GPU 2 to itself"),
    ("\"tag\"", "\"after\": [1], \"tag\"", "'after' leads back to the flow itself"),
    ("\"tag\"", "\"rate_cap_GBps\": 0, \"tag\"", "flow 0: 'rate_cap_GBps' is 0.0, must be over 0"),
    ("dsv3-netref-1", "dsv3-netref-9", "'format' is 'dsv3-netref-9', must be 'dsv3-netref-1'"),
    ("], \"seed\": 1}", "", "the end of the file' where ',' or ']' must be"),
    ("\"seed\": 1}", "\"seed\": 1} x", "stands after the end"),
  ])
  func mistakesAreNamed(_ part: String, _ wrong: String, _ message: String) throws {
    let parts = Self.good.split(separator: part, maxSplits: 1, omittingEmptySubsequences: false)
    try #require(parts.count == 2)
    do throws(FabricError) {
      _ = try NetworkScenario(parsing: Array((parts[0] + wrong + parts[1]).utf8), source: "f")
      Issue.record("read without complaint")
    } catch {
      let wanted = message.replacing("the end of the file'", with: "the end of the file")
      #expect(error.kind == .badData && error.source == "f")
      #expect(error.message.contains(wanted), "\(error.message)")
    }
  }

  /// Every beginning of a file is an error, and none a trap.
  @Test func truncatedFilesAreErrors() {
    let bytes = Array(Self.good.utf8)
    for count in 0..<bytes.count {
      #expect(throws: FabricError.self) {
        try NetworkScenario(parsing: Array(bytes[..<count]), source: "f")
      }
    }
  }

  @Test func anyByteMayBeWrong() {
    let good = Array(Self.good.utf8)
    var dice = NetworkDice(11)
    for _ in 0..<4000 {
      var bytes = good
      for _ in 0...dice.below(3) { bytes[dice.below(bytes.count)] = UInt8(dice.below(256)) }
      do throws(FabricError) {
        _ = try NetworkScenario(parsing: bytes, source: "f")
      } catch {
        #expect(error.kind == .badData && error.message.count < 400)
      }
    }
  }
}
