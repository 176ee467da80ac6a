// What a kernel computes, in just the terms that its time depends on. Shapes of layers become such
// works in the room Simulation; KernelCost prices them.

package import Units

/// The format that linear layers multiply in.
package enum ProductPrecision: String, Hashable, Sendable, CaseIterable {
  /// E4M3 with tile scales (report section 3.3): what the constants were fitted to.
  case fp8
  /// The tensor core's BF16 rate, and none of FP8's casts and transposes.
  case bf16
  /// Charged as `bf16`: nobody trains such a model in FP32 on these GPUs.
  case fp32

  package var isFP8: Bool { self == .fp8 }
}

/// One kernel, or several of one kind that share the GPU.
package enum KernelWork: Hashable, Sendable {
  /// `tiles` output tiles of 128 × 128, each over `depth`: forward and input gradient, of one
  /// product or of a group of them.
  case product(tiles: Int, depth: Int, precision: ProductPrecision)
  /// The same for a weight gradient, accumulated in FP32; `depth` is the tokens.
  case weightGradient(tiles: Int, depth: Int, precision: ProductPrecision)
  /// A BF16 product large enough to be a rate: the output head.
  case largeProduct(flops: Int)
  /// One of the router's products.
  case router(flops: Int)
  /// Fused attention; FLOPs of the half of the score matrix that a causal mask leaves.
  case attentionForward(flops: Int)
  case attentionBackward(flops: Int)
  /// Bytes read and written.
  case memory(MemoryClass, bytes: Int)
  /// Kernels too small to have a law: as measured.
  case small(VirtualDuration)

  /// Side of an output tile.
  package static let tile = 128

  /// Tiles of a [rows × columns] output.
  package static func tiles(rows: Int, columns: Int) -> Int {
    tileCount(rows) * tileCount(columns)
  }

  /// Tiles that cover `length`.
  package static func tileCount(_ length: Int) -> Int { (length + tile - 1) / tile }
}

/// What a kernel takes, without the launch gap before it.
package struct KernelTime: Hashable, Sendable {
  package var alone: VirtualDuration
  /// While a transfer of the expert exchange runs all the time.
  package var besideTransfer: VirtualDuration

  package init(alone: VirtualDuration, besideTransfer: VirtualDuration) {
    self.alone = alone
    self.besideTransfer = besideTransfer
  }
}
