// The exchange's times against DeepEP's published table, for routing drawn as its test draws it.

import Fabric
import Testing
import Units

/// A small generator of its own, so that the sampled routing is the same everywhere.
private struct Generator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}

/// Mean nodes and ranks of a token that takes the 8 best of 256 experts, from the 4 nodes whose
/// best expert is best (tests/test_internode.py of DeepEP), all scores drawn alike.
private func meanTargets(ranks: Int) -> (nodes: Double, ranks: Double) {
  var generator = Generator(state: 7)
  let nodes = max(1, ranks / 8)
  var sums = (nodes: 0, ranks: 0)
  let samples = 4000
  for _ in 0..<samples {
    let scores = (0..<256).map { _ in Double.random(in: 0..<1, using: &generator) }
    func node(_ expert: Int) -> Int { expert * nodes / 256 }
    let best = (0..<nodes).map { own in
      (0..<256).filter { node($0) == own }.map { scores[$0] }.max() ?? 0
    }
    let chosen = Set((0..<nodes).sorted { best[$0] > best[$1] }.prefix(4))
    let experts = (0..<256).filter { chosen.contains(node($0)) }
      .sorted { scores[$0] > scores[$1] }.prefix(8)
    sums.nodes += Set(experts.map(node)).count
    sums.ranks += Set(experts.map { $0 * ranks / 256 }).count
  }
  return (Double(sums.nodes) / Double(samples), Double(sums.ranks) / Double(samples))
}

/// Rows through the ports of any rank: of the rows for nodes, one in `nodes` is for the own; of
/// those that reach a GPU, one in 8 comes from itself, for the relay has the source's place in the
/// node, and that is the same in one of 8 cases.
private func rows(ranks: Int) -> PortRows {
  let mean = meanTargets(ranks: ranks)
  let nodes = Double(ranks / 8)
  let remote = Int((4096 * mean.nodes * (nodes - 1) / nodes).rounded())
  let local = Int((4096 * mean.ranks * 7 / 8).rounded())
  return PortRows(
    toNodes: remote, fromNodes: remote, overNVLinkOut: local, overNVLinkIn: local)
}

@Suite struct ComputeExchangeTests {
  private let h800 = ClusterPreset.named("h800")

  /// Stand-alone, 4096 tokens, 24 SMs: README of DeepEP, April 2025; EP 8 is the same there as in
  /// February.
  @Test(arguments: [8, 16, 32, 64])
  func transfersTakeWhatDeepEPPublished(ranks: Int) throws {
    let cost = ExchangeCost(cluster: try #require(h800).spec)
    let table = try calibrationTable("bandwidth.csv").filter { row in
      let source = row["source"] ?? ""
      return row["ep"] == "\(ranks)"
        && source.contains(ranks == 8 ? "README @ebfe47e" : "README @3b1045d")
    }
    #expect(table.count == 2)
    for row in table {
      let isDispatch = row["op"] == "dispatch"
      let bytes =
        isDispatch
        ? ExchangeCost.dispatchRow(hidden: 7168, precision: .fp8)
        : ExchangeCost.combineRow(hidden: 7168)
      let time = cost.transfer(rows(ranks: ranks), row: bytes).alone
      let measured = try #require(Double(row["time_ms"] ?? ""))
      #expect(abs(time.seconds * 1e3 / measured - 1) < 0.1, "\(row["op"] ?? ""): \(time) s")
    }
  }

  /// The trace's transfers beside compute with 20 SMs: cached dispatch, and combine both ways. The
  /// fresh dispatch holds the skew of its ranks and is left out.
  @Test func besideComputeTheyTakeWhatTheTraceShows() throws {
    let cost = ExchangeCost(cluster: try #require(h800).spec)
    let port = rows(ranks: 64)
    let dispatch = cost.transfer(port, row: ExchangeCost.dispatchRow(hidden: 7168, precision: .fp8))
    let combine = cost.transfer(port, row: ExchangeCost.combineRow(hidden: 7168))
    #expect(abs(dispatch.besideCompute.seconds * 1e3 / 3.4475 - 1) < 0.1)
    #expect(abs(combine.besideCompute.seconds * 1e3 / 6.27 - 1) < 0.1)
    #expect(dispatch.alone < dispatch.besideCompute)
  }

  /// One row of one byte is latency: 3.33 us over NVLink, 2.8 us more over the network.
  @Test func nextToNothingTakesLatency() throws {
    let cost = ExchangeCost(cluster: try #require(h800).spec)
    let node = PortRows(toNodes: 0, fromNodes: 0, overNVLinkOut: 1, overNVLinkIn: 1)
    let both = PortRows(toNodes: 1, fromNodes: 1, overNVLinkOut: 1, overNVLinkIn: 1)
    let none = PortRows(toNodes: 0, fromNodes: 0, overNVLinkOut: 0, overNVLinkIn: 0)
    #expect(cost.transfer(none, row: ByteCount(1)).alone == .zero)
    let local = cost.transfer(node, row: ByteCount(1)).alone.picoseconds
    let remote = cost.transfer(both, row: ByteCount(1)).alone.picoseconds
    #expect((3_330_000..<3_331_000).contains(local))
    #expect((6_130_000..<6_131_000).contains(remote))
  }
}
