// Random small steps: schedules, layouts, models, prices, routing and slow GPUs, all from a seed.

import Fabric
import ModelSpec
import Schedules
import Simulation
import Units
import Workload

/// SplitMix64.
struct SeededRandom: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var word = state
    word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
    return word ^ (word >> 31)
  }
}

/// Prices that follow from a seed and what is priced, up to a millionth of a second.
struct RandomCosts: StepCosting {
  let seed: UInt64
  let notify: Int64
  let overlapEfficiency: Double

  init(_ random: inout SeededRandom) {
    seed = random.next()
    notify = Int64.random(in: 0...20_000, using: &random)
    overlapEfficiency = Double.random(in: 0.3...1, using: &random)
  }

  private func random(_ words: [Int]) -> SeededRandom {
    var state = seed
    for word in words {
      var mixed = SeededRandom(state: state ^ UInt64(bitPattern: Int64(word)))
      state = mixed.next()
    }
    return SeededRandom(state: state)
  }

  private func random(_ operation: Operation) -> SeededRandom {
    random([Int(operation.kind.rawValue), Int(operation.pass.rawValue), Int(operation.layer)])
  }

  private func time(_ random: inout SeededRandom) -> ComputeTime {
    // Now and then an operation that takes no time.
    guard Int.random(in: 0..<10, using: &random) > 0 else { return .zero }
    let alone = Int64.random(in: 1000...1_000_000, using: &random)
    let factor = Double.random(in: 1...2, using: &random)
    return ComputeTime(
      alone: alone, besideTransfer: Int64((Double(alone) * factor).rounded()))
  }

  func compute(_ operation: Operation, pairs: Int, overlapped: Bool) -> ComputeTime {
    var random = random(operation)
    var time = time(&random)
    if operation.kind == .routedExperts {
      time.alone += Int64(3000 * pairs)
      time.besideTransfer += Int64(4000 * pairs)
    }
    if overlapped { time.besideTransfer += time.besideTransfer / 4 }
    return time
  }

  func exchange(_ operation: Operation, network: Int, nvlink: Int) -> TransferTime {
    var random = random(operation)
    let network = Int64.random(in: 0...30_000, using: &random) * Int64(network)
    let nvlink = Int64.random(in: 0...10_000, using: &random) * Int64(nvlink)
    let latency = Int64.random(in: 0...10_000, using: &random)
    return TransferTime(whole: max(network, nvlink) + latency, network: network)
  }

  func messageBytes(_ operation: Operation) -> Int64 { 1 }
  func collectiveBytes(_ kind: OperationKind, _ group: ParameterGroup?) -> PortBytes { .zero }
  func rowBytes(_ operation: Operation) -> Int { operation.kind == .dispatch ? 3 : 5 }

  func message(_ operation: Operation, _ distance: Distance) -> MessageTime {
    var random = random([Int(operation.stage), Int(operation.pass.rawValue), distance.rawValue])
    return MessageTime(
      latency: Int64.random(in: 0...20_000, using: &random),
      transfer: Int64.random(in: 0...600_000, using: &random))
  }

  func collective(_ kind: OperationKind, _ group: ParameterGroup?) -> Int64 {
    var random = random(
      [Int(kind.rawValue), group.map { $0.sameExpertPlace ? 1 : 0 } ?? 2]
        + (group?.pipelineRanks ?? []))
    return Int64.random(in: 0...500_000, using: &random)
  }

  func optimizer(_ group: ParameterGroup) -> ComputeTime {
    var random = random(group.pipelineRanks)
    return time(&random)
  }
}

/// One random step with its cluster.
struct RandomStep {
  let workload: Workload
  let costs: RandomCosts
  let cluster: ClusterSpec
  let name: String

  /// - Parameters:
  ///   - isSymmetric: all data ranks alike: as many rows for each expert, whole nodes of data
  ///     ranks, no faults.
  init(seed: Int, isSymmetric: Bool = false) throws {
    var random = SeededRandom(state: UInt64(seed))
    let schedule = Self.schedule(&random)
    let data =
      isSymmetric
      ? [1, 2, 4].randomElement(using: &random) ?? 1 : Int.random(in: 1...4, using: &random)
    let expert =
      (1...data).filter { data % $0 == 0 && 24 % $0 == 0 }.randomElement(using: &random) ?? 1
    let gpusPerNode =
      isSymmetric
      ? [1, 2, 4].filter { data % $0 == 0 }.randomElement(using: &random) ?? 1
      : .random(in: 1...4, using: &random)
    let layout = Layout(
      pipeline: schedule.ranks, data: data, expert: expert, gpusPerNode: gpusPerNode)
    let layers = schedule.stages + Int.random(in: 0...2, using: &random)
    var spec = Self.model(layers: layers, &random)
    // The MTP block sees one token less, which the experts cannot share alike.
    if isSymmetric { spec.mtpDepth = 0 }
    let cuts = [0] + Array(1..<layers).shuffled(using: &random).prefix(schedule.stages - 1).sorted()
    let stages = zip(cuts, cuts.dropFirst() + [layers]).map { $0..<$1 }
    let builder = WorkloadBuilder(
      spec: spec, layout: layout, plan: try SchedulePlan(lowering: schedule), stages: stages,
      sequenceLength: isSymmetric ? 24 : Int.random(in: 4...12, using: &random), sequences: 1)
    var workload = builder.build()
    if workload.routing != .none, !isSymmetric, Bool.random(using: &random) {
      workload.routing = Self.routing(workload, &random)
    }
    self.workload = workload
    costs = RandomCosts(&random)
    var cluster = ClusterPreset.all[0].spec
    cluster.network.nodesPerLeaf = isSymmetric ? 64 : Int.random(in: 1...4, using: &random)
    if !isSymmetric, Bool.random(using: &random) {
      let rank = Int.random(in: 0..<layout.worldSize, using: &random)
      cluster.faults.slowGPUs[rank] = Double.random(in: 0.3...1.5, using: &random)
    }
    self.cluster = cluster
    name = "seed \(seed): \(schedule.name), \(schedule.microbatches) micro-batches, \(layout)"
  }

  private static func schedule(_ random: inout SeededRandom) -> Schedule {
    while true {
      let name = ScheduleCatalog.names.randomElement(using: &random) ?? "1f1b"
      let made = try? ScheduleCatalog.make(
        name: name, ranks: Int.random(in: 1...4, using: &random),
        microbatches: Int.random(in: 1...8, using: &random))
      if let made { return made }
    }
  }

  private static func model(layers: Int, _ random: inout SeededRandom) -> ModelSpec {
    var spec = ModelSpec(
      vocabularySize: 64, hiddenSize: 16, layers: layers,
      denseLayers: Int.random(in: 0...min(2, layers), using: &random), denseIntermediateSize: 32,
      heads: 2, queryCompression: 8, keyValueCompression: 8, nopeHeadDim: 8, ropeHeadDim: 4,
      valueHeadDim: 8, routedExperts: 24, sharedExperts: Int.random(in: 0...1, using: &random),
      expertIntermediateSize: 16, expertsPerToken: 2, expertGroups: 2, groupsPerToken: 2)
    spec.mtpDepth = Int.random(in: 0...1, using: &random)
    return spec
  }

  /// Any rows at all, not only such as tokens could make.
  private static func routing(
    _ workload: Workload, _ random: inout SeededRandom
  ) -> RoutingSource {
    var table = RecordedRouting()
    let layout = workload.layout
    for (rank, program) in workload.programs.enumerated() {
      for operation in program.operations
      where operation.kind == .dispatch && operation.pass == .forward {
        for data in 0..<layout.data {
          let geometry = ExchangeGeometry(
            layout, groupOf: layout.worldRank(pipeline: rank, data: data))
          func rows(_ count: Int) -> [Int32] {
            (0..<count).map { _ in Int32.random(in: 0...9, using: &random) }
          }
          table.rows[
            .init(
              layer: Int(operation.layer), microbatch: Int(operation.microbatch), dataRank: data)
          ] = RoutedRows(
            toNode: rows(geometry.nodes), toRank: rows(geometry.ranks),
            pairs: rows(geometry.ranks))
        }
      }
    }
    return .recorded(table)
  }
}
