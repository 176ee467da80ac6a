// What every step of a run uses, worked out before the first one: batch, place in the data, and
// hyper-parameters. Pure arithmetic, so all ranks, and a resumed run, hold the same table.
package import ModelSpec

/// The settings of one step.
package struct StepPlan: Equatable, Sendable {
  /// From 0.
  package var step: Int
  /// Micro-batches for each data rank, both directions together.
  package var microBatches: Int
  /// The step trains on the run's sequences firstSequenceIndex ..< firstSequenceIndex + sequences.
  package var firstSequenceIndex: Int
  /// Sequences of the step over all data ranks.
  package var sequences: Int
  package var learningRate: Double
  /// γ of the bias update after the step.
  package var biasUpdateSpeed: Double
  /// λ of the MTP loss.
  package var mtpWeight: Double
}

/// All steps of a run of `plan.steps` steps.
package struct TrainingProgress: Equatable, Sendable {
  package let steps: [StepPlan]
  /// Sequences and target tokens of the whole run.
  package let totalSequences: Int
  package let totalTokens: Int

  package subscript(step: Int) -> StepPlan {
    precondition(steps.indices.contains(step), "step \(step) of \(steps.count)")
    return steps[step]
  }

  /// - Parameters:
  ///   - dataRanks: ranks that each train on `microBatches` micro-batches of a step.
  ///   - granularity, minimum: see `TrainingPlan.microBatches(share:granularity:minimum:)`; the
  ///     plan's own number of micro-batches must satisfy both.
  package init(plan: TrainingPlan, dataRanks: Int, granularity: Int = 1, minimum: Int = 1) {
    precondition(
      granularity > 0 && plan.microBatches >= max(1, minimum)
        && plan.microBatches % granularity == 0 && minimum % granularity == 0,
      "\(plan.microBatches) micro-batches, in multiples of \(granularity), at least \(minimum)")
    let batches = Self.batches(plan, granularity, minimum)
    let total = batches.reduce(0, +)
    let sequencesPerMicroBatch = dataRanks * plan.microBatch
    var consumed = 0
    steps = batches.enumerated().map { step, microBatches in
      defer { consumed += microBatches }
      let share = Double(consumed) / Double(total)
      return StepPlan(
        step: step,
        microBatches: microBatches,
        firstSequenceIndex: consumed * sequencesPerMicroBatch,
        sequences: microBatches * sequencesPerMicroBatch,
        learningRate: plan.learningRate(step: step, share: share),
        biasUpdateSpeed: plan.biasUpdateSpeed(share: share),
        mtpWeight: plan.mtpWeight(share: share))
    }
    totalSequences = total * sequencesPerMicroBatch
    totalTokens = totalSequences * plan.sequenceLength
  }

  /// Micro-batches of each step. The ramp is a share of the run's tokens, and the run's tokens
  /// depend on the ramp: the more tokens are assumed, the longer the ramp and the fewer come out.
  /// So the smallest assumption that doesn't promise too little is found by bisection; rounding
  /// may leave it a few micro-batches above what comes out.
  private static func batches(
    _ plan: TrainingPlan, _ granularity: Int, _ minimum: Int
  ) -> [Int] {
    func batches(assuming total: Int) -> [Int] {
      var consumed = 0
      return (0..<plan.steps).map { _ in
        let share = Double(consumed) / Double(total)
        let count = plan.microBatches(share: share, granularity: granularity, minimum: minimum)
        consumed += count
        return count
      }
    }
    var low = 1
    var high = max(1, plan.steps * plan.microBatches)
    while low < high {
      let middle = (low + high) / 2
      if batches(assuming: middle).reduce(0, +) <= middle {
        high = middle
      } else {
        low = middle + 1
      }
    }
    return batches(assuming: high)
  }
}
