// From a workload and a cluster to a report: prices, engine, memory and links, wired in one place.

package import Fabric
internal import ModelSpec
internal import Schedules
internal import Units
package import Workload

/// One step on one cluster.
package struct StepSimulation: Sendable {
  private let workload: Workload
  private let charged: ChargedStep
  private let cluster: ClusterSpec
  private let memory: MemoryModel?

  /// - Parameters:
  ///   - memory: of the charged model under the schedule; nil where the schedule isn't known.
  package init(
    _ workload: Workload, charged: ChargedStep, cluster: ClusterSpec, memory: MemoryModel?
  ) {
    self.workload = workload
    self.charged = charged
    self.cluster = cluster
    self.memory = memory
  }

  /// Why one data rank can't stand for all; nil when it can.
  package var obstacleToFolding: String? {
    switch workload.routing {
    case .sampled: "routing is sampled, and differs from rank to rank"
    case .recorded: "routing is recorded, and differs from rank to rank"
    case .none, .balanced:
      if cluster.faults != Faults() {
        "a GPU or NIC differs from the others"
      } else if !messagesGoEquallyFar {
        "messages stay within a node for some data ranks and leave it, or its leaf, for others"
      } else {
        nil
      }
    }
  }

  private var messagesGoEquallyFar: Bool {
    let places = RankPlaces(workload.layout, network: cluster.network, isFolded: false)
    return sends.keys.allSatisfy { pair in
      let distances = (0..<workload.layout.data).map { data in
        places.distance(
          pair.from * workload.layout.data + data, pair.to * workload.layout.data + data)
      }
      return distances.allSatisfy { $0 == distances[0] }
    }
  }

  private struct RankPair: Hashable {
    var from: Int
    var to: Int
  }

  /// By pipeline ranks at its ends, how often a data rank sends a message.
  private var sends: [RankPair: [Operation]] {
    var sends: [RankPair: [Operation]] = [:]
    for (rank, program) in workload.programs.enumerated() {
      for operation in program.operations where operation.kind == .send {
        sends[RankPair(from: rank, to: Int(operation.peer)), default: []].append(operation)
      }
    }
    return sends
  }

  /// Runs the engine.
  ///
  /// - Parameters:
  ///   - isFolded: one data rank stands for all; there must be no `obstacleToFolding`.
  ///   - tracedRanks: world ranks whose timeline is kept; nil for all.
  ///   - progress: hears now and then which share is done.
  package func run(
    isFolded: Bool = false, tracedRanks: Set<Int>? = [],
    progress: (Double) -> Void = { _ in }
  ) -> (report: StepReport, outcome: StepOutcome) {
    precondition(!isFolded || obstacleToFolding == nil, "folding was asked for where it is wrong")
    let costs = ClusterCosts(charged, layout: workload.layout, cluster: cluster)
    let outcome = simulateStep(
      workload, costs: costs, cluster: cluster, isFolded: isFolded, tracedRanks: tracedRanks,
      progress: progress)
    return (report(outcome, costs), outcome)
  }

  private func report(_ outcome: StepOutcome, _ costs: ClusterCosts) -> StepReport {
    var report = StepReport()
    report.step = outcome.end.sinceStart
    report.ranks = workload.layout.worldSize
    report.tokens = charged.tokens * workload.shape.microbatches * workload.layout.data
    report.flopsPerTokenCausal = charged.flopsPerToken(causal: true)
    report.flopsPerTokenNonCausal = charged.flopsPerToken(causal: false)
    report.peak = cluster.gpu.peakBF16
    let critical =
      outcome.spent.indices.min {
        outcome.spent[$0].bubble < outcome.spent[$1].bubble
      } ?? 0
    report.criticalRank = Int(outcome.places.worldRank[critical])
    fill(&report, outcome.spent[critical])
    report.chunks = chunks(outcome, dataRank: critical % outcome.places.dataRanks)
    report.links = links(outcome, costs)
    if let memory {
      report.memory = memory.fullest.bytes
      report.warnings += memory.overcommitment(of: cluster.gpu.memory).map { [$0] } ?? []
    }
    report.operations =
      workload.programs.reduce(0) { $0 + $1.operations.count } * outcome.places.dataRanks
    if outcome.places.isFolded {
      report.folding =
        "one data rank of each pipeline rank stands for \(workload.layout.data) identical ones"
    }
    report.exposures = outcome.exposures
    return report
  }

  private func fill(_ report: inout StepReport, _ spent: TimeSpent) {
    func time(_ picoseconds: Int64) -> VirtualDuration {
      VirtualDuration(picoseconds: picoseconds)
    }
    report.breakdown.forwardOnly = time(spent[.forward])
    report.breakdown.backwardOnly = time(spent[.backward] + spent[.input])
    report.breakdown.weightOnly = time(spent[.weight])
    report.breakdown.overlapped = time(spent[.overlapped])
    report.breakdown.optimizer = time(spent.optimizer)
    report.breakdown.bubble = time(spent.bubble)
    report.exposed = time(spent.exposed + spent.exposedCollectives)
  }

  /// Mean times of the actions of one data rank's pipeline.
  private func chunks(_ outcome: StepOutcome, dataRank: Int) -> StepReport.ChunkTimes {
    func mean(_ action: ActionClass) -> VirtualDuration? {
      let count = workload.programs.reduce(0) { $0 + $1.actions.count { $0 == action } }
      guard count > 0 else { return nil }
      let sum = workload.programs.indices.reduce(0) {
        $0 + outcome.spent[$1 * outcome.places.dataRanks + dataRank][action]
      }
      return VirtualDuration(picoseconds: sum / Int64(count))
    }
    return StepReport.ChunkTimes(
      forward: mean(.forward), backward: mean(.backward), input: mean(.input),
      weight: mean(.weight), overlapped: mean(.overlapped))
  }

  /// Bytes of all ranks: exchanges as the engine moved them, messages and collectives by count.
  private func links(_ outcome: StepOutcome, _ costs: ClusterCosts) -> StepReport.Links {
    let layout = workload.layout
    // A simulated data rank stands for so many; a folded one's exchanges are its whole group's.
    let copies = Int64(layout.data / (outcome.places.isFolded ? layout.expert : layout.data))
    var network = outcome.traffic.network * copies
    var nvlink = outcome.traffic.nvlink * copies
    for (pair, operations) in sends {
      let bytes = operations.reduce(0) { $0 + costs.messageBytes($1) }
      let inNode = (0..<layout.data).count {
        layout.node(of: layout.worldRank(pipeline: pair.from, data: $0))
          == layout.node(of: layout.worldRank(pipeline: pair.to, data: $0))
      }
      nvlink += bytes * Int64(inNode)
      network += bytes * Int64(layout.data - inNode)
    }
    for program in workload.programs {
      for operation in program.operations
      where operation.kind == .reduceScatter || operation.kind == .allGather {
        let bytes = costs.collectiveBytes(
          operation.kind, program.groups[Int(operation.tokens)])
        network += bytes.network * Int64(layout.data)
        nvlink += bytes.nvlink * Int64(layout.data)
      }
    }
    var links = StepReport.Links()
    links.nvlinkBytes = nvlink
    links.infinibandBytes = network
    let portSeconds = outcome.end.sinceStart.seconds * Double(layout.worldSize)
    if portSeconds > 0 {
      links.nvlinkUtilisation =
        Double(nvlink) / (cluster.node.nvlink.bytesPerSecond * portSeconds)
      links.infinibandUtilisation =
        Double(network) / (cluster.network.nic.bytesPerSecond * portSeconds)
    }
    return links
  }
}
