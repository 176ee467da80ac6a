// All schedules that can be made by name, on equal devices and an equal model. Schedules cut the
// model differently, so times are given for one rank's share of it and divided for each schedule by
// the chunks that it makes of a share; a common unit keeps them whole numbers.

/// The catalog's schedules for one shape, timed alike.
package struct ScheduleComparison: Sendable {
  /// A schedule that can do the shape.
  package struct Result: Sendable {
    package let name: String
    package let schedule: Schedule
    /// In parts of the given times, see `parts`.
    package let analysis: ScheduleAnalysis
    /// Most activations held on a rank, F to B or I, in parts of one rank's share.
    package let peakActivations: Int
    /// The same to the end of W, and weight halves waiting.
    package let peakActivationsToWeight: Int
    package let peakPendingWeights: Int
    /// Stages held by all ranks together, over the stages: 2 where each is held twice.
    package let parameters: Int
  }

  /// A schedule that cannot, and its rule.
  package struct Refusal: Hashable, Sendable {
    package let name: String
    package let reason: String
  }

  package let ranks: Int
  package let microbatches: Int
  /// By makespan, then by name.
  package let results: [Result]
  package let refusals: [Refusal]
  /// Times and activations of `results` count 1 / `parts` of what was given.
  package let parts: Int

  /// Makes, checks and times every schedule of the catalog.
  ///
  /// - Parameter times: uniform, for a rank's whole share of the model.
  /// - Throws: `ScheduleError` of rule `size` when the times are too large for a common unit.
  package init(ranks: Int, microbatches: Int, times: ChunkTimes) throws(ScheduleError) {
    var plans: [(name: String, plan: SchedulePlan)] = []
    var refusals: [Refusal] = []
    for entry in ScheduleCatalog.entries {
      do {
        let schedule = try ScheduleCatalog.make(
          name: entry.name, ranks: ranks, microbatches: microbatches)
        plans.append((entry.name, try SchedulePlan(lowering: schedule)))
      } catch {
        refusals.append(Refusal(name: entry.name, reason: error.message))
      }
    }
    try self.init(
      of: plans, refusals: refusals, ranks: ranks, microbatches: microbatches, times: times)
  }

  /// Times the schedules `plans` alike.
  ///
  /// A schedule with pipes of `stages` on `ranks` ranks does each of its F, I, W and pairs in
  /// ranks / stages of the time given; a transfer takes its whole time, as activations do not
  /// shrink with the chunk. DualPipe and Chimera hold each stage twice; a stage is then still one
  /// rank's share.
  ///
  /// - Parameter times: uniform, for a rank's whole share of the model.
  /// - Throws: `ScheduleError` of rule `size` when the times are too large for a common unit.
  /// - Precondition: all plans are for `ranks` and `microbatches`.
  package init(
    of plans: [(name: String, plan: SchedulePlan)], refusals: [Refusal] = [], ranks: Int,
    microbatches: Int, times: ChunkTimes
  ) throws(ScheduleError) {
    precondition(
      plans.allSatisfy { $0.plan.ranks == ranks && $0.plan.schedule.microbatches == microbatches },
      "schedules are compared on equal ranks and micro-batches")
    self.ranks = ranks
    self.microbatches = microbatches
    self.refusals = refusals
    let parts = plans.reduce(1) { parts, made in
      let stages = made.plan.schedule.stages
      return Self.leastCommonMultiple(parts, stages / Self.commonDivisor(stages, ranks))
    }
    self.parts = parts
    var results: [Result] = []
    for (name, plan) in plans {
      let share = parts * ranks / plan.schedule.stages
      guard let times = Self.scaled(times, by: share, transferBy: parts) else {
        throw ScheduleError(.size, "the times are too large to compare in \(parts) parts")
      }
      results.append(
        Result(name, plan.schedule, ScheduleAnalysis(of: plan, times: times), share: share))
    }
    self.results = results.sorted {
      ($0.analysis.makespan, $0.name) < ($1.analysis.makespan, $1.name)
    }
  }

  /// Nil where a time would be beyond `ChunkTimes.range`.
  private static func scaled(_ times: ChunkTimes, by share: Int, transferBy parts: Int)
    -> ChunkTimes?
  {
    var fits = true
    func product(_ time: Int, _ factor: Int) -> Int {
      let (value, overflow) = time.multipliedReportingOverflow(by: factor)
      fits = fits && !overflow && ChunkTimes.range.contains(value)
      return fits ? value : 0
    }
    let scaled = ChunkTimes(
      forward: .uniform(product(times.forward[0], share)),
      input: .uniform(product(times.input[0], share)),
      weight: .uniform(product(times.weight[0], share)),
      overlapped: times.overlapped.map { product($0, share) },
      transfer: product(times.transfer, parts))
    return fits ? scaled : nil
  }

  private static func leastCommonMultiple(_ a: Int, _ b: Int) -> Int {
    a / commonDivisor(a, b) * b
  }

  private static func commonDivisor(_ a: Int, _ b: Int) -> Int {
    b == 0 ? a : commonDivisor(b, a % b)
  }
}

extension ScheduleComparison.Result {
  /// - Parameter share: what a chunk is, in the comparison's parts.
  fileprivate init(
    _ name: String, _ schedule: Schedule, _ analysis: ScheduleAnalysis, share: Int
  ) {
    self.name = name
    self.schedule = schedule
    self.analysis = analysis
    peakActivations = (analysis.peakActivations.max() ?? 0) * share
    peakActivationsToWeight = (analysis.peakActivationsToWeight.max() ?? 0) * share
    peakPendingWeights = (analysis.peakPendingWeights.max() ?? 0) * share
    let held = (0..<schedule.ranks).reduce(0) { $0 + schedule.stages(onRank: $1).count }
    parameters = held / schedule.stages
  }
}
