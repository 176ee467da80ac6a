// The kernels of a feed-forward part that every token passes: the shared experts of a layer, which
// run as one, or the FFN of a dense layer (report sections 2.1.2, 3.2.3, 3.3).

internal import Fabric

/// Sizes of one SwiGLU feed-forward part for one micro-batch.
struct FeedForwardKernels {
  let tokens: Int
  let hidden: Int
  /// Inner width; gate and up together are twice that.
  let width: Int
  /// Whether the forward casts its input: a layer with experts has it cast for the dispatch.
  let castsInput: Bool
  let precision: ProductPrecision

  private var share: Double { Double(tokens) / TraceShape.tokens }

  var forward: [LayerKernel] {
    var list = KernelList(precision)
    if castsInput { list.cast("cast x", tokens * hidden) }
    list.scaleTransposes(2, microseconds: 12, share: share)
    list.product("gate and up", rows: tokens, columns: 2 * width, depth: hidden)
    list.swiGLU("SwiGLU", rows: tokens, width: width)
    list.product("down", rows: tokens, columns: hidden, depth: width)
    list.cast("keep SwiGLU's input in FP8", tokens * 2 * width)
    return list.kernels
  }

  var input: [LayerKernel] {
    var list = KernelList(precision)
    list.castBack("SwiGLU's input from FP8", tokens * 2 * width)
    list.weightTranspose("transpose down", width * hidden)
    list.scaleTransposes(2, microseconds: 12, share: share)
    list.product("down input gradient", rows: tokens, columns: width, depth: hidden)
    list.requantise("columns of the output gradient", tokens * hidden)
    if precision.isFP8 {
      // SwiGLU once more, straight into columns of FP8 for the weight gradient.
      list.memory("SwiGLU again, columns", .castTranspose, 5 * tokens * width)
    } else {
      list.swiGLU("SwiGLU again", rows: tokens, width: width)
    }
    list.memory("SwiGLU backward", .stream, 10 * tokens * width)
    list.bf16("feed-forward norm again", .norm, tokens * hidden, tensors: 2)
    list.cast("cast x again", tokens * hidden)
    list.castBack("x from FP8", tokens * hidden)
    list.weightTranspose("transpose gate and up", 2 * width * hidden)
    list.cast("cast SwiGLU's gradient", tokens * 2 * width)
    list.product("gate and up input gradient", rows: tokens, columns: hidden, depth: 2 * width)
    list.castTranspose("columns of SwiGLU's gradient", tokens * 2 * width)
    list.castTranspose("columns of x", tokens * hidden)
    return list.kernels
  }

  var weight: [LayerKernel] {
    var list = KernelList(precision)
    list.weightGradient("down weight gradient", rows: hidden, columns: width, tokens: tokens)
    list.weightGradient(
      "gate and up weight gradient", rows: 2 * width, columns: hidden, tokens: tokens)
    return list.kernels
  }
}

extension KernelList {
  /// Gate and up in BF16 to their SwiGLU, quantised when products are in FP8.
  mutating func swiGLU(_ name: String, rows: Int, width: Int) {
    precision.isFP8
      ? memory(name, .quantise, 5 * rows * width) : memory(name, .stream, 6 * rows * width)
  }
}
