// A line of metrics.jsonl as it is read back: all figures of a step. What a step always has must be
// there; what came with a later version, or only with the virtual clock, may be missing.

package import JSON

/// The figures of one step.
package struct StepMetrics: Equatable, Sendable {
  package var step: Int
  /// Trained tokens of the step.
  package var tokens: Int
  /// Nats a token, of the main model.
  package var loss: Double
  /// By the wall clock, without pricing and checkpoints.
  package var wallSeconds: Double
  package var mtpLoss: Double?
  package var balanceLoss: Double?
  package var gradientNorm: Double?
  package var learningRate: Double?
  package var tokensPerSecond: Double
  /// Largest expert's load over its layer's mean, worst layer.
  package var maxExpertLoadRatio: Double?
  /// Token rows over the simulated links, sums over ranks.
  package var nvlinkBytes: Int?
  package var infinibandBytes: Int?
  package var dispatchBytes: Int?
  /// Tensor bytes of the fullest rank at its fullest moment, and what they are for.
  package var peakMemoryBytes: Int?
  package var memory: MemoryFigures?
  package var emulationBytes: Int?
  package var peakActivationBytes: Int?
  package var peakActivations: Int?
  /// What the step would have cost on the simulated cluster; nil without the virtual clock.
  package var virtual: VirtualStepFigures?

  package init(step: Int, tokens: Int, loss: Double, wallSeconds: Double) {
    self.step = step
    self.tokens = tokens
    self.loss = loss
    self.wallSeconds = wallSeconds
    tokensPerSecond = wallSeconds > 0 ? Double(tokens) / wallSeconds : 0
  }
}

/// `memory_bytes` of metrics.jsonl.
package struct MemoryFigures: Equatable, Sendable, Decodable {
  package var parameters: Int
  package var gradients: Int
  package var optimizer: Int
  package var activations: Int
  package var buffers: Int
  package var total: Int

  package init(
    parameters: Int, gradients: Int, optimizer: Int, activations: Int, buffers: Int
  ) {
    self.parameters = parameters
    self.gradients = gradients
    self.optimizer = optimizer
    self.activations = activations
    self.buffers = buffers
    total = parameters + gradients + optimizer + activations + buffers
  }

  /// What `total` is made of.
  package var categories: [(name: String, bytes: Int)] {
    [
      ("parameters", parameters), ("gradients", gradients), ("optimizer", optimizer),
      ("activations", activations), ("buffers", buffers),
    ]
  }
}

/// The virtual clock's figures of one step.
package struct VirtualStepFigures: Equatable, Sendable, Decodable {
  package var stepSeconds: Double
  package var tokensPerSecond: Double
  /// Model FLOPs utilisation with causal attention.
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

  private enum CodingKeys: String, CodingKey {
    case stepSeconds = "virtual_step_seconds"
    case tokensPerSecond = "virtual_tokens_per_second"
    case utilisation = "mfu"
    case bubbleFraction = "bubble_fraction"
    case exposedCommunicationSeconds = "exposed_communication_seconds"
  }
}

extension StepMetrics: Decodable {
  private enum CodingKeys: String, CodingKey {
    case step, tokens, loss
    case wallSeconds = "wall_seconds"
    case mtpLoss = "mtp_loss"
    case balanceLoss = "balance_loss"
    case gradientNorm = "grad_norm"
    case learningRate = "learning_rate"
    case tokensPerSecond = "tokens_per_second"
    case maxExpertLoadRatio = "max_expert_load_ratio"
    case nvlinkBytes = "nvlink_bytes"
    case infinibandBytes = "infiniband_bytes"
    case dispatchBytes = "dispatch_bytes"
    case peakMemoryBytes = "peak_memory_bytes"
    case memory = "memory_bytes"
    case emulationBytes = "emulation_bytes"
    case peakActivationBytes = "peak_activation_bytes"
    case peakActivations = "peak_activations"
    case virtualStepSeconds = "virtual_step_seconds"
  }

  package init(from decoder: any Decoder) throws {
    let line = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      step: try line.decode(Int.self, forKey: .step),
      tokens: try line.decode(Int.self, forKey: .tokens),
      loss: try line.decode(Double.self, forKey: .loss),
      wallSeconds: try line.decode(Double.self, forKey: .wallSeconds))
    mtpLoss = try line.decodeIfPresent(Double.self, forKey: .mtpLoss)
    balanceLoss = try line.decodeIfPresent(Double.self, forKey: .balanceLoss)
    gradientNorm = try line.decodeIfPresent(Double.self, forKey: .gradientNorm)
    learningRate = try line.decodeIfPresent(Double.self, forKey: .learningRate)
    if let speed = try line.decodeIfPresent(Double.self, forKey: .tokensPerSecond) {
      tokensPerSecond = speed
    }
    maxExpertLoadRatio = try line.decodeIfPresent(Double.self, forKey: .maxExpertLoadRatio)
    nvlinkBytes = try line.decodeIfPresent(Int.self, forKey: .nvlinkBytes)
    infinibandBytes = try line.decodeIfPresent(Int.self, forKey: .infinibandBytes)
    dispatchBytes = try line.decodeIfPresent(Int.self, forKey: .dispatchBytes)
    peakMemoryBytes = try line.decodeIfPresent(Int.self, forKey: .peakMemoryBytes)
    memory = try line.decodeIfPresent(MemoryFigures.self, forKey: .memory)
    emulationBytes = try line.decodeIfPresent(Int.self, forKey: .emulationBytes)
    peakActivationBytes = try line.decodeIfPresent(Int.self, forKey: .peakActivationBytes)
    peakActivations = try line.decodeIfPresent(Int.self, forKey: .peakActivations)
    virtual =
      line.contains(.virtualStepSeconds) ? try VirtualStepFigures(from: decoder) : nil
  }

  /// Reads one line.
  /// - Throws: `JSONValue.Malformed` with what is wrong with it.
  package init(line: [UInt8]) throws(JSONValue.Malformed) {
    self = try JSONValue.decode(StepMetrics.self, from: line)
  }
}
