// Interleaved 1F1B (Narayanan et al. 2021, arXiv 2104.04473, section 2.2) and its zero-bubble form,
// as Megatron-LM and torch.distributed.pipelining's ScheduleInterleaved1F1B and
// ScheduleInterleavedZeroBubble run them: rank r holds stages r, r + P, r + 2P, …, and goes round
// by round through its chunks.

extension Schedule {
  /// Interleaved 1F1B: P × `chunks` stages, full backwards. Bubble (P − 1)(F + B) of a chunk's
  /// times.
  ///
  /// - Throws: `ScheduleError` of rule `shape` unless `chunks` is at least 2 and the micro-batches
  ///   divide into max(1, ⌊m / P⌋) rounds.
  package static func interleaved(ranks: Int, microbatches: Int, chunks: Int)
    throws(ScheduleError) -> Schedule
  {
    try checkInterleaved("Interleaved 1F1B", ranks, microbatches, chunks)
    return try makeRounds(
      "interleaved", ranks: ranks, microbatches: microbatches, chunks: chunks, warmUpPerRank: 2,
      splitsBackward: false)
  }

  /// Interleaved zero bubble: split backwards, each rank r puts off the weight halves by r steps.
  ///
  /// - Throws: as `interleaved`.
  package static func interleavedZeroBubble(ranks: Int, microbatches: Int, chunks: Int)
    throws(ScheduleError) -> Schedule
  {
    try checkInterleaved("Interleaved zero bubble", ranks, microbatches, chunks)
    return try makeRounds(
      "interleaved-zb", ranks: ranks, microbatches: microbatches, chunks: chunks,
      warmUpPerRank: 1, splitsBackward: true)
  }

  /// ZB1P, the ZB-H1 of "Zero Bubble Pipeline Parallelism" (Qi et al. 2023, arXiv 2401.10241,
  /// section 2.3): 1F1B with the weight halves put off to where 1F1B waits. One stage per rank;
  /// holds P activations on every rank when they are held to `W`, P − rank when only to `I`.
  ///
  /// - Throws: `ScheduleError` of rule `shape` unless both numbers are at least 1.
  package static func zeroBubbleOnePipe(ranks: Int, microbatches: Int)
    throws(ScheduleError) -> Schedule
  {
    try MicrobatchRule.any.check("ZB1P", ranks: ranks, microbatches: microbatches)
    return try makeRounds(
      "zb1p", ranks: ranks, microbatches: microbatches, chunks: 1, warmUpPerRank: 1,
      splitsBackward: true)
  }

  private static func checkInterleaved(
    _ name: String, _ ranks: Int, _ microbatches: Int, _ chunks: Int
  ) throws(ScheduleError) {
    guard chunks >= 2 else {
      throw ScheduleError(
        .shape,
        "\(name) needs at least 2 chunks of the model on a rank (with one it is 1f1b or zb1p): "
          + "got \(chunks)")
    }
    try MicrobatchRule.rounds(ranks: ranks).check(
      name, ranks: ranks, microbatches: microbatches, stagesPerRank: chunks)
  }

  private static func makeRounds(
    _ name: String, ranks: Int, microbatches: Int, chunks: Int, warmUpPerRank: Int,
    splitsBackward: Bool
  ) throws(ScheduleError) -> Schedule {
    let actions = (0..<ranks).map { rank in
      RoundsRank(
        ranks: ranks, microbatches: microbatches, chunks: chunks, rank: rank,
        warmUpPerRank: warmUpPerRank, splitsBackward: splitsBackward
      ).actions
    }
    return try Schedule(
      name: name, stages: ranks * chunks, microbatches: microbatches, actions: actions)
  }
}

extension MicrobatchRule {
  /// Micro-batches that divide into ⌊m / P⌋ rounds of the same length (at least one).
  static func rounds(ranks: Int) -> MicrobatchRule {
    MicrobatchRule(minimum: 1, multiple: 1, roundsOfAtLeast: max(ranks, 1))
  }
}

/// One rank's list: v × m steps, the n-th forward and the n-th backward both in rounds.
private struct RoundsRank {
  let ranks: Int
  let microbatches: Int
  let chunks: Int
  let rank: Int
  /// Forwards that a rank runs ahead for each rank behind it: 2 with full backwards (there and
  /// back), 1 with split ones.
  let warmUpPerRank: Int
  let splitsBackward: Bool

  private var roundLength: Int { microbatches / max(1, microbatches / ranks) }
  private var steps: Int { chunks * microbatches }
  private var warmUp: Int {
    min(steps, (chunks - 1) * roundLength + warmUpPerRank * (ranks - 1 - rank))
  }
  /// Backwards before the first weight half.
  private var delay: Int { rank }

  var actions: [Action] {
    var list = (0..<warmUp).map { Action.forward(cell($0, reversed: false)) }
    for step in 0..<steps {
      if warmUp + step < steps { list.append(.forward(cell(warmUp + step, reversed: false))) }
      let back = cell(step, reversed: true)
      list.append(splitsBackward ? .backwardInput(back) : .backward(back))
      if splitsBackward, step >= delay {
        list.append(.backwardWeight(cell(step - delay, reversed: true)))
      }
    }
    if splitsBackward {
      for step in max(0, steps - delay)..<steps {
        list.append(.backwardWeight(cell(step, reversed: true)))
      }
    }
    return list
  }

  /// The cell of the rank's `step`-th forward, or backward, where chunks come last first.
  private func cell(_ step: Int, reversed: Bool) -> Cell {
    let (turn, within) = step.quotientAndRemainder(dividingBy: roundLength)
    let (round, place) = turn.quotientAndRemainder(dividingBy: chunks)
    let chunk = reversed ? chunks - 1 - place : place
    return Cell(stage: chunk * ranks + rank, microbatch: round * roundLength + within)
  }
}
