// What every step of a run uses, a function of its number alone: batch, place in the data, and
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

/// The steps of a run of `plan.steps` steps. Worked out when asked for, so that a run may be of any
/// length; only the steps of the batch ramp are kept.
package struct TrainingProgress: Equatable, Sendable {
  private let plan: TrainingPlan
  private let sequencesPerMicroBatch: Int
  /// Micro-batches of a data rank before each step of the batch ramp, and behind its last one. All
  /// steps that follow have the plan's own number.
  private let ramp: [Int]
  /// Micro-batches of a data rank in the whole run.
  private let total: Int

  /// Steps of the run.
  package var count: Int { plan.steps }
  /// Sequences and target tokens of the whole run.
  package var totalSequences: Int { total * sequencesPerMicroBatch }
  package var totalTokens: Int { totalSequences * plan.sequenceLength }

  /// All steps.
  package var steps: [StepPlan] { (0..<count).map { self[$0] } }

  package subscript(step: Int) -> StepPlan {
    precondition((0..<count).contains(step), "step \(step) of \(count)")
    let consumed = microBatches(before: step)
    let microBatches = microBatches(before: step + 1) - consumed
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

  /// - Parameters:
  ///   - dataRanks: ranks that each train on `microBatches` micro-batches of a step.
  ///   - granularity, minimum: see `TrainingPlan.microBatches(share:granularity:minimum:)`; the
  ///     plan's own number of micro-batches must satisfy both.
  package init(plan: TrainingPlan, dataRanks: Int, granularity: Int = 1, minimum: Int = 1) {
    precondition(
      granularity > 0 && plan.microBatches >= max(1, minimum)
        && plan.microBatches % granularity == 0 && minimum % granularity == 0,
      "\(plan.microBatches) micro-batches, in multiples of \(granularity), at least \(minimum)")
    self.plan = plan
    sequencesPerMicroBatch = dataRanks * plan.microBatch
    ramp = Self.ramp(plan, granularity, minimum)
    total = Self.microBatches(before: plan.steps, plan, ramp)
  }

  /// Sequences of the steps before `step`; all of the run from `count` on.
  package func sequences(before step: Int) -> Int {
    microBatches(before: min(step, count)) * sequencesPerMicroBatch
  }

  private func microBatches(before step: Int) -> Int {
    Self.microBatches(before: step, plan, ramp)
  }

  private static func microBatches(before step: Int, _ plan: TrainingPlan, _ ramp: [Int]) -> Int {
    let last = ramp.count - 1
    return step <= last ? ramp[step] : ramp[last] + (step - last) * plan.microBatches
  }

  /// See `ramp`. The ramp is a share of the run's tokens, and the run's tokens depend on the ramp:
  /// the more tokens are assumed, the longer the ramp and the fewer come out. So the smallest
  /// assumption that doesn't promise too little is found by bisection; rounding may leave it a few
  /// micro-batches above what comes out.
  private static func ramp(_ plan: TrainingPlan, _ granularity: Int, _ minimum: Int) -> [Int] {
    func ramp(assuming total: Int) -> [Int] {
      var consumed = [0]
      // The number only grows with the share: what is full once stays so.
      while consumed.count <= plan.steps {
        let share = Double(consumed[consumed.count - 1]) / Double(total)
        let count = plan.microBatches(share: share, granularity: granularity, minimum: minimum)
        if count == plan.microBatches { break }
        consumed.append(consumed[consumed.count - 1] + count)
      }
      return consumed
    }
    var low = 1
    var high = max(1, plan.steps * plan.microBatches)
    while low < high {
      let middle = (low + high) / 2
      if microBatches(before: plan.steps, plan, ramp(assuming: middle)) <= middle {
        high = middle
      } else {
        low = middle + 1
      }
    }
    return ramp(assuming: high)
  }
}
