// DualPipeV (deepseek-ai/DualPipe@3da1bbe, dualpipe/dualpipev.py; sail-sg's "cut-in-half"):
// DualPipe folded in the middle. Micro-batches go down through the ranks and up again, so that each
// stage is on one rank only and the parameters are held once.

extension Schedule {
  /// DualPipeV. Rank r holds stages r and 2P − 1 − r of 2P. Holds at most 2P + 1 half-rank
  /// activations.
  ///
  /// - Throws: `ScheduleError` of rule `shape` unless `microbatches` is at least 2 × `ranks`.
  package static func dualpipeV(ranks: Int, microbatches: Int) throws(ScheduleError) -> Schedule {
    let rule = MicrobatchRule.dualpipeV(ranks: ranks)
    guard ranks >= 1, rule.allows(microbatches) else {
      throw ScheduleError(
        .shape,
        "DualPipeV needs at least 1 rank and at least 2 × ranks micro-batches: "
          + "got \(ranks) ranks and \(microbatches) micro-batches")
    }
    try rule.check("DualPipeV", ranks: ranks, microbatches: microbatches, stagesPerRank: 2)
    let actions = (0..<ranks).map { rank in
      var phases = DualPipePhases(
        half: ranks, distance: rank, count: microbatches,
        own: DualPipePhases.Lane(stage: rank, firstMicrobatch: 0),
        other: DualPipePhases.Lane(stage: 2 * ranks - 1 - rank, firstMicrobatch: 0))
      return phases.run()
    }
    return try Schedule(
      name: "dualpipev", stages: 2 * ranks, microbatches: microbatches, actions: actions)
  }
}

extension MicrobatchRule {
  /// The folded pipe at least filled.
  static func dualpipeV(ranks: Int) -> MicrobatchRule {
    MicrobatchRule(minimum: 2 * min(max(ranks, 1), Schedule.largestCellCount), multiple: 1)
  }
}
