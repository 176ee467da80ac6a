// GPipe (Huang et al. 2019, arXiv 1811.06965, figure 2c): all forwards, then all backwards, both
// in micro-batch order as torch.distributed.pipelining's ScheduleGPipe runs them. One stage per
// rank.

extension Schedule {
  /// GPipe: on every rank F(0..m−1), then B(0..m−1). Holds m activations.
  ///
  /// - Throws: `ScheduleError` of rule `shape` unless both numbers are at least 1.
  package static func gpipe(ranks: Int, microbatches: Int) throws(ScheduleError) -> Schedule {
    try MicrobatchRule.any.check("GPipe", ranks: ranks, microbatches: microbatches)
    var actions: [[Action]] = []
    for rank in 0..<ranks {
      let cells = (0..<microbatches).map { Cell(stage: rank, microbatch: $0) }
      actions.append(cells.map { .forward($0) } + cells.map { .backward($0) })
    }
    return try Schedule(
      name: "gpipe", stages: ranks, microbatches: microbatches, actions: actions)
  }
}
