// What a step reports: the keys of metrics.jsonl. Keys of the virtual clock are there when somebody
// prices the recorded step; the trainer itself knows no virtual time.

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
  /// Of both, what was on its way to experts: dispatch, and combine's backward.
  package var dispatchBytes = 0
  /// Tensor bytes of the fullest rank at its fullest moment.
  package var memory = CountedMemory()
  /// Most (stage, micro-batch) activations of the fullest rank, held to the end of `B` or `I`.
  package var peakActivations = 0

  /// What the step would have cost on the simulated cluster.
  package var virtual: VirtualFigures?

  package init() {}

  package var tokensPerSecond: Double { wallSeconds > 0 ? Double(tokens) / wallSeconds : 0 }

  /// One line of metrics.jsonl, without the line end. Floats print so that they read back equal.
  package var json: String {
    var fields: [(String, String)] = [
      ("step", "\(step)"), ("tokens", "\(tokens)"), ("loss", "\(loss)"),
      ("mtp_loss", "\(mtpLoss)"), ("balance_loss", "\(balanceLoss)"),
      ("grad_norm", "\(gradientNorm)"), ("learning_rate", "\(learningRate)"),
      ("wall_seconds", "\(wallSeconds)"), ("tokens_per_second", "\(tokensPerSecond)"),
      ("max_expert_load_ratio", "\(maxExpertLoadRatio)"), ("nvlink_bytes", "\(nvlinkBytes)"),
      ("infiniband_bytes", "\(infinibandBytes)"), ("dispatch_bytes", "\(dispatchBytes)"),
      ("peak_memory_bytes", "\(memory.total)"),
      ("memory_bytes", Self.object(memory.fields.map { ($0.name, "\($0.bytes)") })),
      ("emulation_bytes", "\(memory.emulation)"),
      ("peak_activation_bytes", "\(memory.mostActivations)"),
      ("peak_activations", "\(peakActivations)"),
    ]
    fields += virtual?.fields ?? []
    return Self.object(fields)
  }

  private static func object(_ fields: [(String, String)]) -> String {
    "{" + fields.map { "\"\($0)\": \($1)" }.joined(separator: ", ") + "}"
  }
}

/// The virtual clock's figures of one step, as a simulation reports them.
package struct VirtualFigures: Equatable, Sendable {
  package var stepSeconds: Double
  package var tokensPerSecond: Double
  /// Model FLOPs utilisation with causal attention, of the dense BF16 peak.
  package var utilisation: Double
  package var bubbleFraction: Double
  package var exposedCommunicationSeconds: Double

  package init(
    stepSeconds: Double, tokensPerSecond: Double, utilisation: Double, bubbleFraction: Double,
    exposedCommunicationSeconds: Double
  ) {
    self.stepSeconds = stepSeconds
    self.tokensPerSecond = tokensPerSecond
    self.utilisation = utilisation
    self.bubbleFraction = bubbleFraction
    self.exposedCommunicationSeconds = exposedCommunicationSeconds
  }

  /// Keys of metrics.jsonl with their values.
  var fields: [(String, String)] {
    [
      ("virtual_step_seconds", "\(stepSeconds)"),
      ("virtual_tokens_per_second", "\(tokensPerSecond)"), ("mfu", "\(utilisation)"),
      ("bubble_fraction", "\(bubbleFraction)"),
      ("exposed_communication_seconds", "\(exposedCommunicationSeconds)"),
    ]
  }
}
