// Prices for tests of traces and pictures: simple numbers, different for every kind of operation,
// so that every stream has something to show.

import Fabric
import ModelSpec
import Schedules
import Simulation
import Testing
import Units
import Workload

struct TraceCosts: StepCosting {
  /// Picoseconds that need all six digits of microseconds, and nanoseconds to round.
  var unit: Int64 = 1_234_567

  func compute(_ operation: Operation, pairs: Int, overlapped: Bool) -> ComputeTime {
    let parts: Int64 =
      switch operation.kind {
      case .attention: 12
      case .routedExperts: 4 + Int64(pairs) / 4
      case .router: 1
      case .head: 9
      default: 5
      }
    let time = parts * unit * (operation.pass == .input ? 2 : 1)
    return ComputeTime(alone: time, besideTransfer: time * 6 / 5)
  }

  func exchange(_ operation: Operation, network: Int, nvlink: Int) -> TransferTime {
    let rows = Int64(network + nvlink)
    let time = unit * (operation.kind == .combine ? 2 : 1) * (2 + rows / 3)
    return TransferTime(whole: time, network: time / 2)
  }

  func rowBytes(_ operation: Operation) -> Int { operation.kind == .combine ? 2000 : 1000 }
  var notify: Int64 { unit }
  var overlapEfficiency: Double { 0.75 }
  func message(_ operation: Operation, _ distance: Distance) -> MessageTime {
    MessageTime(latency: unit, transfer: distance == .sameNode ? unit : 3 * unit)
  }
  func messageBytes(_ operation: Operation) -> Int64 { Int64(operation.tokens) * 2000 }
  func collective(_ kind: OperationKind, _ group: ParameterGroup?) -> Int64 {
    kind == .allReduce ? unit : 10 * unit
  }
  func collectiveBytes(_ kind: OperationKind, _ group: ParameterGroup?) -> PortBytes {
    PortBytes(network: Int64(group?.elements ?? 0), nvlink: 0)
  }
  func optimizer(_ group: ParameterGroup) -> ComputeTime {
    ComputeTime(alone: 7 * unit, besideTransfer: 7 * unit)
  }

  /// DualPipe on 4 pipeline and 4 data ranks, experts over 4 ranks on 2 nodes. The links are slow,
  /// so that few bytes keep them busy.
  static func outcome(
    tracedRanks: Set<Int>? = nil, microbatches: Int = 8
  ) throws -> StepOutcome {
    let spec = FormulaTests.model(layers: 4)
    let layout = Layout(pipeline: 4, data: 4, expert: 4, gpusPerNode: 2)
    let builder = WorkloadBuilder(
      spec: spec, layout: layout,
      plan: try SchedulePlan(lowering: .dualpipe(ranks: 4, microbatches: microbatches)),
      stages: (0..<4).map { $0..<$0 + 1 }, sequenceLength: 8, sequences: 1)
    let shape = StepShape(
      spec, sequenceLength: 8, sequences: 1, microbatches: microbatches)
    let routing = SampledRouting(spec: spec, layout: layout, shape: shape, seed: 1, skew: 0.5)
    var cluster = try #require(ClusterPreset.named("h800")).spec
    cluster.network.nic = Bandwidth(gigabytesPerSecond: 2)
    cluster.node.nvlink = Bandwidth(gigabytesPerSecond: 4)
    return simulateStep(
      builder.build(routing: .sampled(routing)), costs: TraceCosts(), cluster: cluster,
      isFolded: false, tracedRanks: tracedRanks)
  }
}
