// Steps and prices written by hand, in small round numbers, for tests that work out by hand when
// everything ends.

import Fabric
import ModelSpec
import Simulation
import Testing
import Units
import Workload

/// Prices by layer: a test gives each operation a layer of its own.
struct HandCosts: StepCosting {
  var computes: [Int: ComputeTime] = [:]
  var transfers: [Int: TransferTime] = [:]
  var messages: [Distance: MessageTime] = [:]
  var collectives: [OperationKind: Int64] = [:]
  var update = ComputeTime.zero
  var notify: Int64 = 0
  var overlapEfficiency = 1.0

  /// Compute that no transfer slows down.
  init(_ times: [Int64] = []) {
    for (layer, time) in times.enumerated() {
      computes[layer] = ComputeTime(alone: time, besideTransfer: time)
    }
  }

  func compute(_ operation: Operation, pairs: Int, overlapped: Bool) -> ComputeTime {
    computes[Int(operation.layer)] ?? .zero
  }

  /// Without a price of the layer: 10 for a row over the network and 1 for one over NVLink.
  func exchange(_ operation: Operation, network: Int, nvlink: Int) -> TransferTime {
    transfers[Int(operation.layer)]
      ?? TransferTime(whole: Int64(10 * network + nvlink), network: Int64(10 * network))
  }

  func messageBytes(_ operation: Operation) -> Int64 { 1 }
  func collectiveBytes(_ kind: OperationKind, _ group: ParameterGroup?) -> PortBytes { .zero }
  func rowBytes(_ operation: Operation) -> Int { 1 }

  func message(_ operation: Operation, _ distance: Distance) -> MessageTime {
    messages[distance] ?? MessageTime(latency: 0, transfer: 0)
  }

  func collective(_ kind: OperationKind, _ group: ParameterGroup?) -> Int64 {
    collectives[kind] ?? 0
  }

  func optimizer(_ group: ParameterGroup) -> ComputeTime { update }
}

extension TransferTime {
  /// A transfer that keeps the NIC busy all the time.
  static func network(_ time: Int64) -> Self { Self(whole: time, network: time) }
}

/// One pipeline rank's operations, numbered from 0 as they are written.
struct HandProgram {
  var operations: [Operation] = []
  var actions: [ActionClass] = [.forward]
  var groups: [ParameterGroup] = []

  mutating func compute(_ layer: Int, after: [Int] = []) {
    append(.attention, layer: layer, after: after)
  }

  mutating func dispatch(_ layer: Int, after: [Int] = []) {
    append(.dispatch, layer: layer, after: after)
  }

  mutating func send(_ message: Int, to peer: Int, after: [Int] = []) {
    append(.send, microbatch: message, peer: peer, after: after)
  }

  mutating func receive(_ message: Int, from peer: Int) {
    append(.receive, microbatch: message, peer: peer, after: [])
  }

  private mutating func append(
    _ kind: OperationKind, layer: Int = -1, microbatch: Int = 0, peer: Int = -1, after: [Int]
  ) {
    operations.append(
      Operation(
        kind: kind, pass: .forward, layer: layer, stage: 0, microbatch: microbatch,
        action: actions.count - 1, peer: peer, after: Dependencies(after)))
  }
}

/// Simulates hand-written programs on `data` data ranks in full and keeps everything that happened.
func simulate(
  _ programs: [HandProgram], data: Int = 1, gpusPerNode: Int = 1, _ costs: HandCosts,
  rows: RoutedRows? = nil, faults: Faults = Faults(), nodesPerLeaf: Int = 32
) throws -> HandOutcome {
  let layout = Layout(
    pipeline: programs.count, data: data, expert: data, gpusPerNode: gpusPerNode)
  let nodes = ExchangeGeometry(layout, groupOf: 0).nodes
  let none = RoutedRows(
    toNode: [Int32](repeating: 0, count: nodes), toRank: [Int32](repeating: 0, count: data),
    pairs: [Int32](repeating: 0, count: data))
  let workload = Workload(
    layout: layout,
    shape: StepShape(
      sequenceLength: 1, sequences: 1, microbatches: 1, layers: 10, mtpDepth: 0, routedExperts: 8,
      expertsPerToken: 1),
    programs: programs.map {
      Program(operations: $0.operations, groups: $0.groups, actions: $0.actions)
    },
    routing: .balanced(Array(repeating: rows ?? none, count: 10)))
  var cluster = try #require(ClusterPreset.named("h800")).spec
  cluster.faults = faults
  cluster.network.nodesPerLeaf = nodesPerLeaf
  return HandOutcome(
    step: simulateStep(
      workload, costs: costs, cluster: cluster, isFolded: false, tracedRanks: nil))
}

struct HandOutcome {
  var step: StepOutcome
  var end: Int64 { step.end.picoseconds }

  /// When operation `number` of a world rank ran, as the event it is part of.
  func times(_ rank: Int, _ number: Int) throws -> [Int64] {
    let stream = step.workload.programs[step.workload.layout.pipelineRank(of: rank)]
      .operations[number].stream
    let event = try #require(
      step.timeline.events.first {
        $0.worldRank == rank && $0.stream == stream && $0.operations.contains(number)
      })
    return [event.start.picoseconds, event.end.picoseconds]
  }
}
