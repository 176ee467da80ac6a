// What the engine asks of a cost model, in picoseconds. The engine orders; the model prices.

package import Workload

/// A compute operation's time with no transfer beside it, and with one running all the while.
package struct ComputeTime: Hashable, Sendable {
  package var alone: Int64
  package var besideTransfer: Int64

  package init(alone: Int64, besideTransfer: Int64) {
    self.alone = alone
    self.besideTransfer = besideTransfer
  }

  package static let zero = ComputeTime(alone: 0, besideTransfer: 0)

  static func + (left: Self, right: Self) -> Self {
    Self(
      alone: left.alone + right.alone, besideTransfer: left.besideTransfer + right.besideTransfer)
  }
}

/// One rank's part of an exchange, beside no compute: how long, and how much of it the NIC is busy.
package struct TransferTime: Hashable, Sendable {
  package var whole: Int64
  package var network: Int64

  package init(whole: Int64, network: Int64) {
    self.whole = whole
    self.network = network
  }
}

/// A message: time in flight before the first byte lands, and on an idle link after that.
package struct MessageTime: Hashable, Sendable {
  package var latency: Int64
  package var transfer: Int64

  package init(latency: Int64, transfer: Int64) {
    self.latency = latency
    self.transfer = transfer
  }
}

/// How far apart two ranks are.
package enum Distance: Int, Hashable, Sendable, CaseIterable {
  case sameNode
  case sameLeaf
  case crossLeaf
}

/// Prices of one step.
package protocol StepCosting: Sendable {
  /// - Parameters:
  ///   - pairs: (token, expert) pairs of the rank, for routed experts.
  ///   - overlapped: whether a pair runs, whose transfers take SMs.
  func compute(_ operation: Operation, pairs: Int, overlapped: Bool) -> ComputeTime
  /// - Parameters:
  ///   - network: the larger of the rows out to and in from other nodes.
  ///   - nvlink: the larger of the rows to and from the node's other GPUs.
  func exchange(_ operation: Operation, network: Int, nvlink: Int) -> TransferTime
  /// Bytes that one row of the workload's is charged as in an exchange.
  func rowBytes(_ operation: Operation) -> Int
  /// The barrier in front of each exchange.
  var notify: Int64 { get }
  /// An exchange's rate beside compute, over that alone.
  var overlapEfficiency: Double { get }
  func message(_ operation: Operation, _ distance: Distance) -> MessageTime
  /// Bytes of a message.
  func messageBytes(_ operation: Operation) -> Int64
  /// A reduce-scatter or all-gather of a group, or the all-reduce of a scalar (nil).
  func collective(_ kind: OperationKind, _ group: ParameterGroup?) -> Int64
  /// What it puts on each member's ports.
  func collectiveBytes(_ kind: OperationKind, _ group: ParameterGroup?) -> PortBytes
  /// The update of one rank's shard.
  func optimizer(_ group: ParameterGroup) -> ComputeTime
}
