// One micro-batch's way through one stage, component by component. `StagePass` keeps what the
// forward leaves for the backward; `StageForward` and `StageBackward` walk the stage's blocks and
// offer the four components of the report's figure 4 to whoever orders them.

package import Kernels
internal import ModelSpec

package final class StagePass {
  package let stage: Stage
  package let microBatch: MicroBatch
  let scales: LossScales
  /// No gradients are wanted (evaluation).
  package let forwardOnly: Bool
  let keepLogits: Bool
  let observer: (any PassObserver)?
  package internal(set) var losses = LossSums()
  var units: [BlockPass?]
  var heads: [HeadPass?]
  var joins: [MTPJoin?]

  package init(
    _ stage: Stage, _ microBatch: MicroBatch, scales: LossScales, forwardOnly: Bool = false,
    keepLogits: Bool = false, observer: (any PassObserver)? = nil
  ) {
    self.stage = stage
    self.microBatch = microBatch
    self.scales = scales
    self.forwardOnly = forwardOnly
    self.keepLogits = keepLogits
    self.observer = observer
    units = Array(repeating: nil, count: stage.unitCount)
    heads = Array(repeating: nil, count: stage.isLast ? 1 + stage.mtp.count : 0)
    joins = Array(repeating: nil, count: stage.mtp.count)
  }

  /// Logits [tokens, vocabulary] of the main model (0) or an MTP module, when kept.
  package func logits(depth: Int) -> Tensor? { heads[depth]?.logits }

  /// Which module a unit belongs to: 0 for the main layers, k for MTP module k.
  func depth(_ unit: Int) -> Int { max(unit - stage.blocks.count + 1, 0) }

  /// Whether a head follows the unit.
  func hasHead(_ unit: Int) -> Bool { stage.isLast && unit >= stage.blocks.count - 1 }

  /// Tells the observer of a component that stands before or behind a unit's block.
  func computes(
    _ component: StageComponent, _ half: PassHalf, _ unit: Int,
    leaving weights: WeightGradients? = nil
  ) {
    guard let observer else { return }
    let layer = component == .embedding ? -1 : stage.block(unit).layer
    let tokens = microBatch.sequences * microBatch.positions(depth: depth(unit))
    observer.computes(component, half, layer: layer, tokens: tokens)
    weights?.leave(component, layer: layer, tokens: tokens)
  }

  /// The first `positions(depth)` rows of each sequence of `source`, whose sequences have `from`.
  func selectRows(_ source: Tensor, from: Int, to: Int) -> Tensor {
    let selected = Tensor(microBatch.sequences * to, source.columns)
    for sequence in 0..<microBatch.sequences {
      (selected.base + sequence * to * source.columns).update(
        from: source.base + sequence * from * source.columns, count: to * source.columns)
    }
    return selected
  }

  /// The reverse: rows back to where they were taken from, zeros elsewhere.
  func spreadRows(_ source: Tensor, from: Int, to: Int) -> Tensor {
    let spread = Tensor.zeros(microBatch.sequences * to, source.columns)
    for sequence in 0..<microBatch.sequences {
      (spread.base + sequence * to * source.columns).update(
        from: source.base + sequence * from * source.columns, count: from * source.columns)
    }
    return spread
  }
}

/// The forward walk. Components of one block are called in the order of their declaration.
package final class StageForward {
  package let pass: StagePass
  private let stage: Stage
  private var unit = 0
  private var current: Tensor?

  /// `input`: the hidden state [tokens, hidden] from the stage before, nil on the first.
  package init(_ pass: StagePass, input: Tensor?) {
    self.pass = pass
    stage = pass.stage
    precondition(stage.isFirst == (input == nil), "the first stage takes tokens, others a tensor")
    current = input
  }

  package var isDone: Bool { unit == stage.unitCount }

  /// The hidden state for the next stage, once done; nil on the last.
  package var output: Tensor? { current }

  package func attention() {
    let depth = pass.depth(unit)
    let length = pass.microBatch.positions(depth: depth)
    let block = BlockPass(
      sequences: pass.microBatch.sequences, length: length, observer: pass.observer)
    pass.units[unit] = block
    stage.block(unit).attentionForward(blockInput(depth), block)
    addBalanceLoss(block)
  }

  package func startDispatch() throws { try stage.block(unit).startDispatch(blockPass) }
  package func sharedExperts() { stage.block(unit).feedForwardForward(blockPass) }
  package func finishDispatch() throws { try stage.block(unit).finishDispatch(blockPass) }
  package func routedExperts() { stage.block(unit).expertsForward(blockPass) }
  package func startCombine() throws { try stage.block(unit).startCombine(blockPass) }

  /// Ends the block, with the head behind it on the last stage, and moves on.
  package func finishCombine() throws {
    let output = try stage.block(unit).finishCombine(blockPass)
    if pass.forwardOnly { pass.units[unit] = nil }
    if pass.hasHead(unit) {
      runHead(output)
    } else {
      current = output
    }
    unit += 1
  }

  /// All components in order, nothing interleaved.
  package func run() throws {
    while !isDone {
      attention()
      try startDispatch()
      sharedExperts()
      try finishDispatch()
      routedExperts()
      try startCombine()
      try finishCombine()
    }
  }

  private var blockPass: BlockPass {
    guard let block = pass.units[unit] else { preconditionFailure("attention opens a block") }
    return block
  }

  private func blockInput(_ depth: Int) -> Tensor {
    let batch = pass.microBatch
    if depth > 0 {
      let module = stage.mtp[depth - 1]
      guard let before = pass.heads[depth - 1] else {
        preconditionFailure("an MTP module follows a head")
      }
      let source =
        module.convention == .released
        ? stage.head(depth - 1).normed(before).owner : before.input.load().owner
      let length = batch.positions(depth: depth)
      pass.computes(.mtpJoin, .forward, unit)
      let hidden = pass.selectRows(source, from: batch.positions(depth: depth - 1), to: length)
      let (input, saved) = module.join(hidden, tokens: batch.ids(ahead: depth, positions: length))
      pass.joins[depth - 1] = saved
      return input
    }
    if unit == 0, let embedding = stage.embedding {
      pass.computes(.embedding, .forward, unit)
      let ids = batch.ids(ahead: 0, positions: batch.length)
      let embedded = Tensor(ids.count, stage.spec.hiddenSize)
      embedding.gatherRows(ids[...], into: embedded.matrix)
      return embedded
    }
    // The block keeps what it needs of it.
    guard let input = take(&current) else { preconditionFailure("a block has an input") }
    return input
  }

  private func runHead(_ x: Tensor) {
    let depth = pass.depth(unit)
    let head = stage.head(depth)
    pass.computes(.head, .forward, unit)
    let scale = Float(depth == 0 ? pass.scales.main : pass.scales.mtp)
    let targets = pass.microBatch.targets(
      ahead: depth + 1, positions: pass.microBatch.positions(depth: depth))
    let result = head.forward(
      x, targets: targets, scale: pass.forwardOnly ? nil : scale, keepLogits: pass.keepLogits)
    pass.heads[depth] = result
    if depth == 0 { pass.losses.main += result.lossSum } else { pass.losses.mtp += result.lossSum }
  }

  private func addBalanceLoss(_ block: BlockPass) {
    guard let routing = block.routing, pass.scales.balance != 0 else { return }
    pass.losses.balance += BalanceLoss.evaluate(
      routing, sequences: block.sequences, weight: pass.scales.balance, addingTo: nil)
  }
}

/// The backward walk, last block first. What belongs to weights is left in `weights`.
package final class StageBackward {
  package let pass: StagePass
  package let weights: WeightGradients
  private let stage: Stage
  private var unit: Int
  /// Gradient of the current block's output, from the block or the stage after it.
  private var current: Tensor?
  /// What an MTP module asks of the head before it: of its normed or of its plain hidden state.
  private var normedGradient: Tensor?
  private var plainGradient: Tensor?

  /// `gradient`: of the stage's output, from the stage after it; nil on the last.
  package init(_ pass: StagePass, gradient: Tensor?, weights: WeightGradients) {
    self.pass = pass
    self.weights = weights
    weights.observer = pass.observer
    stage = pass.stage
    precondition(stage.isLast == (gradient == nil), "the last stage starts from the loss")
    current = gradient
    unit = stage.unitCount - 1
  }

  package var isDone: Bool { unit < 0 }

  /// The gradient for the stage before, once done; nil on the first.
  package var inputGradient: Tensor? { current }

  /// Opens a block: through the head behind it, then COMBINE(B).
  package func startCombine() throws {
    try stage.block(unit).startCombineGradient(outputGradient(), blockPass)
  }

  package func finishCombine() throws { try stage.block(unit).finishCombineGradient(blockPass) }
  package func mlpInput() { stage.block(unit).mlpBackward(blockPass, weights: weights) }
  package func startDispatch() throws { try stage.block(unit).startDispatchGradient(blockPass) }
  package func finishDispatch() throws { try stage.block(unit).finishDispatchGradient(blockPass) }

  /// ATTN(B), and what stands before the block: the embedding or an MTP module's joining.
  package func attentionInput() {
    let dx = stage.block(unit).attentionBackward(
      blockPass, balance: pass.scales.balance, weights: weights)
    pass.units[unit] = nil
    current = nil
    let depth = pass.depth(unit)
    if depth > 0 {
      leaveModule(depth, dx)
    } else if unit == 0, let embedding = stage.embedding {
      let batch = pass.microBatch
      // Added at once; see WeightGradients.
      pass.computes(.embedding, .weight, unit)
      let ids = batch.ids(ahead: 0, positions: batch.length)
      weights.embedding(embedding, dx, tokens: ids)
    } else {
      current = dx
    }
    unit -= 1
  }

  /// All input halves in order; `each` runs after the MLP and after the attention of a block.
  package func run(each: () -> Void) throws {
    while !isDone {
      try startCombine()
      try finishCombine()
      mlpInput()
      try startDispatch()
      each()
      try finishDispatch()
      attentionInput()
      each()
    }
  }

  private var blockPass: BlockPass {
    guard let block = pass.units[unit] else {
      preconditionFailure("a block's backward comes once, after its forward")
    }
    return block
  }

  private func outputGradient() -> Tensor {
    if pass.hasHead(unit) {
      let depth = pass.depth(unit)
      guard let saved = take(&pass.heads[depth]) else {
        preconditionFailure("a head's backward comes once, after its forward")
      }
      pass.computes(.head, .input, unit, leaving: weights)
      return stage.head(depth).backward(
        saved, normedGradient: take(&normedGradient), inputGradient: take(&plainGradient),
        weights: weights)
    }
    guard let gradient = take(&current) else { preconditionFailure("a block has a gradient") }
    return gradient
  }

  private func leaveModule(_ depth: Int, _ dx: Tensor) {
    guard let saved = take(&pass.joins[depth - 1]) else {
      preconditionFailure("a module's backward comes once, after its forward")
    }
    let module = stage.mtp[depth - 1]
    pass.computes(.mtpJoin, .input, unit, leaving: weights)
    let dHidden = module.joinBackward(dx, saved, weights: weights)
    let batch = pass.microBatch
    let spread = pass.spreadRows(
      dHidden, from: batch.positions(depth: depth), to: batch.positions(depth: depth - 1))
    if module.convention == .released { normedGradient = spread } else { plainGradient = spread }
  }
}
