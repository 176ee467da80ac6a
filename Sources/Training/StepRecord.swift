// What a step reports: the keys of metrics.jsonl (docs/interface). Keys of the virtual clock are
// absent until something measures them.

/// The figures of one step, the same on every rank but for wall time.
package struct StepRecord: Equatable, Sendable {
  /// 1-based, as printed.
  package var step = 0
  /// Trained tokens of the step.
  package var tokens = 0
  /// Mean cross-entropy of the main model, in nats a token.
  package var loss = 0.0
  package var mtpLoss = 0.0
  /// α-weighted, summed over layers.
  package var balanceLoss = 0.0
  package var gradientNorm = 0.0
  package var learningRate = 0.0
  package var wallSeconds = 0.0
  /// Largest expert's load over the mean of its layer, worst layer; 0 without experts.
  package var maxExpertLoadRatio = 0.0
  /// Token rows over the simulated links, sums over ranks.
  package var nvlinkBytes = 0
  package var infinibandBytes = 0
  /// Tensor bytes of the fullest rank at its fullest moment.
  package var peakMemoryBytes = 0
  /// Most (stage, micro-batch) activations of the fullest rank, held to the end of `B` or `I`.
  package var peakActivations = 0

  package init() {}

  package var tokensPerSecond: Double { wallSeconds > 0 ? Double(tokens) / wallSeconds : 0 }

  /// One line of metrics.jsonl, without the line end. Floats print so that they read back equal.
  package var json: String {
    let fields: [(String, String)] = [
      ("step", "\(step)"), ("tokens", "\(tokens)"), ("loss", "\(loss)"),
      ("mtp_loss", "\(mtpLoss)"), ("balance_loss", "\(balanceLoss)"),
      ("grad_norm", "\(gradientNorm)"), ("learning_rate", "\(learningRate)"),
      ("wall_seconds", "\(wallSeconds)"), ("tokens_per_second", "\(tokensPerSecond)"),
      ("max_expert_load_ratio", "\(maxExpertLoadRatio)"), ("nvlink_bytes", "\(nvlinkBytes)"),
      ("infiniband_bytes", "\(infinibandBytes)"), ("peak_memory_bytes", "\(peakMemoryBytes)"),
      ("peak_activations", "\(peakActivations)"),
    ]
    return "{" + fields.map { "\"\($0)\": \($1)" }.joined(separator: ", ") + "}"
  }
}
