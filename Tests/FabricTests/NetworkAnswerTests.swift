// Ends of flows against SimGrid's answers, closed forms, and the slow reference.

import Fabric
import FoundationEssentials
import JSON
import Testing
import Units

@Suite struct NetworkAnswerTests {
  static let folder =
    #filePath.split(separator: "/").dropLast(2).reduce("") { "\($0)/\($1)" }
    + "/Fixtures/network/"
  static let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
    .filter { $0.hasSuffix(".scenario.json") }
    .map { String($0.dropLast(".scenario.json".count)) }.sorted()

  static func bytes(_ name: String) throws -> [UInt8] {
    Array(try #require(FileManager.default.contents(atPath: folder + name)))
  }

  @Test func allScenariosAreThere() { #expect(Self.names.count == 30) }

  @Test(arguments: names)
  func everyFlowEndsWhenSimGridSays(_ name: String) throws {
    let scenario = try NetworkScenario(
      parsing: try Self.bytes("\(name).scenario.json"), source: name)
    let result = try scenario.run()
    guard case .object(let answer) = try JSONValue(parsing: Self.bytes("\(name).expected.json")),
      case .array(let ends)? = answer["end_s"]
    else { throw NetworkFixtureError.malformed(name) }
    try #require(ends.count == result.ends.count)
    for (flow, value) in ends.enumerated() {
      let expected =
        switch value {
        case .number(let number): number
        case .integer(let integer): Double(integer)
        default: Double.nan
        }
      let off = abs(result.ends[flow] - expected)
      #expect(off <= 1e-9 * expected, "flow \(flow): \(result.ends[flow]), not \(expected)")
    }
  }

  enum NetworkFixtureError: Error {
    case malformed(String)
  }

  // MARK: - Closed forms, on H800 nodes: 160 GB/s NVLink, 50 GB/s network, 8 GPUs a node

  static func h800(nodes: Int, perLeaf: Int = 32) throws -> Topology {
    try Topology(
      .init(
        nodes: nodes, gpusPerNode: 8, nvlink: Bandwidth(gigabytesPerSecond: 160),
        nic: Bandwidth(gigabytesPerSecond: 50), nodesPerLeaf: perLeaf,
        latency: .init(
          nvlink: VirtualDuration(microseconds: 3.33),
          sameLeaf: VirtualDuration(microseconds: 2.8),
          crossLeaf: VirtualDuration(microseconds: 3.7))))
  }

  static func makespan(_ topology: Topology, _ flows: [NetworkScenario.Flow]) throws -> Double {
    try NetworkScenario(name: "", topology: topology, flows: flows).run().makespan * 1e6
  }

  /// A network port is busy from the first arrival at 2.8 µs (same leaf) until its G − 8 messages
  /// of 1 MB, 20 µs each at 50 GB/s, are through.
  @Test(arguments: [16, 64, 128])
  func uniformAllToAllKeepsThePortsBusy(_ gpus: Int) throws {
    let time = try Self.makespan(
      Self.h800(nodes: gpus / 8), TrafficPattern.allToAll(gpus: gpus) { _, _ in 1e6 })
    #expect(abs(time - (Double(gpus - 8) * 20 + 2.8)) < 1e-6)
  }

  /// 63 × 10 MB through one port at 50 GB/s: 12600 µs, after 2.8 µs.
  @Test func incastIsAsSlowAsItsPort() throws {
    let flows = (1..<64).map {
      NetworkScenario.Flow(source: 8 * $0, target: 0, bytes: 1e7)
    }
    let time = try Self.makespan(Self.h800(nodes: 64, perLeaf: 64), flows)
    #expect(abs(time - 12602.8) < 1e-6)
  }

  /// 4096 tokens of 7168 B on 64 GPUs in 8 nodes, 8 experts in 4 nodes each. A token is at 4 of 8
  /// nodes, so each node gets half of them: 14.68 MB; an expert's GPU gets an eighth: 3.67 MB.
  static func ep64(bytesPerValue: Double) -> BalancedExpertExchange {
    let bytes = 4096 * 7168 * bytesPerValue
    return BalancedExpertExchange(
      nodes: 8, gpusPerNode: 8, bytesPerNode: bytes / 2, bytesPerGPU: bytes / 8)
  }

  /// 7 × 14.68 MB at 50 GB/s are 2055.21 µs, after 2.8; NVLink's 56 × 3.67 MB take 1284 and hide.
  @Test func pipelinedDispatchTakesTheNetworkHop() throws {
    let flows = Self.ep64(bytesPerValue: 1).dispatch(isPipelined: true)
    #expect(flows.count == 64 * 63)
    let time = try Self.makespan(Self.h800(nodes: 8), flows)
    #expect(abs(time - (7 * 4096 * 7168 / 2 / 50e3 + 2.8)) < 1e-6)
    #expect(abs(time - 2058.01) < 0.01)
  }

  /// Without deduplication 56 remote GPUs get 3.67 MB each: 4110.42 µs after 2.8.
  @Test func coupledDispatchSendsEveryCopy() throws {
    let time = try Self.makespan(
      Self.h800(nodes: 8), Self.ep64(bytesPerValue: 1).coupledDispatch())
    #expect(abs(time - (56 * 4096 * 7168 / 8 / 50e3 + 2.8)) < 1e-6)
    #expect(abs(time - 4113.22) < 0.01)
  }

  /// BF16: NVLink first, 56 × 7.34 MB at 160 GB/s + 3.33, then the network, 7 × 29.36 MB + 2.8.
  @Test func combineAddsItsHops() throws {
    let time = try Self.makespan(Self.h800(nodes: 8), Self.ep64(bytesPerValue: 2).combine())
    let nvlink = 56.0 * 4096 * 7168 * 2 / 8 / 160e3 + 3.33
    #expect(abs(time - (nvlink + 7 * 4096 * 7168 * 2 / 2 / 50e3 + 2.8)) < 1e-6)
    #expect(abs(time - 6685.56) < 0.01)
  }

  /// A relay that a flow passes twice: legs 0 → 8 → 0 → 9 leave port 0 twice, so the flow gets half
  /// of it: 1 MB at 25 GB/s is 40 µs.
  @Test func aLinkUsedTwiceCountsTwice() throws {
    let flow = NetworkScenario.Flow(source: 0, target: 9, bytes: 1e6, via: [8, 0])
    let time = try Self.makespan(Self.h800(nodes: 2), [flow])
    #expect(abs(time - (40 + 2.8 + 2.8 + 3.7)) < 1e-6)
  }

  // MARK: - The reference

  @Test(arguments: 0..<40)
  func randomScenariosEndAsInTheReference(_ block: Int) throws {
    for seed in block * 50..<(block + 1) * 50 {
      let scenario = try NetworkScenario.random(seed)
      let expected = try NetworkReference(scenario).ends
      let ends = try scenario.run().ends
      for flow in ends.indices {
        let isSame = abs(ends[flow] - expected[flow]) <= 1e-9 * expected[flow] + 1e-15
        #expect(isSame, "seed \(seed), flow \(flow): \(ends[flow]), not \(expected[flow])")
      }
    }
  }

  /// Ends one by one on links that all depend on one another: what is updated must not drift.
  @Test(arguments: [1, 2, 3])
  func allToAllOfUnequalSizesEndsAsInTheReference(_ seed: Int) throws {
    var dice = NetworkDice(seed)
    let topology = try Self.h800(nodes: 3, perLeaf: 2)
    let flows = TrafficPattern.allToAll(gpus: 24) { _, _ in Double(1 + dice.below(3_000_000)) }
    let scenario = NetworkScenario(name: "", topology: topology, flows: flows)
    let expected = try NetworkReference(scenario).ends
    let ends = try scenario.run().ends
    let worst = zip(ends, expected).map { abs($0 - $1) / $1 }.max() ?? 1
    #expect(worst < 1e-9)
  }
}
