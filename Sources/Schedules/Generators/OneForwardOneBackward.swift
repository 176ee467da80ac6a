// 1F1B, the schedule of PipeDream-Flush (Narayanan et al. 2021, arXiv 2006.09503, section 3.2) as
// Megatron-LM and torch.distributed.pipelining's Schedule1F1B run it. One stage per rank.

extension Schedule {
  /// 1F1B: min(m, P − rank) forwards, then backward and forward in turn, then the backwards left.
  /// Holds at most P − rank activations.
  ///
  /// - Throws: `ScheduleError` of rule `shape` unless both numbers are at least 1.
  package static func oneForwardOneBackward(ranks: Int, microbatches: Int)
    throws(ScheduleError) -> Schedule
  {
    try MicrobatchRule.any.check("1F1B", ranks: ranks, microbatches: microbatches)
    var actions: [[Action]] = []
    for rank in 0..<ranks {
      let warmUp = min(microbatches, ranks - rank)
      var list = (0..<warmUp).map { Action.forward(Cell(stage: rank, microbatch: $0)) }
      for microbatch in 0..<microbatches {
        list.append(.backward(Cell(stage: rank, microbatch: microbatch)))
        let following = microbatch + warmUp
        if following < microbatches {
          list.append(.forward(Cell(stage: rank, microbatch: following)))
        }
      }
      actions.append(list)
    }
    return try Schedule(
      name: "1f1b", stages: ranks, microbatches: microbatches, actions: actions)
  }
}
