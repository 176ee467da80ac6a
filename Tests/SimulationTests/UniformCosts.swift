// Prices for tests: each chunk's forward, input half and weight half take the given times, on the
// first layer's attention; nothing else takes any.

import Simulation
import Workload

struct UniformCosts: StepCosting {
  var forward: Int64
  var input: Int64
  var weight: Int64
  /// First layer of each stage.
  var firstLayers: Set<Int>

  func compute(_ operation: Operation, pairs: Int, overlapped: Bool) -> ComputeTime {
    guard operation.kind == .attention, firstLayers.contains(Int(operation.layer)) else {
      return .zero
    }
    let time =
      switch operation.pass {
      case .forward: forward
      case .input: input
      case .weight: weight
      case .update: Int64(0)
      }
    return ComputeTime(alone: time, besideTransfer: time)
  }

  func exchange(_ operation: Operation, network: Int, nvlink: Int) -> TransferTime {
    TransferTime(whole: 0, network: 0)
  }

  func rowBytes(_ operation: Operation) -> Int { 1 }
  var notify: Int64 { 0 }
  var overlapEfficiency: Double { 1 }
  func message(_ operation: Operation, _ distance: Distance) -> MessageTime {
    MessageTime(latency: 0, transfer: 0)
  }
  func messageBytes(_ operation: Operation) -> Int64 { 0 }
  func collective(_ kind: OperationKind, _ group: ParameterGroup?) -> Int64 { 0 }
  func collectiveBytes(_ kind: OperationKind, _ group: ParameterGroup?) -> PortBytes { .zero }
  func optimizer(_ group: ParameterGroup) -> ComputeTime { .zero }
}
