// The walk over a schedule's actions against the peaks that the schedules' analysis counts, and
// against a count of its own for every order of a pair.

import ModelSpec
import Schedules
import Simulation
import Testing

@Suite struct MemoryPeakTests {
  static let layout = Layout(pipeline: 1, data: 4, expert: 4, gpusPerNode: 2)

  /// A stage of `layers` equal layers, without head.
  static func stage(layers: Int, _ plan: MemoryPlan) throws -> StageActivations {
    let spec = try ModelPreset.named("dsv3-mini").spec
    let rows = BalancedRows.balanced(spec, layout, tokens: 128)
    return StageActivations(
      layers: 1..<1 + layers,
      BlockActivations(spec: spec, layout: layout, plan: plan, tokens: 128, rows: rows))
  }

  static func peaks(_ schedule: Schedule, _ stage: StageActivations) -> [HeldPeak] {
    (0..<schedule.ranks).map { rank in
      let held = schedule.stages(onRank: rank).map { ($0, stage) }
      return HeldPeak(
        of: schedule.actions[rank], stages: Dictionary(uniqueKeysWithValues: held))
    }
  }

  /// Full backwards, no pairs: a micro-batch is held whole or not at all.
  @Test(arguments: ["gpipe", "1f1b", "interleaved", "chimera"], [2, 4, 8])
  func peaksAreThoseOfTheAnalysisWhenAllStagesAreAlike(_ name: String, _ ranks: Int) throws {
    let schedule = try ScheduleCatalog.make(name: name, ranks: ranks, microbatches: 2 * ranks)
    let analysis = ScheduleAnalysis(of: try SchedulePlan(lowering: schedule))
    let stage = try Self.stage(layers: 2, .plain)
    let peaks = Self.peaks(schedule, stage)
    #expect(peaks.map(\.bytes) == analysis.peakActivations.map { $0 * stage.kept })
    #expect(
      peaks.map { $0.microbatches.values.reduce(0, +) } == analysis.peakActivations)
  }

  /// A pair that begins with n micro-batches, its backward's included, then adds an attention
  /// before it lets go of an MLP: n + attention, where the analysis counts n + 1. The two ranks in
  /// the middle run their first pair one after the other, as there is nothing to wait for
  /// (DualPipe's own source, step 4), and come to n + 1.
  @Test(arguments: [4, 8, 16])
  func thePairsOfDualPipeHoldOneMicrobatchWholeAndTheOtherInPart(_ ranks: Int) throws {
    let schedule = try ScheduleCatalog.make(
      name: "dualpipe", ranks: ranks, microbatches: 4 * ranks)
    let analysis = ScheduleAnalysis(of: try SchedulePlan(lowering: schedule))
    let stage = try Self.stage(layers: 1, .plain)
    let peaks = Self.peaks(schedule, stage)
    for (rank, peak) in peaks.enumerated() {
      let count = analysis.peakActivations[rank]
      #expect(count == ranks + 1)
      let isMiddle = rank == ranks / 2 - 1 || rank == ranks / 2
      let last = isMiddle ? stage.kept : stage.units[0].attention.kept
      #expect(peak.bytes == (count - 1) * stage.kept + last)
      #expect(peak.microbatches.values.reduce(0, +) == count)
    }
  }

  /// The analysis counts a micro-batch between its halves as nothing or as whole; in bytes it is
  /// what its weight half needs.
  @Test(arguments: ["zb1p", "zb-h2", "zb-v", "interleaved-zb", "dualpipev"], [2, 4])
  func splitBackwardsAreBetweenTheirTwoCounts(_ name: String, _ ranks: Int) throws {
    let schedule = try ScheduleCatalog.make(name: name, ranks: ranks, microbatches: 4 * ranks)
    let analysis = ScheduleAnalysis(of: try SchedulePlan(lowering: schedule))
    let stage = try Self.stage(layers: 1, .plain)
    let halves = [stage.units[0].attention, stage.units[0].mlp]
    let most = halves.reduce(0) { $0 + max($1.kept, $1.forwardToWeight + $1.inputToWeight) }
    for (rank, peak) in Self.peaks(schedule, stage).enumerated() {
      #expect(peak.bytes >= (analysis.peakActivations[rank] - 1) * stage.kept)
      #expect(peak.bytes <= analysis.peakActivationsToWeight[rank] * most)
    }
  }

  /// All choices of groups and of experts within them, each as likely as the others.
  @Test(arguments: [(8, 4, 2, 2), (8, 2, 1, 3), (12, 3, 2, 4), (8, 1, 1, 2)])
  func balancedRowsAreTheMeanOverAllChoices(
    experts: Int, groups: Int, perToken: Int, used: Int
  ) throws {
    let groupsUsed = min(used, groups)
    var spec = try ModelPreset.named("dsv3-mini").spec
    spec.routedExperts = experts
    spec.expertGroups = groups
    spec.groupsPerToken = groupsUsed
    spec.expertsPerToken = perToken
    for ranks in [1, 2, 4, experts] where experts % ranks == 0 {
      // Ranks that cut across groups are only estimated.
      let (size, groupSize) = (experts / ranks, experts / groups)
      guard size % groupSize == 0 || groupSize % size == 0 else { continue }
      var (sum, count) = (0, 0)
      for chosen in Self.subsets(of: groups, size: groupsUsed) {
        let open = (0..<experts).filter { chosen.contains($0 / groupSize) }
        for picks in Self.subsets(of: open.count, size: perToken) {
          sum += Set(picks.map { open[$0] / size }).count
          count += 1
        }
      }
      let tokens = 1000
      let layout = Layout(pipeline: 1, data: ranks, expert: ranks, gpusPerNode: 1)
      let rows = BalancedRows.balanced(spec, layout, tokens: tokens)
      let mean = Double(tokens * sum) / Double(count)
      #expect(abs(Double(rows.received) - mean) <= 1.001, "\(ranks) ranks")
      #expect(rows.pairs == tokens * perToken)
      #expect(rows.relayed == (ranks > 1 ? rows.received : 0))
    }
  }

  static func subsets(of count: Int, size: Int) -> [[Int]] {
    (0..<(1 << count)).filter { $0.nonzeroBitCount == size }.map { mask in
      (0..<count).filter { mask >> $0 & 1 == 1 }
    }
  }
}
