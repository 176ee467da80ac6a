// The hyper-parameter schedules of section 4.2 of the report as functions of the share of the
// run's tokens that is already consumed, so that a run of any length goes through all of them.
internal import Glibc
package import ModelSpec

/// Marks of the report's run, as shares of its 14.8T tokens.
package enum ReportSchedule {
  private static let tokens = 14.8e12
  /// Up to here the batch grows: the first 469B tokens.
  package static let batchRampEnd = 469e9 / tokens
  /// The batch starts with 3072 of 15360 sequences.
  package static let batchRampStart = 3072.0 / 15360.0
  /// Up to here the learning rate is at its peak: 10T tokens.
  package static let cosineStart = 10e12 / tokens
  /// The cosine takes 4.3T tokens …
  package static let cosineEnd = 14.3e12 / tokens
  /// … and ends at 2.2e-5 from 2.2e-4; that stays for 333B tokens …
  package static let firstTail = 2.2e-5 / 2.2e-4
  package static let secondTailStart = 14.633e12 / tokens
  /// … and the last 167B are trained with 7.3e-6.
  package static let secondTail = 7.3e-6 / 2.2e-4

  /// Learning rate over its peak, at a share of the tokens in 0 ... 1; warm-up not included.
  package static func learningRateFactor(at share: Double) -> Double {
    if share < cosineStart { return 1 }
    if share >= secondTailStart { return secondTail }
    if share >= cosineEnd { return firstTail }
    let progress = (share - cosineStart) / (cosineEnd - cosineStart)
    return firstTail + (1 - firstTail) * (1 + cos(.pi * progress)) / 2
  }

  /// Batch over the full batch, at a share of the tokens in 0 ... 1: linear in the tokens.
  package static func batchFactor(at share: Double) -> Double {
    let progress = min(1, share / batchRampEnd)
    return batchRampStart + (1 - batchRampStart) * progress
  }
}

extension TrainingPlan {
  /// Learning rate of a step. Warm-up is counted in steps, the first of which already moves:
  /// step 0 has 1/warmupSteps of the rate, step warmupSteps − 1 all of it.
  /// - Parameter share: of the run's tokens, consumed before the step.
  package func learningRate(step: Int, share: Double) -> Double {
    let warmup = step < warmupSteps ? Double(step + 1) / Double(warmupSteps) : 1
    switch learningRateSchedule {
    case .constant: return learningRate * warmup
    case .report: return learningRate * warmup * ReportSchedule.learningRateFactor(at: share)
    }
  }

  /// γ, by which an expert's bias moves after a step at `share` of the run's tokens.
  package func biasUpdateSpeed(share: Double) -> Double {
    share < biasUpdateUntil ? biasUpdateSpeed : 0
  }

  /// λ, the weight of the MTP loss in a step at `share` of the run's tokens.
  package func mtpWeight(share: Double) -> Double {
    share < mtpWeightSwitch ? mtpWeight : mtpWeightLate
  }

  /// Micro-batches for each data rank in a step at `share` of the run's tokens: a multiple of
  /// `granularity`, the nearest to the schedule's batch, from `minimum` to `microBatches`.
  /// - Parameters:
  ///   - granularity: micro-batches come in multiples of it, 2 for a schedule of two directions.
  ///   - minimum: the fewest that the pipeline schedule can run; a multiple of `granularity`.
  package func microBatches(share: Double, granularity: Int, minimum: Int) -> Int {
    guard batchSchedule == .report else { return microBatches }
    let wanted = Double(microBatches) * ReportSchedule.batchFactor(at: share)
    let rounded = Int((wanted / Double(granularity)).rounded()) * granularity
    return min(microBatches, max(minimum, rounded))
  }
}
