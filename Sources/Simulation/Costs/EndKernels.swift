// The kernels in front of and behind the layers, which no public trace shows: embedding, output
// head with the loss, the projection of an MTP block, and the optimizer. Their bytes and FLOPs are
// computed, their rates are those of the fitted classes.

internal import Fabric
internal import ModelSpec

/// Embedding, head and MTP projection for one micro-batch.
struct EndKernels {
  let tokens: Int
  let hidden: Int
  let vocabulary: Int
  let precision: ProductPrecision

  init(_ model: ModelSpec, tokens: Int, precision: ProductPrecision) {
    self.tokens = tokens
    hidden = model.hiddenSize
    vocabulary = model.vocabularySize
    self.precision = precision
  }

  var embeddingForward: [LayerKernel] {
    var list = KernelList(precision)
    list.bf16("gather embeddings", .stream, tokens * hidden, tensors: 2)
    return list.kernels
  }

  /// Adds BF16 rows into an FP32 gradient.
  var embeddingWeight: [LayerKernel] {
    var list = KernelList(precision)
    list.memory("add embedding gradients", .stream, (2 + 4 + 4) * tokens * hidden)
    return list.kernels
  }

  private func headProduct(_ name: String) -> LayerKernel {
    let flops = 2 * tokens * hidden * vocabulary
    return LayerKernel(name, .largeProduct(flops: flops), flops: flops)
  }

  /// Final norm, logits in BF16, and one pass over them for the loss.
  var headForward: [LayerKernel] {
    var list = KernelList(precision)
    list.bf16("final norm", .norm, tokens * hidden, tensors: 2)
    list.kernels.append(headProduct("logits"))
    list.bf16("cross-entropy", .stream, tokens * vocabulary, tensors: 1)
    return list.kernels
  }

  var headInput: [LayerKernel] {
    var list = KernelList(precision)
    list.bf16("cross-entropy backward", .stream, tokens * vocabulary, tensors: 2)
    list.kernels.append(headProduct("logits input gradient"))
    list.bf16("final norm backward", .norm, tokens * hidden, tensors: 3)
    return list.kernels
  }

  var headWeight: [LayerKernel] { [headProduct("head weight gradient")] }

  /// Norms of hidden state and embedding, side by side, through a [2 hidden × hidden] projection.
  var joinForward: [LayerKernel] {
    var list = KernelList(precision)
    list.bf16("norm of the hidden state", .norm, tokens * hidden, tensors: 2)
    list.bf16("norm of the embedding", .norm, tokens * hidden, tensors: 2)
    list.bf16("join both", .stream, 2 * tokens * hidden, tensors: 2)
    list.cast("cast both", 2 * tokens * hidden)
    list.product("MTP projection", rows: tokens, columns: hidden, depth: 2 * hidden)
    return list.kernels
  }

  var joinInput: [LayerKernel] {
    var list = KernelList(precision)
    list.cast("cast gradient", tokens * hidden)
    list.weightTranspose("transpose MTP projection", 2 * hidden * hidden)
    list.product("MTP projection input gradient", rows: tokens, columns: 2 * hidden, depth: hidden)
    list.castTranspose("columns of the gradient", tokens * hidden)
    list.castTranspose("columns of both", 2 * tokens * hidden)
    list.bf16("norm of the hidden state backward", .norm, tokens * hidden, tensors: 3)
    list.bf16("norm of the embedding backward", .norm, tokens * hidden, tensors: 3)
    return list.kernels
  }

  var joinWeight: [LayerKernel] {
    var list = KernelList(precision)
    list.weightGradient(
      "MTP projection weight gradient", rows: hidden, columns: 2 * hidden, tokens: tokens)
    return list.kernels
  }

  /// AdamW with FP32 master weights and gradients and BF16 moments (report section 3.3): the
  /// gradient read for its norm (4 bytes a parameter); then read again (4), master weight and both
  /// moments read and written (8 + 8), the weight written in BF16 (2); the gradient zeroed (4).
  static func optimizer(parameters: Int) -> [LayerKernel] {
    [
      LayerKernel("gradient norm", .memory(.stream, bytes: 4 * parameters)),
      LayerKernel("AdamW", .memory(.stream, bytes: 22 * parameters)),
      LayerKernel("zero gradients", .memory(.stream, bytes: 4 * parameters)),
    ]
  }
}
