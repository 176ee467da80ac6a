// One simulation from a workload and prices to its outcome: times of every rank, before they are
// made into a report.

package import Fabric
package import Units
package import Workload

/// What a simulation of one step found out.
package struct StepOutcome: Sendable {
  package let workload: Workload
  package let cluster: ClusterSpec
  package let places: RankPlaces
  package let end: VirtualInstant
  /// By simulated rank.
  package let spent: [TimeSpent]
  package let timeline: Timeline
  /// The longest waits for exchanges, longest first.
  package let exposures: [Exposure]
  let traffic: LinkTraffic
  /// Events that the engine took.
  package let events: Int

  /// Time on each rank that its compute stream waited for other pipeline ranks, or for the slowest
  /// at the end; by simulated rank.
  package var bubbles: [VirtualDuration] { spent.map { VirtualDuration(picoseconds: $0.bubble) } }
  /// Time on each rank that it computed.
  package var computing: [VirtualDuration] {
    spent.map { VirtualDuration(picoseconds: $0.computing) }
  }
}

/// Simulates `workload` under `costs`.
///
/// - Parameters:
///   - isFolded: one data rank stands for all; the workload's routing must be the same for all.
///   - tracedRanks: world ranks whose events are kept; nil for all.
///   - progress: hears now and then which share is done.
package func simulateStep<Costs: StepCosting>(
  _ workload: Workload, costs: Costs, cluster: ClusterSpec, isFolded: Bool,
  tracedRanks: Set<Int>? = [], progress: (Double) -> Void = { _ in }
) -> StepOutcome {
  let places = RankPlaces(workload.layout, network: cluster.network, isFolded: isFolded)
  let isTraced = tracedRanks?.isEmpty != true
  let recorder = isTraced ? TimelineRecorder(ranks: tracedRanks) : nil
  let engine = StepEngine(
    workload, costs: costs, places: places, faults: cluster.faults, recorder: recorder)
  let end = VirtualInstant(picoseconds: engine.run(progress: progress))
  return StepOutcome(
    workload: workload, cluster: cluster, places: places, end: end,
    spent: (0..<engine.count).map { engine.ranks[$0].spent },
    timeline: Timeline(events: recorder?.events ?? [], end: end),
    exposures: engine.exposures.longest, traffic: engine.traffic, events: engine.events)
}
