// One micro-batch on its way through one stage: the shape twin of Model.StageForward and
// StageBackward, with the heads, and the joining before an MTP block.

internal import ModelSpec

final class TrainedPass {
  let stage: TrainedStage
  var units: [TrainedUnit]
  private var nextForward = 0
  private var nextBackward: Int
  /// By head: what ends with its input half, and with its weight half.
  private var headInput: [Int]
  private var headWeight: [Int]
  /// By MTP module, of the joining.
  private var joinInput: [Int]
  private var joinWeight: [Int]
  /// Working memory: a gradient that a module asks of the head before it.
  private var asked = 0

  init(_ stage: TrainedStage) {
    self.stage = stage
    units = stage.hasExperts.enumerated().map { index, hasExperts in
      TrainedUnit(index < stage.blocks ? stage.main : stage.module, hasExperts: hasExperts)
    }
    nextBackward = units.count - 1
    let modules = units.count - stage.blocks
    headInput = Array(repeating: 0, count: modules + 1)
    headWeight = headInput
    joinInput = headInput
    joinWeight = headInput
  }

  var isForwardDone: Bool { nextForward == units.count }
  var isBackwardDone: Bool { nextBackward < 0 }

  private func depth(_ unit: Int) -> Int { max(unit - stage.blocks + 1, 0) }
  private func hasHead(_ unit: Int) -> Bool { stage.isLast && unit >= stage.blocks - 1 }
  private func hidden(_ sizes: TrainedSizes) -> Int { sizes.work(sizes.hidden) }

  // MARK: Forward

  func attentionForward(_ tally: inout TrainedTally) {
    let unit = units[nextForward]
    if depth(nextForward) > 0 {
      join(unit, depth(nextForward), &tally)
    } else if nextForward == 0 && stage.isFirst {
      tally.make(hidden(unit.sizes))
    }
    unit.attentionForward(&tally)
    unit.endAttention(&tally, inputIsKept: !unit.sizes.isLow)
  }

  var forwardUnit: TrainedUnit { units[nextForward] }

  func finishCombine(_ tally: inout TrainedTally) {
    let unit = units[nextForward]
    unit.finishCombine(&tally)
    if hasHead(nextForward) { head(unit, depth(nextForward), &tally) }
    nextForward += 1
  }

  /// Norm, logits and loss; the output of the block, working memory, goes.
  private func head(_ unit: TrainedUnit, _ depth: Int, _ tally: inout TrainedTally) {
    let (sizes, low) = (unit.sizes, unit.sizes.isLow)
    let keepsNorms = !sizes.saves(.recomputeNorms)
    let work = hidden(sizes)
    tally.keep(4 * sizes.tokens)
    tally.make(work)
    let kept = sizes.stream(sizes.hidden)
    if low { tally.keep(kept) } else { tally.move(kept) }
    headInput[depth] = 4 * sizes.tokens + kept
    if keepsNorms {
      if low { tally.keep(kept) } else { tally.move(kept) }
      headWeight[depth] = kept
    }
    let logits = sizes.work(sizes.spec.vocabularySize)
    let keptLogits = sizes.stream(sizes.spec.vocabularySize)
    tally.make(logits)
    if low { tally.keep(keptLogits) } else { tally.move(logits) }
    headWeight[depth] += keptLogits
    if low { tally.free(logits + work) }
    if low || !keepsNorms { tally.free(work) }
  }

  /// The block's input from the hidden state before it and the embedding of a later token.
  private func join(_ unit: TrainedUnit, _ depth: Int, _ tally: inout TrainedTally) {
    let (sizes, before) = (unit.sizes, units[nextForward - 1].sizes)
    let (low, work) = (sizes.isLow, hidden(unit.sizes))
    // The head's norm again.
    let again = stage.joinsNormed && sizes.saves(.recomputeNorms)
    let source = again ? hidden(before) + 4 * before.tokens : 0
    tally.make(source)
    tally.make(2 * work)
    let kept = 2 * sizes.stream(sizes.hidden)
    if low { tally.keep(kept) } else { tally.move(kept) }
    tally.keep(8 * sizes.tokens)
    joinInput[depth] = kept + 8 * sizes.tokens
    var goes = low ? 2 * work : 0
    tally.make(2 * work)
    let operand = sizes.operand(2 * sizes.hidden)
    if sizes.isFP8 {
      tally.make(operand)
      tally.free(2 * work)
    }
    if sizes.saves(.recomputeNorms) {
      goes += sizes.isFP8 ? operand : 2 * work
    } else {
      if low && !sizes.isFP8 {
        tally.keep(operand)
        goes += 2 * work
      } else {
        tally.move(operand)
      }
      joinWeight[depth] = operand
    }
    tally.make(work)
    tally.free(goes + source)
  }

  // MARK: Backward

  /// Opens a block: through the head behind it, then COMBINE(B).
  func startCombineGradient(_ tally: inout TrainedTally) {
    let unit = units[nextBackward]
    if hasHead(nextBackward) { headBackward(unit, depth(nextBackward), &tally) }
    unit.startCombineGradient(&tally)
  }

  private func headBackward(_ unit: TrainedUnit, _ depth: Int, _ tally: inout TrainedTally) {
    let (sizes, work) = (unit.sizes, hidden(unit.sizes))
    tally.make(work)
    if sizes.saves(.recomputeNorms) {
      tally.keep(sizes.stream(sizes.hidden))
      if sizes.isLow { tally.touch(work) }
      headWeight[depth] += sizes.stream(sizes.hidden)
    }
    // What a module asked of the plain state becomes the gradient.
    let isGiven = asked > 0 && !stage.joinsNormed
    if !isGiven { tally.make(work) }
    tally.free(work + (isGiven ? 0 : asked))
    asked = 0
    tally.release(headInput[depth])
  }

  var backwardUnit: TrainedUnit { units[nextBackward] }

  /// MLP(W), with the head's.
  func mlpWeights(_ tally: inout TrainedTally, unit: Int) {
    if hasHead(unit) { tally.release(headWeight[depth(unit)]) }
    units[unit].mlpWeights(&tally)
  }

  /// ATTN(W), with the joining's.
  func attentionWeights(_ tally: inout TrainedTally, unit: Int) {
    units[unit].attentionWeights(&tally)
    tally.release(joinWeight[depth(unit)])
  }

  /// The unit that the backward is in.
  var unitNumber: Int { nextBackward }

  /// ATTN(B), and what stands before the block.
  func attentionBackward(_ tally: inout TrainedTally) {
    let unit = units[nextBackward]
    unit.residualGradient(&tally)
    unit.attentionBackward(&tally)
    let depth = depth(nextBackward)
    if depth > 0 {
      leaveModule(unit, depth, before: units[nextBackward - 1].sizes, &tally)
    } else if nextBackward == 0 && stage.isFirst {
      tally.free(hidden(unit.sizes))
    }
    nextBackward -= 1
  }

  private func leaveModule(
    _ unit: TrainedUnit, _ depth: Int, before: TrainedSizes, _ tally: inout TrainedTally
  ) {
    let (sizes, work) = (unit.sizes, hidden(unit.sizes))
    tally.touch(sizes.passingGradient(sizes.hidden))
    tally.make(2 * work)
    if sizes.saves(.recomputeNorms) {
      tally.keep(sizes.weightOperand(2 * sizes.hidden))
      if sizes.isLow { tally.touch(2 * work) }
      joinWeight[depth] += sizes.weightOperand(2 * sizes.hidden)
    }
    if sizes.isLow { tally.keep(sizes.gradient(sizes.hidden)) } else { tally.move(work) }
    joinWeight[depth] += sizes.gradient(sizes.hidden)
    tally.make(2 * work)
    tally.free(3 * work)
    tally.release(joinInput[depth])
    asked = hidden(before)
    tally.make(asked)
    tally.free(sizes.isLow ? 2 * work : work)
  }
}
