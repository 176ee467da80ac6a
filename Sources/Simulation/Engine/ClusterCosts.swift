// The prices of a described cluster: kernels from OperationCosts, exchanges from ExchangeCost,
// messages and collectives from link rates. Equations and sources: docs/cluster-model.md.

package import Fabric
package import ModelSpec
internal import Units
package import Workload

/// Prices a step on a cluster.
package struct ClusterCosts: StepCosting {
  private let step: ChargedStep
  private let cluster: ClusterSpec
  private let layout: Layout
  private let operations: OperationCosts
  private let exchange: ExchangeCost
  private let dispatchRow: ByteCount
  private let combineRow: ByteCount
  private let contention: LeafContention
  private let dispatchLayout: VirtualDuration
  private let gradientCast: VirtualDuration
  /// On the NICs' part of an exchange.
  private let leafFactor: Double

  package init(_ step: ChargedStep, layout: Layout, cluster: ClusterSpec) {
    self.step = step
    self.cluster = cluster
    self.layout = layout
    operations = OperationCosts(
      cluster: cluster, model: step.model, expertParallel: layout.expert,
      sequenceLength: step.sequenceLength, tokens: step.tokens, precision: step.precision)
    exchange = ExchangeCost(cluster: cluster)
    dispatchRow = ExchangeCost.dispatchRow(
      hidden: step.model.hiddenSize, precision: step.precision)
    combineRow = ExchangeCost.combineRow(hidden: step.model.hiddenSize)
    dispatchLayout =
      operations.exchangePreparation(.dispatch, .forward, tokens: step.tokens).alone
    gradientCast = operations.exchangePreparation(.combine, .input, tokens: step.tokens).alone
    contention = LeafContention(layout: layout, cluster: cluster)
    leafFactor = contention.factor()
  }

  // MARK: Compute

  package func compute(_ operation: Operation, pairs: Int, overlapped: Bool) -> ComputeTime {
    let sms = cluster.gpu.sms - (overlapped ? cluster.exchange.sms : 0)
    let cost = operations.compute(
      operation.kind, operation.pass, layer: max(Int(operation.layer), 0), tokens: step.tokens,
      expertRows: step.charged(pairs: pairs), sms: sms)
    return ComputeTime(cost)
  }

  package func optimizer(_ group: ParameterGroup) -> ComputeTime {
    let holders = group.holders(data: layout.data, expert: layout.expert)
    let shard = (step.charged(group) + holders - 1) / holders
    return ComputeTime(operations.optimizer(parameters: shard))
  }

  // MARK: Exchange

  package func exchange(_ operation: Operation, network: Int, nvlink: Int) -> TransferTime {
    let (network, nvlink) = (step.charged(rows: network), step.charged(rows: nvlink))
    let bytes = chargedRowBytes(operation)
    // Rows that wait for an uplink hold up the transfer as if there were more of them.
    let held = Int((Double(network) * leafFactor).rounded())
    let time = exchange.transfer(
      PortRows(toNodes: held, fromNodes: held, overNVLinkOut: nvlink, overNVLinkIn: nvlink),
      row: ByteCount(bytes))
    let nic = (cluster.network.nic * cluster.exchange.nicEfficiency)
      .time(for: Double(network * bytes))
    let whole = time.alone + preparation(operation)
    return TransferTime(
      whole: whole.picoseconds, network: min(nic.picoseconds, whole.picoseconds))
  }

  /// A dispatch carries FP8, the backward of a combine too; combine and the backward of a dispatch
  /// carry BF16 (report section 3.2.2).
  private func chargedRowBytes(_ operation: Operation) -> Int {
    (operation.kind == .dispatch) == (operation.pass == .forward)
      ? dispatchRow.bytes : combineRow.bytes
  }

  /// The layout of a dispatch, and the cast of a combine's gradient, stand before the transfer.
  private func preparation(_ operation: Operation) -> VirtualDuration {
    switch (operation.kind, operation.pass) {
    case (.dispatch, .forward): dispatchLayout
    case (.combine, .input): gradientCast
    default: .zero
    }
  }

  package func rowBytes(_ operation: Operation) -> Int {
    step.charged(rows: chargedRowBytes(operation))
  }

  package var notify: Int64 { exchange.notify.picoseconds }
  package var overlapEfficiency: Double { cluster.exchange.overlapEfficiency }

  // MARK: Pipeline

  /// Hidden states and their gradients cross in BF16.
  package func messageBytes(_ operation: Operation) -> Int64 {
    Int64(step.tokens * step.model.hiddenSize * 2)
  }

  package func message(_ operation: Operation, _ distance: Distance) -> MessageTime {
    let bytes = Double(messageBytes(operation))
    switch distance {
    case .sameNode:
      return MessageTime(
        latency: cluster.node.latency.picoseconds, transfer: nvlink.time(for: bytes).picoseconds)
    case .sameLeaf:
      return MessageTime(
        latency: cluster.network.sameLeafLatency.picoseconds,
        transfer: nic.time(for: bytes).picoseconds)
    case .crossLeaf:
      let uplink = nic * (1 / contention.messageFactor)
      return MessageTime(
        latency: cluster.network.crossLeafLatency.picoseconds,
        transfer: uplink.time(for: bytes).picoseconds)
    }
  }

  private var nic: Bandwidth { cluster.network.nic * cluster.exchange.nicEfficiency }
  private var nvlink: Bandwidth { cluster.node.nvlink * cluster.exchange.nvlinkEfficiency }

  // MARK: Collectives

  /// Reduce-scatter of FP32 gradients or all-gather of BF16 weights, within nodes over NVLink and
  /// across them over InfiniBand at once; each moves (n − 1)/n of what it has.
  package func collective(_ kind: OperationKind, _ group: ParameterGroup?) -> Int64 {
    guard let group else { return barrier.picoseconds }
    let spread = spread(group)
    let bytes = Double(step.charged(group) * (kind == .reduceScatter ? 4 : 2))
    let (most, least, nodes) = (
      Double(spread.mostInNode), Double(spread.leastInNode), Double(spread.nodes)
    )
    let local = nvlink.time(for: bytes * (most - 1) / most)
    let uplink = spread.crossesLeaves ? cluster.network.oversubscription : 1
    let across = (nic * (1 / uplink)).time(for: bytes / least * (nodes - 1) / nodes)
    var latency = most > 1 ? cluster.node.latency : .zero
    latency += cluster.network.crossLeafLatency * (spread.nodes - 1)
    return (max(local, across) + latency).picoseconds
  }

  /// What each rank of the group puts on its NIC and on NVLink; a scalar is nothing.
  package func collectiveBytes(_ kind: OperationKind, _ group: ParameterGroup?) -> PortBytes {
    guard let group else { return .zero }
    let spread = spread(group)
    let bytes = step.charged(group) * (kind == .reduceScatter ? 4 : 2)
    return PortBytes(
      network: Int64(bytes / spread.mostInNode * (spread.nodes - 1) / spread.nodes),
      nvlink: Int64(bytes * (spread.mostInNode - 1) / spread.mostInNode))
  }

  /// How the holders of a group lie on nodes.
  private struct Spread {
    var nodes: Int
    /// Holders on the node that has most of them, and on the one that has fewest.
    var mostInNode: Int
    var leastInNode: Int
    var crossesLeaves: Bool
  }

  /// Of the holders of the first expert place; other places lie alike.
  private func spread(_ group: ParameterGroup) -> Spread {
    var holders: [Int: Int] = [:]
    for pipeline in group.pipelineRanks {
      for data in stride(from: 0, to: layout.data, by: group.sameExpertPlace ? layout.expert : 1) {
        holders[layout.node(of: layout.worldRank(pipeline: pipeline, data: data)), default: 0] += 1
      }
    }
    return Spread(
      nodes: holders.count, mostInNode: holders.values.max() ?? 1,
      leastInNode: holders.values.min() ?? 1,
      crossesLeaves: Set(holders.keys.map { $0 / cluster.network.nodesPerLeaf }).count > 1)
  }

  /// A scalar up and down a binary tree of all ranks.
  private var barrier: VirtualDuration {
    var depth = 0
    while 1 << depth < layout.worldSize { depth += 1 }
    return cluster.network.crossLeafLatency * (2 * depth)
  }
}

extension ComputeTime {
  init(_ cost: ComputeCost) {
    self.init(
      alone: cost.alone.picoseconds, besideTransfer: cost.besideTransfer.picoseconds)
  }
}
