// ZB-H2 (Qi et al. 2023, "Zero Bubble Pipeline Parallelism", arXiv 2401.10241, section 2.3 and
// figure 3): 1F1B with about twice the forwards before the first backward, and the weight halves
// put off so that they fill the end. One stage per rank.

extension Schedule {
  /// ZB-H2: min(m, 2 (P − r) − 1) forwards on rank r, then the input half of a backward, the weight
  /// half of an earlier one, and a forward in turn. No idle time within a rank's span when
  /// F = I = W and there are at least 2P − 1 micro-batches.
  ///
  /// The weight halves of rank r follow 2r backwards late, so that 2P − 1 activations are held to
  /// `W` on every rank. With fewer than 2P − 1 micro-batches the pipe cannot be filled that far and
  /// the delay is less, down to the r of ZB1P at m = P.
  ///
  /// - Throws: `ScheduleError` of rule `shape` unless both numbers are at least 1.
  package static func zeroBubbleH2(ranks: Int, microbatches: Int) throws(ScheduleError) -> Schedule
  {
    try MicrobatchRule.any.check("ZB-H2", ranks: ranks, microbatches: microbatches)
    var actions: [[Action]] = []
    for rank in 0..<ranks {
      let cells = (0..<microbatches).map { Cell(stage: rank, microbatch: $0) }
      let warmUp = min(microbatches, 2 * (ranks - rank) - 1)
      let delay = min(2 * rank, rank + max(0, microbatches - ranks))
      var list = cells[..<warmUp].map { Action.forward($0) }
      for (step, cell) in cells.enumerated() {
        list.append(.backwardInput(cell))
        if step >= delay { list.append(.backwardWeight(cells[step - delay])) }
        if warmUp + step < microbatches { list.append(.forward(cells[warmUp + step])) }
      }
      list += cells[max(0, microbatches - delay)...].map { .backwardWeight($0) }
      actions.append(list)
    }
    return try Schedule(
      name: "zb-h2", stages: ranks, microbatches: microbatches, actions: actions)
  }
}
