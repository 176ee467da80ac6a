// DualPipe (DeepSeek-V3 report, arXiv 2412.19437, section 3.2.1 and figure 5), in the order of
// deepseek-ai/DualPipe@3da1bbe, dualpipe/dualpipe.py `step()`: two pipes against each other over
// the same ranks. DualPipePhases has the phases of a rank.

extension Schedule {
  /// DualPipe. Rank r holds stages r and P − 1 − r. Micro-batches 0..<m/2 enter at rank 0,
  /// m/2..<m at rank P − 1. Holds at most P + 1 activations.
  ///
  /// - Throws: `ScheduleError` of rule `shape` unless `ranks` is even and `microbatches` is even
  ///   and at least 2 × `ranks`.
  package static func dualpipe(ranks: Int, microbatches: Int) throws(ScheduleError) -> Schedule {
    try checkDualPipe(ranks: ranks, microbatches: microbatches)
    let actions = (0..<ranks).map { rank in
      let down = DualPipePhases.Lane(stage: rank, firstMicrobatch: 0)
      let up = DualPipePhases.Lane(stage: ranks - 1 - rank, firstMicrobatch: microbatches / 2)
      let isFirstHalf = rank < ranks / 2
      var phases = DualPipePhases(
        half: ranks / 2, distance: min(rank, ranks - 1 - rank), count: microbatches / 2,
        own: isFirstHalf ? down : up, other: isFirstHalf ? up : down)
      return phases.run()
    }
    return try Schedule(
      name: "dualpipe", stages: ranks, microbatches: microbatches, actions: actions)
  }

  private static func checkDualPipe(ranks: Int, microbatches: Int) throws(ScheduleError) {
    let rule = MicrobatchRule.dualpipe(ranks: ranks)
    guard ranks >= 2, ranks % 2 == 0, rule.allows(microbatches) else {
      throw ScheduleError(
        .shape,
        "DualPipe needs an even number of ranks and at least 2 × ranks micro-batches, "
          + "an even number: got \(ranks) ranks and \(microbatches) micro-batches")
    }
    try rule.check("DualPipe", ranks: ranks, microbatches: microbatches)
  }
}

extension MicrobatchRule {
  /// Two pipes with as many micro-batches each, and each pipe at least filled.
  static func dualpipe(ranks: Int) -> MicrobatchRule {
    MicrobatchRule(minimum: 2 * min(max(ranks, 1), Schedule.largestCellCount), multiple: 2)
  }
}
