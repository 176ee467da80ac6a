// Why a step takes as long as it does: the chain of actions, each beginning when the one before it
// ends or its value arrives, from the beginning of the step to its end.

extension ScheduleAnalysis {
  /// One action of the chain.
  package struct Step: Hashable, Sendable {
    package let rank: Int
    /// Into the schedule's list of that rank.
    package let index: Int
  }

  /// The chain to the end of the step, in order of time. Of the ends that make an action start
  /// when it does, that of the rank's own action before it comes first, then inputs in their order;
  /// of the last ends, the lowest rank's. O(actions).
  package func criticalPath(of schedule: Schedule, times: ChunkTimes) -> [Step] {
    let makers = makers(of: schedule)
    guard let last = spans.firstIndex(where: { $0.last?.end == makespan }) else { return [] }
    var path = [Step(rank: last, index: spans[last].count - 1)]
    while let step = path.last, spans[step.rank][step.index].start > 0 {
      guard let cause = cause(of: step, in: schedule, times, makers) else { break }
      path.append(cause)
    }
    return path.reversed()
  }

  private func cause(
    of step: Step, in schedule: Schedule, _ times: ChunkTimes, _ makers: [Step?]
  ) -> Step? {
    let start = spans[step.rank][step.index].start
    if step.index > 0, spans[step.rank][step.index - 1].end == start {
      return Step(rank: step.rank, index: step.index - 1)
    }
    for input in schedule.inputs(of: schedule.actions[step.rank][step.index]) {
      guard let maker = makers[schedule.tag(of: input)] else { continue }
      let transfer = maker.rank == step.rank ? 0 : times.transfer
      if spans[maker.rank][maker.index].end + transfer == start { return maker }
    }
    return nil
  }

  /// By message tag, the action that makes the value.
  private func makers(of schedule: Schedule) -> [Step?] {
    var makers = [Step?](repeating: nil, count: 2 * schedule.stages * schedule.microbatches)
    for (rank, list) in schedule.actions.enumerated() {
      for (index, action) in list.enumerated() {
        let step = Step(rank: rank, index: index)
        if let cell = action.forwarded {
          makers[schedule.tag(of: Message(payload: .activation, source: cell))] = step
        }
        if let cell = action.backwarded {
          makers[schedule.tag(of: Message(payload: .gradient, source: cell))] = step
        }
      }
    }
    return makers
  }
}
