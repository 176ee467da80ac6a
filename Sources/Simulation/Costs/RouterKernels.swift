// The kernels of the router of a layer with experts.
internal import Fabric
internal import ModelSpec

/// The router: gates in BF16/FP32 (report section 3.3), the choice of the top experts, and x cast
/// for dispatch and shared experts. The trace computes both of its gradients in the input pass.
struct RouterKernels {
  let tokens: Int
  let hidden: Int
  let experts: Int
  let precision: ProductPrecision

  private var share: Double { Double(tokens) / TraceShape.tokens }
  private var flops: Int { 2 * tokens * hidden * experts }

  private func product(_ name: String) -> LayerKernel {
    LayerKernel(name, .router(flops: flops), flops: flops)
  }

  /// Without the random numbers that the traced run drew to balance its experts (5 us).
  var forward: [LayerKernel] {
    var list = KernelList(precision)
    list.kernels.append(product("router"))
    list.small("gates", launches: 34, microseconds: 99, share: share)
    list.small("top experts", launches: 2, microseconds: 137.5, share: share)
    list.cast("cast x for dispatch", tokens * hidden)
    return list.kernels
  }

  var input: [LayerKernel] {
    var list = KernelList(precision)
    list.small("gates backward", launches: 26, microseconds: 76.5, share: share)
    list.kernels += [product("router input gradient"), product("router weight gradient")]
    list.bf16("add gradients of router and experts", .stream, tokens * hidden, tensors: 3)
    return list.kernels
  }
}
