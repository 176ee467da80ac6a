// One micro-batch in one block, as the trainer goes through it: tensor by tensor what is made, kept
// and let go in the four components of a forward and of a backward. The shape twin of
// Model.TransformerBlock, FeedForward and RoutedExperts; attention's is beside it.

internal import ModelSpec

/// What a micro-batch has alive in one block.
final class TrainedUnit {
  let sizes: TrainedSizes
  let hasExperts: Bool
  /// Activations that end with the input half of attention, of the MLP, and of the router.
  var attentionInput = 0
  var mlpInput = 0
  var routing = 0
  /// The residual, until the gradient went past the MLP's norm.
  var residual = 0
  /// Activations that end with the weight half of attention and router, and of the MLP.
  var attentionWeight = 0
  var mlpWeight = 0
  /// Whether the MLP's input is kept, and whether the router can use it.
  var isNormedKept = false
  /// Working memory under way: messages, and what components hand to each other.
  var message = 0
  var rowsUnderWay = 0
  /// Whether the gradient of the block's output is itself kept for weights, as under FP32, and
  /// whether those weights have been done with while it is still on its way.
  private var gradientIsKept = false
  private var gradientIsLeft = false

  init(_ sizes: TrainedSizes, hasExperts: Bool) {
    self.sizes = sizes
    self.hasExperts = hasExperts
  }

  private var keepsNorms: Bool { !sizes.saves(.recomputeNorms) }
  private var keepsOutputs: Bool { !sizes.saves(.recomputeSwiGLU) }
  private var work: Int { sizes.work(sizes.hidden) }
  private var width: Int {
    hasExperts ? sizes.sharedWidth : sizes.spec.denseIntermediateSize
  }

  // MARK: Forward

  /// ATTN(F), behind attention itself: residual, norm, router. The block's input goes.
  func endAttention(_ tally: inout TrainedTally, inputIsKept: Bool) {
    let (low, spec) = (sizes.isLow, sizes.spec)
    residual = sizes.stream(sizes.hidden)
    if low { tally.keep(residual) } else { tally.move(work) }
    tally.keep(4 * sizes.tokens)
    attentionInput += 4 * sizes.tokens
    tally.make(work)
    if hasExperts && keepsNorms {
      if low { tally.keep(sizes.stream(sizes.hidden)) } else { tally.move(work) }
      attentionWeight += sizes.stream(sizes.hidden)
      isNormedKept = true
    }
    if hasExperts {
      routing = 4 * sizes.tokens * (spec.routedExperts + 2 * spec.expertsPerToken)
      tally.keep(routing)
    }
    if !inputIsKept { tally.free(work) }
  }

  /// Whether the working tensor of the MLP's input is memory of its own, to be freed.
  private var normedIsWork: Bool { sizes.isLow || !isNormedKept }

  /// DISPATCH(F) begins.
  func startDispatch(_ tally: inout TrainedTally) {
    guard hasExperts, sizes.isLow else { return }
    message = sizes.message(rows: sizes.tokens)
    tally.make(message)
  }

  /// MLP(F): dense FFN or shared experts. Residual and norm go, the output is made.
  func feedForward(_ tally: inout TrainedTally) {
    let low = sizes.isLow
    if width > 0 { feedForwardInner(&tally) }
    var normedGoes = normedIsWork
    if !low && !isNormedKept && hasExperts {
      // The rows to dispatch are the norm's output itself.
      message = work
      normedGoes = false
    }
    if !low && !hasExperts && keepsNorms { normedGoes = false }
    if normedGoes { tally.free(work) }
    tally.make(work)
    if width > 0, sizes.isFP8 ? !keepsOutputs : (low || !keepsOutputs) {
      tally.free(sizes.isFP8 ? sizes.operand(width) : sizes.work(width))
    }
    if low { tally.free(work) }
  }

  /// Up to the operand of the last product, which stays as working memory unless it is kept.
  private func feedForwardInner(_ tally: inout TrainedTally) {
    let (low, fp8) = (sizes.isLow, sizes.isFP8)
    let keepsInput = !hasExperts && keepsNorms
    if fp8 { tally.make(sizes.operand(sizes.hidden)) }
    tally.make(sizes.work(2 * width))
    tally.make(sizes.work(width))
    if fp8 {
      tally.make(sizes.operand(width))
      tally.free(sizes.work(width))
    }
    if keepsInput {
      let bytes = sizes.operand(sizes.hidden)
      if low && !fp8 { tally.keep(bytes) } else { tally.move(bytes) }
      mlpWeight += bytes
    } else if fp8 {
      tally.free(sizes.operand(sizes.hidden))
    }
    let inputs = sizes.swiGLUInput(2 * width, rows: sizes.tokens)
    if low {
      tally.keep(inputs)
      mlpInput += inputs
    } else {
      tally.move(inputs)
      mlpWeight += inputs
    }
    if keepsOutputs {
      let bytes = sizes.operand(width)
      if low && !fp8 { tally.keep(bytes) } else { tally.move(bytes) }
      mlpWeight += bytes
    }
    if low { tally.free(sizes.work(2 * width)) }
  }

  /// DISPATCH(F) ends, and MLP(F) of the routed experts.
  func routedExperts(_ tally: inout TrainedTally) {
    guard hasExperts else { return }
    let (rows, spec) = (sizes.rows, sizes.spec)
    finishMessage(&tally, isNew: sizes.isAlone && !sizes.isLow && !isNormedKept)
    let inputs = sizes.swiGLUInput(2 * spec.expertIntermediateSize, rows: rows.pairs)
    let outputs = keepsOutputs ? sizes.expertOutput(rows: rows.pairs) : 0
    // Experts and gates of slots; rows, slots and gates of pairs.
    let routes = 8 * rows.received * spec.expertsPerToken + 12 * rows.pairs
    for bytes in [routes, inputs, outputs] { tally.keep(bytes) }
    mlpWeight += routes + outputs
    if sizes.isLow { mlpInput += inputs } else { mlpWeight += inputs }
    rowsUnderWay = sizes.work(sizes.hidden, rows: rows.received)
    tally.make(rowsUnderWay)
    if !sizes.isLow {
      let outer = keepsOutputs ? 0 : spec.expertIntermediateSize
      tally.touch(sizes.work(sizes.hidden + outer, rows: rows.largest))
    }
  }

  /// Rows arrive and stay until the weight half. Alone, they are the message itself; under FP32
  /// that is a tensor that may be kept already.
  private func finishMessage(_ tally: inout TrainedTally, isNew: Bool) {
    if sizes.isAlone {
      if sizes.isLow || isNew {
        tally.move(message)
        mlpWeight += message
      }
    } else {
      let rows = sizes.message(rows: sizes.rows.received)
      tally.keep(rows)
      mlpWeight += rows
      tally.free(message)
    }
    message = 0
  }

  /// COMBINE(F) ends: the routed part is added to the output.
  func finishCombine(_ tally: inout TrainedTally) {
    guard hasExperts else { return }
    if !sizes.isAlone { tally.touch(work) }
    tally.free(rowsUnderWay)
    rowsUnderWay = 0
  }

  // MARK: Backward

  /// COMBINE(B): the output's gradient, working memory that is there, to the experts.
  func startCombineGradient(_ tally: inout TrainedTally) { startDispatch(&tally) }

  /// COMBINE(B) ends, and MLP(B): gradients of the MLP's input and of the rows are made.
  func mlpBackward(_ tally: inout TrainedTally) {
    if hasExperts && !sizes.isAlone { finishMessage(&tally, isNew: false) }
    if width > 0 { feedForwardBackward(&tally) } else { tally.make(work) }
    if hasExperts { expertsBackward(&tally) }
  }

  private func feedForwardBackward(_ tally: inout TrainedTally) {
    let low = sizes.isLow
    if !keepsOutputs {
      tally.keep(sizes.weightOperand(width))
      if low { tally.touch(sizes.work(width)) }
      mlpWeight += sizes.weightOperand(width)
    }
    if low {
      tally.keep(sizes.gradient(sizes.hidden))
    } else {
      tally.move(work)
      gradientIsKept = true
    }
    mlpWeight += sizes.gradient(sizes.hidden)
    tally.make(sizes.work(width))
    tally.touch(sizes.passingGradient(sizes.hidden))
    var freed = sizes.work(width)
    if low {
      tally.keep(sizes.gradient(2 * width))
      mlpWeight += sizes.gradient(2 * width)
    }
    keepNormedAgain(&tally)
    tally.make(sizes.passingGradient(2 * width))
    tally.make(work)
    freed += sizes.passingGradient(2 * width)
    tally.free(freed)
    if low {
      let inputs = sizes.swiGLUInput(2 * width, rows: sizes.tokens)
      tally.release(inputs)
      mlpInput -= inputs
    }
  }

  /// The MLP's input for the weight gradient of the dense or shared part, where it was not kept as
  /// that takes it.
  private func keepNormedAgain(_ tally: inout TrainedTally) {
    if !hasExperts && keepsNorms { return }
    if sizes.isFP8 {
      tally.keep(sizes.weightOperand(sizes.hidden))
      if !isNormedKept { tally.touch(work) }
      mlpWeight += sizes.weightOperand(sizes.hidden)
    } else if !isNormedKept {
      tally.keep(sizes.stream(sizes.hidden))
      if sizes.isLow { tally.touch(work) }
      // The router's, too.
      if hasExperts {
        attentionWeight += sizes.stream(sizes.hidden)
      } else {
        mlpWeight += sizes.stream(sizes.hidden)
      }
      isNormedKept = true
    }
  }

  private func expertsBackward(_ tally: inout TrainedTally) {
    let (rows, low) = (sizes.rows, sizes.isLow)
    let width = sizes.spec.expertIntermediateSize
    if sizes.isAlone {
      // Under FP32 the message is the gradient itself.
      finishMessage(&tally, isNew: false)
      if !low && !gradientIsKept {
        tally.move(work)
        gradientIsKept = true
        mlpWeight += work
      }
    }
    // With the gates' gradients.
    rowsUnderWay =
      sizes.work(sizes.hidden, rows: rows.received)
      + 4 * rows.received * sizes.spec.expertsPerToken
    tally.make(rowsUnderWay)
    let scratch = low ? 0 : sizes.work(sizes.hidden + width + 1, rows: rows.largest)
    tally.make(scratch)
    for count in rows.byExpert where count > 0 {
      // Tiles begin anew with each rank that sent rows.
      let run = count / rows.sources
      if !keepsOutputs {
        let outputs = rows.sources * sizes.weightOperand(width, rows: run)
        tally.keep(outputs)
        mlpWeight += outputs
      }
      if low {
        let gradients = rows.sources * sizes.gradient(2 * width, rows: run)
        tally.keep(gradients)
        mlpWeight += gradients
      }
    }
    tally.free(scratch)
    tally.release(mlpInput)
    mlpInput = 0
  }

  /// MLP(W).
  func mlpWeights(_ tally: inout TrainedTally) {
    gradientIsLeft = gradientIsKept
    tally.release(mlpWeight - (gradientIsLeft ? work : 0))
    mlpWeight = 0
  }

  /// DISPATCH(B) ends: the rows' gradients are added to that of the MLP's input.
  func finishDispatchGradient(_ tally: inout TrainedTally) {
    guard hasExperts else { return }
    let gates = 4 * sizes.tokens * sizes.spec.expertsPerToken
    if sizes.isAlone {
      tally.free(rowsUnderWay - gates)
    } else {
      tally.make(work + gates)
      tally.free(rowsUnderWay + work)
    }
    rowsUnderWay = gates
  }

  /// ATTN(B), before attention: router and norm. The gradients of output and MLP input go, that of
  /// x + attention(x) is made.
  func residualGradient(_ tally: inout TrainedTally) {
    if hasExperts {
      let logits = sizes.work(sizes.spec.routedExperts)
      tally.keep(logits)
      attentionWeight += logits
      if !isNormedKept {
        tally.keep(sizes.stream(sizes.hidden))
        if sizes.isLow { tally.touch(work) }
        attentionWeight += sizes.stream(sizes.hidden)
      }
      tally.release(routing)
      tally.free(rowsUnderWay)
      rowsUnderWay = 0
    }
    tally.make(work)
    tally.free(gradientIsKept ? work : 2 * work)
    if gradientIsLeft { tally.release(work) }
    gradientIsKept = false
    tally.release(residual)
  }
}
