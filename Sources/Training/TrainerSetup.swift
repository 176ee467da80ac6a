// Everything a trainer is given: what is trained, where, in which order, on which text. The worker
// fills it from the configuration; tests fill it by hand.

package import MessagePassing
package import ModelSpec
package import Schedules

package struct TrainerSetup {
  package var spec: ModelSpec
  package var layout: Layout
  package var plan: TrainingPlan
  /// Layers of each stage.
  package var stages: [Range<Int>]
  package var route: ExchangeRoute
  /// The schedule for a number of micro-batches, and which numbers it takes.
  package var schedule: (Int) throws -> Schedule
  package var microbatchRule: MicrobatchRule
  package var tokens: TokenStream
  /// Experts are chosen by `BalancedRouting` and not by affinity, for benchmarks.
  package var balancedRouting: Bool

  package init(
    spec: ModelSpec, layout: Layout, plan: TrainingPlan, stages: [Range<Int>],
    route: ExchangeRoute, schedule: @escaping (Int) throws -> Schedule,
    microbatchRule: MicrobatchRule, tokens: TokenStream, balancedRouting: Bool = false
  ) {
    self.spec = spec
    self.layout = layout
    self.plan = plan
    self.stages = stages
    self.route = route
    self.schedule = schedule
    self.microbatchRule = microbatchRule
    self.tokens = tokens
    self.balancedRouting = balancedRouting
  }
}

/// What went wrong while training, with the exit code it deserves.
package enum TrainingError: Error, Equatable, CustomStringConvertible {
  /// Loss or gradient norm is NaN or infinite.
  case notFinite(step: Int, loss: Double, gradientNorm: Double, learningRate: Double)
  /// Ranks that hold the same weights worked with different ones after step `since`, up to `step`.
  case holdersDiffer(step: Int, since: Int, HolderDifference)
  /// The data ranks of a pipeline rank recorded different operations.
  case recordsDiffer(step: Int, pipelineRank: Int)

  package var exitCode: Int32 { 70 }

  package var description: String {
    switch self {
    case .notFinite(let step, let loss, let norm, let rate):
      "step \(step): the loss is \(loss) and the gradient norm \(norm) (learning rate \(rate)): "
        + "lower training.learning_rate, lengthen training.warmup_steps, or lower "
        + "training.clip_norm"
    case .holdersDiffer(let step, let since, let difference):
      "step \(step): \(difference): a fault of a machine's memory or processor, or of dsv3, since "
        + "step \(since)'s comparison; go on from a checkpoint with --resume"
    case .recordsDiffer(let step, let pipelineRank):
      "step \(step): the data ranks of pipeline rank \(pipelineRank) did not all do the same: "
        + "a fault of dsv3"
    }
  }
}
