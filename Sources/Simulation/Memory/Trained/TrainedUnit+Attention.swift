// Attention's part of a block: the shape twin of Model.MultiHeadLatentAttention.

internal import ModelSpec

extension TrainedUnit {
  private var keepsNorms: Bool { !sizes.saves(.recomputeNorms) }
  private var keepsProjections: Bool { !sizes.saves(.recomputeUpProjections) }
  private var latent: Int { sizes.spec.keyValueCompression }

  /// Queries, keys and values, and keys with the rotary part, as working tensors. A query without
  /// compression is a part of the down-projections' output, which then lives as long.
  private var projections: Int {
    sizes.work(
      (sizes.spec.queryCompression == nil ? sizes.down : sizes.queries) + sizes.keyValues
        + sizes.queries)
  }

  /// ATTN(F) up to the output projection, whose output is made. The block's input, working memory
  /// that is there, is kept.
  func attentionForward(_ tally: inout TrainedTally) {
    let (low, tokens) = (sizes.isLow, sizes.tokens)
    keepWork(sizes.hidden, &tally)
    attentionInput += sizes.stream(sizes.hidden)
    tally.make(12 * tokens)
    let logSum = 4 * tokens * sizes.spec.heads
    tally.keep(logSum)
    attentionInput += logSum
    normalise(sizes.hidden, thenMaking: sizes.work(sizes.down), &tally)
    project(&tally)
    if !low && sizes.spec.queryCompression == nil {
      tally.move(sizes.work(sizes.down))
    } else {
      keepWork(sizes.down, &tally)
    }
    attentionInput += sizes.stream(sizes.down)
    if low && sizes.spec.queryCompression != nil { tally.free(sizes.work(sizes.down)) }
    if keepsProjections { keepProjections(&tally) }
    tally.make(sizes.work(sizes.values))
    tally.touch(sizes.forwardCore)
    if low || !keepsProjections { freeProjections(&tally) }
    endCore(&tally)
  }

  /// Keeps a working tensor: under FP32 itself, otherwise a copy in BF16.
  private func keepWork(_ columns: Int, _ tally: inout TrainedTally) {
    if sizes.isLow {
      tally.keep(sizes.stream(columns))
    } else {
      tally.move(sizes.work(columns))
    }
  }

  /// A norm's output as the operand of a product whose output is made while it is alive.
  private func normalise(_ columns: Int, thenMaking output: Int, _ tally: inout TrainedTally) {
    let (work, operand) = (sizes.work(columns), sizes.operand(columns))
    tally.make(work)
    if sizes.isFP8 {
      tally.make(operand)
      tally.free(work)
      if keepsNorms { tally.move(operand) }
      tally.make(output)
      if !keepsNorms { tally.free(operand) }
    } else {
      if keepsNorms { keepWork(columns, &tally) }
      tally.make(output)
      if sizes.isLow || !keepsNorms { tally.free(work) }
    }
    if keepsNorms { attentionWeight += operand }
  }

  private func project(_ tally: inout TrainedTally) {
    if let rank = sizes.spec.queryCompression {
      normalise(rank, thenMaking: sizes.work(sizes.queries), &tally)
    }
    normalise(
      latent, thenMaking: sizes.work(sizes.keyValues) + sizes.work(sizes.queries), &tally)
  }

  private var keptProjections: Int {
    sizes.stream(sizes.keyValues) + sizes.stream(sizes.queries)
      + (sizes.spec.queryCompression == nil ? 0 : sizes.stream(sizes.queries))
  }

  private func keepProjections(_ tally: inout TrainedTally) {
    if sizes.isLow { tally.keep(keptProjections) } else { tally.move(keptProjections) }
    attentionInput += keptProjections
  }

  private func freeProjections(_ tally: inout TrainedTally) {
    // Under FP32 the down-projections' output is kept anyway.
    let isShared = !sizes.isLow && sizes.spec.queryCompression == nil
    tally.free(projections - (isShared ? sizes.work(sizes.down) : 0))
  }

  /// The core's output is kept, and multiplied with the output projection.
  private func endCore(_ tally: inout TrainedTally) {
    let isMoved = !sizes.isLow && !sizes.saves(.e5m6AttentionOutput)
    if isMoved { tally.move(sizes.work(sizes.values)) } else { tally.keep(sizes.attentionOutput()) }
    attentionWeight += sizes.attentionOutput()
    tally.move(12 * sizes.tokens)
    attentionInput += 12 * sizes.tokens
    let operand = sizes.isFP8 ? sizes.operand(sizes.values) : 0
    tally.make(operand)
    tally.make(sizes.work(sizes.hidden))
    tally.free(operand + (isMoved ? 0 : sizes.work(sizes.values)))
  }

  /// ATTN(B), attention itself: from the gradient of its output, working memory that is there, to
  /// that of the block's input.
  func attentionBackward(_ tally: inout TrainedTally) {
    let low = sizes.isLow
    keepGradient(sizes.hidden, &tally)
    tally.make(sizes.work(sizes.down))
    let query = sizes.spec.queryCompression == nil ? 0 : sizes.queries
    tally.make(sizes.work(sizes.keyValues) + sizes.work(query))
    if !keepsProjections { remakeProjections(&tally) }
    tally.make(sizes.work(sizes.values))
    tally.touch(max(sizes.backwardCore, sizes.passingGradient(sizes.hidden)))
    tally.free(sizes.work(sizes.values))
    if !keepsProjections {
      tally.free(sizes.work(query) + sizes.work(sizes.keyValues) + sizes.work(sizes.queries))
    }
    if let rank = sizes.spec.queryCompression { latentBackward(sizes.queries, rank, &tally) }
    latentBackward(sizes.keyValues, latent, &tally)
    if low { tally.free(sizes.work(sizes.keyValues) + sizes.work(query)) }
    latentBackward(sizes.down, sizes.hidden, &tally, making: sizes.work(sizes.hidden))
    if low { tally.free(sizes.work(sizes.down) + sizes.work(sizes.hidden)) }
    tally.release(attentionInput)
    attentionInput = 0
  }

  /// What is made again comes with the outputs of the norms, for a while.
  private func remakeProjections(_ tally: inout TrainedTally) {
    func norm(_ columns: Int) -> Int {
      sizes.isFP8 ? sizes.operand(columns) : sizes.work(columns)
    }
    if let rank = sizes.spec.queryCompression {
      tally.make(norm(rank))
      tally.make(sizes.work(sizes.queries))
      tally.free(norm(rank))
    }
    tally.make(norm(latent))
    tally.make(sizes.work(sizes.keyValues) + sizes.work(sizes.queries))
    tally.free(norm(latent))
  }

  /// Keeps the gradient of a product's output for its weight.
  private func keepGradient(_ columns: Int, _ tally: inout TrainedTally) {
    if sizes.isLow {
      tally.keep(sizes.gradient(columns))
    } else {
      tally.move(sizes.work(columns))
    }
    attentionWeight += sizes.gradient(columns)
  }

  /// Through a product and the norm before it; `making` is what comes out of the norm.
  private func latentBackward(
    _ outputs: Int, _ inputs: Int, _ tally: inout TrainedTally, making result: Int = 0
  ) {
    let dNormed = sizes.work(inputs)
    tally.make(sizes.passingGradient(outputs))
    tally.make(dNormed)
    tally.free(sizes.passingGradient(outputs))
    if !keepsNorms {
      tally.keep(sizes.weightOperand(inputs))
      if sizes.isLow { tally.touch(sizes.work(inputs)) }
      attentionWeight += sizes.weightOperand(inputs)
    }
    keepGradient(outputs, &tally)
    tally.make(result)
    tally.free(dNormed)
  }

  /// ATTN(W), and the router's.
  func attentionWeights(_ tally: inout TrainedTally) {
    tally.release(attentionWeight)
    attentionWeight = 0
  }
}
