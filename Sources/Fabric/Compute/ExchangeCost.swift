// The time of one dispatch or combine of the expert exchange, given what passes the ports of a rank
// (report section 3.2.2): two hops that move at once, so that the busiest port decides.

package import Units

/// Rows that pass the ports of one rank in one dispatch or combine, forwarded ones included. A row
/// for the own node crosses no NIC, and one for the own GPU no NVLink.
package struct PortRows: Hashable, Sendable {
  package var toNodes: Int
  package var fromNodes: Int
  package var overNVLinkOut: Int
  package var overNVLinkIn: Int

  package init(toNodes: Int, fromNodes: Int, overNVLinkOut: Int, overNVLinkIn: Int) {
    self.toNodes = toNodes
    self.fromNodes = fromNodes
    self.overNVLinkOut = overNVLinkOut
    self.overNVLinkIn = overNVLinkIn
  }
}

/// What a kernel of the exchange stream takes.
package struct ExchangeTime: Hashable, Sendable {
  package var alone: VirtualDuration
  /// While kernels of the compute stream run all the time.
  package var besideCompute: VirtualDuration

  package init(alone: VirtualDuration, besideCompute: VirtualDuration) {
    self.alone = alone
    self.besideCompute = besideCompute
  }
}

/// Prices the transfers of the expert exchange on one cluster, without contention in the network
/// between the NICs.
package struct ExchangeCost: Hashable, Sendable {
  /// Rows under way in a chunk before the second hop can begin: 16 on each of 10 channels
  /// (DeepEP's chunk over RDMA with 20 SMs, tests/test_internode.py).
  package static let chunkRows = 160

  private let cluster: ClusterSpec

  package init(cluster: ClusterSpec) { self.cluster = cluster }

  /// Bytes of a dispatched row: FP8 with an FP32 scale for each 128 elements, or BF16.
  package static func dispatchRow(hidden: Int, precision: ProductPrecision) -> ByteCount {
    ByteCount(precision.isFP8 ? hidden + hidden / 128 * 4 : 2 * hidden)
  }

  /// Bytes of a combined row: always BF16 (report section 3.3.3).
  package static func combineRow(hidden: Int) -> ByteCount { ByteCount(2 * hidden) }

  /// The barrier and the exchange of counts in front of each transfer.
  package var notify: VirtualDuration { cluster.exchange.notify }

  /// The time of a transfer, its notification not included.
  package func transfer(_ rows: PortRows, row: ByteCount) -> ExchangeTime {
    let exchange = cluster.exchange
    let nic = cluster.network.nic * exchange.nicEfficiency
    let nvlink = cluster.node.nvlink * exchange.nvlinkEfficiency
    func bytes(_ rows: Int) -> Double { Double(rows * row.bytes) }
    let remote = max(rows.toNodes, rows.fromNodes)
    let local = max(rows.overNVLinkOut, rows.overNVLinkIn)
    var links = max(nic.time(for: bytes(remote)), nvlink.time(for: bytes(local)))
    var latency = local > 0 ? cluster.node.latency : .zero
    if remote > 0 {
      latency += cluster.network.sameLeafLatency
      if !exchange.unified { links += nic.time(for: bytes(min(remote, Self.chunkRows))) }
    }
    return ExchangeTime(
      alone: latency + links,
      besideCompute: latency + links.scaled(by: 1 / exchange.overlapEfficiency))
  }
}
