// What a training step stores in which format, and what it would rather compute again (report
// sections 3.2.3 and 3.3.3). The formats of all tensors follow from a precision and five switches.

package import ModelSpec

/// Whose memory is meant.
package enum MemoryOwner: Hashable, Sendable {
  /// A GPU that computes in the formats in which it stores.
  case gpu
  /// A rank of dsv3's trainer: it stores in the formats of `Numerics` and computes in FP32, so that
  /// working space takes four bytes for each number. MTP joins the normed hidden state or the plain
  /// one.
  case trainer(Numerics, MTPConvention)
}

/// Formats and savings of a run.
package struct MemoryPlan: Hashable, Sendable {
  package var precision: Precision
  package var savings: Set<MemorySaving>
  /// Of AdamW's two moments.
  package var moments: StorageFormat
  /// Tokens whose FP32 logits exist at once where their gradient is kept in BF16.
  package var logitChunk: Int = 1024
  package private(set) var owner = MemoryOwner.gpu

  package init(precision: Precision, savings: Set<MemorySaving> = [], moments: StorageFormat) {
    self.precision = precision
    self.savings = savings
    self.moments = moments
  }

  /// A run of dsv3's trainer.
  package init(training numerics: Numerics, convention: MTPConvention) {
    self.init(
      precision: numerics.precision, savings: numerics.savings,
      moments: numerics.moments == .fp32 ? .fp32 : .bf16)
    owner = .trainer(numerics, convention)
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
