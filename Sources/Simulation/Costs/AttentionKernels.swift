// The kernels of MLA with its norms and residual (report sections 2.1.1, 3.2.3, 3.3): the norm in
// front of it and the one in front of the feed-forward part, projections in FP8, attention in BF16;
// the backward recomputes norms and up-projections.

internal import Fabric
internal import ModelSpec

/// Sizes of MLA for one micro-batch.
struct AttentionKernels {
  let tokens: Int
  let sequenceLength: Int
  let hidden: Int
  let queryRank: Int?
  let keyValueRank: Int
  let rope: Int
  /// Widths over all heads.
  let query: Int
  let queryRope: Int
  let nope: Int
  let value: Int
  let queryHeadDim: Int
  let valueHeadDim: Int
  let heads: Int
  let precision: ProductPrecision

  init(
    _ model: ModelSpec, tokens: Int, sequenceLength: Int, precision: ProductPrecision
  ) {
    self.tokens = tokens
    self.sequenceLength = sequenceLength
    self.precision = precision
    hidden = model.hiddenSize
    queryRank = model.queryCompression
    keyValueRank = model.keyValueCompression
    rope = model.ropeHeadDim
    heads = model.heads
    query = model.heads * model.queryHeadDim
    queryRope = model.heads * model.ropeHeadDim
    nope = model.heads * model.nopeHeadDim
    value = model.heads * model.valueHeadDim
    queryHeadDim = model.queryHeadDim
    valueHeadDim = model.valueHeadDim
  }

  /// Of the small kernels' data against the trace's.
  private var share: Double { Double(tokens) / TraceShape.tokens }
  private var latent: Int { keyValueRank + rope }
  /// Products of a forward with weights.
  private var projections: Int { queryRank == nil ? 4 : 5 }

  /// Causal FLOPs of products over the score matrix, `dims` elements of a head in all.
  private func scoreFLOPs(_ dims: Int) -> Int { tokens * sequenceLength * heads * dims }

  var forward: [LayerKernel] {
    var list = KernelList(precision)
    list.bf16("attention norm", .norm, tokens * hidden, tensors: 2)
    list.scaleTransposes(projections, microseconds: 8.2 * Double(projections), share: share)
    if let queryRank {
      list.cast("cast x for query down", tokens * hidden)
      list.product("query down", rows: tokens, columns: queryRank, depth: hidden)
    }
    list.cast("cast x for key-value down", tokens * hidden)
    list.product("key-value down", rows: tokens, columns: latent, depth: hidden)
    list.small("various", launches: 2, microseconds: 4, share: share)
    upProjections(&list, sliceCopies: 2, sliceMicroseconds: 19)
    list.small("rope of the key", launches: 1, microseconds: 5, share: share)
    joinedKeyAndRope(&list)
    let flops = scoreFLOPs(queryHeadDim + valueHeadDim)
    list.kernels.append(LayerKernel("attention", .attentionForward(flops: flops), flops: flops))
    if precision.isFP8 {
      // 12-bit E5M6 keeps the input of the output projection for the backward: 2 + 1.5 bytes.
      list.memory("keep attention output in E5M6", .e5m6, 7 * tokens * value / 2)
    }
    list.cast("cast attention output", tokens * value)
    list.product("output projection", rows: tokens, columns: hidden, depth: value)
    list.bf16("scale residual", .stream, tokens * hidden, tensors: 2)
    list.bf16("feed-forward norm and residual", .norm, tokens * hidden, tensors: 3)
    return list.kernels
  }

  /// Norms of the latents and products with the up-projections, in the forward and again in the
  /// backward.
  private func upProjections(
    _ list: inout KernelList, sliceCopies: Int, sliceMicroseconds: Double
  ) {
    if let queryRank { list.bf16("query latent norm", .norm, tokens * queryRank, tensors: 2) }
    list.small(
      "slices of the key-value latent", launches: sliceCopies, microseconds: sliceMicroseconds,
      share: share)
    list.bf16("key-value latent norm", .norm, tokens * keyValueRank, tensors: 2)
    list.cast("cast query latent", tokens * (queryRank ?? hidden))
    list.product("query up", rows: tokens, columns: query, depth: queryRank ?? hidden)
    list.cast("cast key-value latent", tokens * keyValueRank)
    list.product("key-value up", rows: tokens, columns: nope + value, depth: keyValueRank)
  }

  /// The key put together from its part of each head and the rotary part of all.
  private func joinedKeyAndRope(_ list: inout KernelList) {
    list.bf16("copy keys", .stream, tokens * nope, tensors: 2)
    list.memory("broadcast rotary key", .strided, 2 * tokens * (queryRope + rope))
    list.bf16("rope of the queries", .strided, tokens * queryRope, tensors: 2)
  }

  var input: [LayerKernel] {
    var list = KernelList(precision)
    list.bf16("feed-forward norm backward", .norm, tokens * hidden, tensors: 3)
    list.small("norm gradients", launches: 4, microseconds: 14, share: share)
    list.bf16("scale residual", .stream, tokens * hidden, tensors: 2)
    outputProjectionBackward(&list)
    upProjections(&list, sliceCopies: 1, sliceMicroseconds: 8)
    list.small("rope of the key", launches: 2, microseconds: 8, share: share)
    joinedKeyAndRope(&list)
    attentionBackward(&list)
    upProjectionsBackward(&list)
    list.small("latent norms backward", launches: 11, microseconds: 72.5, share: share)
    list.bf16("attention norm again", .norm, tokens * hidden, tensors: 2)
    downProjectionsBackward(&list)
    list.bf16("add input gradients", .stream, tokens * hidden, tensors: 3)
    list.bf16("attention norm backward", .norm, tokens * hidden, tensors: 3)
    return list.kernels
  }

  private func outputProjectionBackward(_ list: inout KernelList) {
    if precision.isFP8 {
      list.memory("attention output from E5M6", .e5m6, 7 * tokens * value / 2)
    }
    list.cast("cast output gradient", tokens * hidden)
    list.weightTranspose("transpose output projection", value * hidden)
    let products = projections + 2
    list.scaleTransposes(products, microseconds: 6.8 * Double(products), share: share)
    list.product("output projection input gradient", rows: tokens, columns: value, depth: hidden)
    list.castTranspose("columns of attention output", tokens * value)
    list.castTranspose("columns of output gradient", tokens * hidden)
  }

  /// A fused backward: it zeroes and fills an FP32 gradient of the queries, and computes the
  /// scores again, so that five products stand for the forward's two.
  private func attentionBackward(_ list: inout KernelList) {
    list.memory("attention backward, before", .stream, 4 * tokens * (value + query))
    let flops = scoreFLOPs(3 * queryHeadDim + 2 * valueHeadDim)
    list.kernels.append(
      LayerKernel("attention backward", .attentionBackward(flops: flops), flops: flops))
    list.memory("query gradient to BF16", .stream, 6 * tokens * query)
    list.bf16("rope of the query gradients", .strided, tokens * queryRope, tensors: 2)
  }

  private func upProjectionsBackward(_ list: inout KernelList) {
    let queryInput = queryRank ?? hidden
    list.weightTranspose("transpose query up", queryInput * query)
    list.cast("cast query gradient", tokens * query)
    list.product("query up input gradient", rows: tokens, columns: queryInput, depth: query)
    list.bf16("sum rotary key gradients", .stream, tokens * queryRope, tensors: 1)
    list.bf16("copy key gradients", .stream, tokens * nope, tensors: 2)
    list.bf16("copy value gradients", .stream, tokens * value, tensors: 2)
    list.weightTranspose("transpose key-value up", keyValueRank * (nope + value))
    list.cast("cast key-value gradient", tokens * (nope + value))
    list.product(
      "key-value up input gradient", rows: tokens, columns: keyValueRank, depth: nope + value)
    list.castTranspose("columns of key-value gradient", tokens * (nope + value))
    list.castTranspose("columns of key-value latent", tokens * keyValueRank)
    list.castTranspose("columns of query gradient", tokens * query)
    list.castTranspose("columns of query latent", tokens * queryInput)
  }

  private func downProjectionsBackward(_ list: inout KernelList) {
    list.cast("cast latent gradient", tokens * latent)
    list.weightTranspose("transpose key-value down", hidden * latent)
    list.product("key-value down input gradient", rows: tokens, columns: hidden, depth: latent)
    list.castTranspose("columns of x for key-value down", tokens * hidden)
    list.castTranspose("columns of latent gradient", tokens * latent)
    guard let queryRank else { return }
    list.cast("cast query latent gradient", tokens * queryRank)
    list.weightTranspose("transpose query down", hidden * queryRank)
    list.product("query down input gradient", rows: tokens, columns: hidden, depth: queryRank)
    list.castTranspose("columns of x for query down", tokens * hidden)
    list.castTranspose("columns of query latent gradient", tokens * queryRank)
  }

  var weight: [LayerKernel] {
    var list = KernelList(precision)
    list.weightGradient(
      "output projection weight gradient", rows: hidden, columns: value, tokens: tokens)
    list.weightGradient(
      "key-value up weight gradient", rows: nope + value, columns: keyValueRank, tokens: tokens)
    list.weightGradient(
      "query up weight gradient", rows: query, columns: queryRank ?? hidden, tokens: tokens)
    list.weightGradient(
      "key-value down weight gradient", rows: latent, columns: hidden, tokens: tokens)
    if let queryRank {
      list.weightGradient(
        "query down weight gradient", rows: queryRank, columns: hidden, tokens: tokens)
    }
    return list.kernels
  }
}
