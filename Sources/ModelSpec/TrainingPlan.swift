// How a model is trained: the hyper-parameters of section 4.2 of the report, scaled by the run's
// length. A plain value; RunConfiguration fills it, Training follows it.

/// Which parameters AdamW's weight decay acts on.
package enum WeightDecayScope: String, Sendable, CaseIterable {
  case all
  /// Not on norm weights (one-dimensional tensors).
  case matrices
}

/// Shape of the learning rate over the run.
package enum LearningRateSchedule: String, Sendable, CaseIterable {
  case constant
  /// Warm-up, constant, cosine, two constant tails, in the report's proportions (section 4.2).
  case report
}

/// Shape of the global batch size over the run.
package enum BatchSchedule: String, Sendable, CaseIterable {
  case constant
  /// From a fifth of the batch to all of it over the first 3.17% of the tokens (469B of 14.8T).
  case report
}

package struct TrainingPlan: Equatable, Sendable {
  package var steps: Int = 150
  /// Positions of a sequence that predict a token.
  package var sequenceLength: Int = 128
  /// Sequences of a micro-batch.
  package var microBatch: Int = 1
  /// Micro-batches of a step for each data rank, both directions together.
  package var microBatches: Int = 16
  package var seed: UInt64 = 1

  package var learningRate: Double = 8e-3
  package var learningRateSchedule: LearningRateSchedule = .report
  package var warmupSteps: Int = 20
  package var batchSchedule: BatchSchedule = .constant
  package var beta1: Double = 0.9
  package var beta2: Double = 0.95
  package var epsilon: Double = 1e-8
  package var weightDecay: Double = 0.1
  package var weightDecayScope: WeightDecayScope = .matrices
  package var clipNorm: Double = 1.0

  /// γ of the auxiliary-loss-free balancing (the report's 0.001, five times faster: a run of 150
  /// steps balances too), and the share of the run after which it is 0 (the report: 0 for the last
  /// 500B of 14.8T tokens).
  package var biasUpdateSpeed: Double = 0.005
  package var biasUpdateUntil: Double = 0.966
  /// α of the sequence-wise balance loss (eq. 17).
  package var balanceLossWeight: Double = 0.0001
  /// λ of the MTP loss before and after `mtpWeightSwitch` (the report: 10T of 14.8T tokens).
  package var mtpWeight: Double = 0.3
  package var mtpWeightLate: Double = 0.1
  package var mtpWeightSwitch: Double = 0.676
  package var mtpConvention: MTPConvention = .released

  /// Formats of products, activations and moments, and what is computed twice.
  package var numerics = Numerics()
  /// Share that the mean of the weights keeps of itself at each step (report section 3.2.3); 0: no
  /// mean is kept.
  package var emaDecay: Double = 0

  package init() {}
}
