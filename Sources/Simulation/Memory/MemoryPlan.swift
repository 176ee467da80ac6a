// What a training step stores in which format, and what it would rather compute again (report
// sections 3.2.3 and 3.3.3). The formats of all tensors follow from a precision and five switches.

/// One way to keep less of a forward for its backward.
package enum MemorySaving: String, Hashable, Sendable, CaseIterable {
  /// Outputs of RMSNorms are computed again in the backward.
  case recomputeNorms = "recompute norms"
  /// Queries, keys and values are computed again from their latents.
  case recomputeUpProjections = "recompute MLA up-projections"
  /// The output of SwiGLU is computed again from its inputs.
  case recomputeSwiGLU = "recompute SwiGLU outputs"
  /// The output of the attention core is kept in E5M6.
  case e5m6AttentionOutput = "E5M6 attention outputs"
  /// The inputs of SwiGLU are kept in FP8.
  case fp8SwiGLUInputs = "FP8 SwiGLU inputs"
}

/// Formats and savings of a run.
package struct MemoryPlan: Hashable, Sendable {
  /// The formats that products are taken in.
  package enum Precision: String, Hashable, Sendable, CaseIterable {
    /// Everything FP32; the working weights are the master weights.
    case fp32
    /// Weights and activations BF16; master weights and gradients FP32.
    case bf16
    /// As BF16, but weights and operands of linear layers FP8, other than embedding, head and
    /// router (report section 3.3.1).
    case fp8
  }

  package var precision: Precision
  package var savings: Set<MemorySaving>
  /// Of AdamW's two moments.
  package var moments: StorageFormat
  /// Tokens whose FP32 logits exist at once where their gradient is kept in BF16.
  package var logitChunk: Int = 1024

  package init(precision: Precision, savings: Set<MemorySaving> = [], moments: StorageFormat) {
    self.precision = precision
    self.savings = savings
    self.moments = moments
  }

  /// The report's: FP8, BF16 moments, all savings.
  package static let report = MemoryPlan(
    precision: .fp8, savings: Set(MemorySaving.allCases), moments: .bf16)
  /// FP32 throughout, nothing computed twice.
  package static let plain = MemoryPlan(precision: .fp32, moments: .fp32)

  /// Working copies of the weights of linear layers.
  var linearWeights: StorageFormat { precision == .fp8 ? .fp8 : stream }
  /// The residual stream, latents, queries, keys and values; weights and operands that stay high.
  var stream: StorageFormat { precision == .fp32 ? .fp32 : .bf16 }
  /// Inputs and output gradients of linear layers, as their GEMMs take them; dispatched rows.
  var operand: StorageFormat { linearWeights }
  var attentionOutput: StorageFormat {
    savings.contains(.e5m6AttentionOutput) ? .e5m6 : stream
  }
  var swiGLUInput: StorageFormat { savings.contains(.fp8SwiGLUInputs) ? .fp8 : stream }
  /// Bytes of optimizer state for one parameter of a shard: FP32 master weight, unless the working
  /// weight is that, and two moments.
  var optimizerBytesPerParameter: Int {
    (precision == .fp32 ? 0 : 4) + 2 * moments.bits / 8
  }
}
