// In which number formats a model is trained and what is kept of a forward for its backward
// (report sections 3.2.3 and 3.3). A plain value; RunConfiguration fills it, Model follows it.

/// The formats that products of linear layers are taken in.
package enum Precision: String, Hashable, Sendable, CaseIterable {
  /// Everything FP32; the working weights are the master weights.
  case fp32
  /// Working weights, activations and their gradients BF16; products summed in FP32; master weights
  /// and weight gradients FP32.
  case bf16
  /// As BF16, but weights and operands of linear layers E4M3 with scales, other than embedding,
  /// head and router (report section 3.3.1).
  case fp8
}

/// How a GPU sums the products of an FP8 GEMM (report section 3.3.2).
package enum Accumulation: String, Hashable, Sendable, CaseIterable {
  case fp32
  /// Hopper's tensor cores alone: groups of 32 products and the sum so far are aligned to their
  /// largest exponent and keep 14 bits.
  case tensorCore = "tensor_core_14bit"
  /// The same, but every 128 products the sum moves to FP32 registers, as the report does.
  case promoted = "promoted_every_128"
}

/// Which numbers share an FP8 scale, and when it is found.
package enum ScalingRule: String, Hashable, Sendable, CaseIterable {
  /// 1 × 128 tiles of activations, 128 × 128 blocks of weights, from the numbers themselves.
  case tiles
  /// One scale for a tensor, from the numbers themselves.
  case tensor
  /// One scale for a tensor, from the largest number of the calls before.
  case delayed
}

/// Numbers of an activation gradient that share an FP8 scale.
package enum GradientTiles: String, Hashable, Sendable, CaseIterable {
  /// 1 × 128, and 128 × 1 for the weight gradient.
  case tiles
  /// 128 × 128, which the report saw diverge (appendix B.2).
  case blocks
}

/// Format of AdamW's moments.
package enum MomentFormat: String, Hashable, Sendable, CaseIterable {
  case fp32
  case bf16
}

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

/// The number formats of a training run.
package struct Numerics: Hashable, Sendable {
  package var precision = Precision.fp32
  package var accumulation = Accumulation.fp32
  package var scaling = ScalingRule.tiles
  package var gradientTiles = GradientTiles.tiles
  package var savings: Set<MemorySaving> = []
  /// nil: BF16 under `bf16` and `fp8`, as in the report.
  package var givenMoments: MomentFormat?

  package init(_ precision: Precision = .fp32, savings: Set<MemorySaving> = []) {
    self.precision = precision
    self.savings = savings
  }

  /// Whether a saving is switched on.
  package subscript(saves saving: MemorySaving) -> Bool {
    get { savings.contains(saving) }
    set { if newValue { savings.insert(saving) } else { savings.remove(saving) } }
  }

  package var moments: MomentFormat { givenMoments ?? (precision == .fp32 ? .fp32 : .bf16) }
}
