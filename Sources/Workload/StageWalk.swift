// A micro-batch's way through one stage, component by component, in the trainer's order: the twin,
// without numbers, of the model's forward and backward walk (Model/StagePass).

package import ModelSpec
internal import Schedules

/// The blocks of one stage, with what stands before and behind them.
package struct StageBlocks: Hashable, Sendable {
  package struct Block: Hashable, Sendable {
    /// MTP blocks follow the main layers.
    package var layer: Int
    package var hasExperts: Bool
    /// A dense FFN, or shared experts beside the routed ones.
    package var hasFeedForward: Bool
    /// The embedding stands before it, or an MTP module's joining.
    package var embeds: Bool
    package var joins: Bool
    /// A head stands behind it.
    package var hasHead: Bool
  }

  package var blocks: [Block]

  /// - Parameters:
  ///   - layers: of the main model; a stage that ends with the last one has head and MTP blocks.
  ///   - exchanges: whether experts are spread over ranks.
  package init(_ spec: ModelSpec, layers: Range<Int>) {
    let isLast = layers.upperBound == spec.layers
    let all = Array(layers) + (isLast ? Array(spec.layers..<spec.layers + spec.mtpDepth) : [])
    blocks = all.map { layer in
      Block(
        layer: layer, hasExperts: spec.hasExperts(layer: layer),
        hasFeedForward: !spec.hasExperts(layer: layer) || spec.sharedExperts > 0,
        embeds: layer == 0, joins: layer >= spec.layers,
        hasHead: isLast && layer >= spec.layers - 1)
    }
  }
}

/// Writes the components of one micro-batch in one stage.
struct StageWalk {
  let blocks: [StageBlocks.Block]
  let cell: Cell
  let shape: StepShape
  /// Whether experts are on other ranks, so that there is something to exchange.
  let exchanges: Bool
  private var unit: Int

  init(forward blocks: StageBlocks, _ cell: Cell, _ shape: StepShape, exchanges: Bool) {
    self.blocks = blocks.blocks
    self.cell = cell
    self.shape = shape
    self.exchanges = exchanges
    unit = 0
  }

  init(backward blocks: StageBlocks, _ cell: Cell, _ shape: StepShape, exchanges: Bool) {
    self.init(forward: blocks, cell, shape, exchanges: exchanges)
    unit = self.blocks.count - 1
  }

  private var block: StageBlocks.Block { blocks[unit] }
  private var tokens: Int { shape.tokens(layer: block.layer) }

  // MARK: Forward

  var isForwardDone: Bool { unit == blocks.count }

  func attention(_ writer: inout OperationWriter) {
    if block.embeds {
      writer.compute(.embedding, .forward, cell: cell, tokens: tokens)
    }
    if block.joins {
      writer.compute(.mtpJoin, .forward, layer: block.layer, cell: cell, tokens: tokens)
    }
    writer.compute(.attention, .forward, layer: block.layer, cell: cell, tokens: tokens)
    if block.hasExperts {
      writer.compute(.router, .forward, layer: block.layer, cell: cell, tokens: tokens)
    }
  }

  func start(_ kind: OperationKind, _ pass: Pass, _ writer: inout OperationWriter) {
    guard exchanges && block.hasExperts else { return }
    writer.start(kind, pass, layer: block.layer, cell: cell, tokens: tokens)
  }

  func finish(_ kind: OperationKind, _ pass: Pass, _ writer: inout OperationWriter) {
    guard exchanges && block.hasExperts else { return }
    writer.finish(kind, pass, layer: block.layer, cell: cell)
  }

  func feedForward(_ writer: inout OperationWriter) {
    guard block.hasFeedForward else { return }
    writer.compute(
      block.hasExperts ? .sharedExperts : .denseFeedForward, .forward, layer: block.layer,
      cell: cell, tokens: tokens)
  }

  func routedExperts(_ writer: inout OperationWriter) {
    guard block.hasExperts else { return }
    writer.compute(.routedExperts, .forward, layer: block.layer, cell: cell, tokens: tokens)
  }

  mutating func finishCombine(_ writer: inout OperationWriter) {
    finish(.combine, .forward, &writer)
    if block.hasHead {
      writer.compute(.head, .forward, layer: block.layer, cell: cell, tokens: tokens)
    }
    unit += 1
  }

  mutating func runForward(_ writer: inout OperationWriter) {
    while !isForwardDone {
      attention(&writer)
      start(.dispatch, .forward, &writer)
      feedForward(&writer)
      finish(.dispatch, .forward, &writer)
      routedExperts(&writer)
      start(.combine, .forward, &writer)
      finishCombine(&writer)
    }
  }

  // MARK: Backward

  var isBackwardDone: Bool { unit < 0 }

  func startCombineGradient(_ writer: inout OperationWriter) {
    if block.hasHead {
      writer.computeInput(.head, layer: block.layer, cell: cell, tokens: tokens)
    }
    start(.combine, .input, &writer)
  }

  func mlpInput(_ writer: inout OperationWriter) {
    if block.hasFeedForward {
      writer.computeInput(
        block.hasExperts ? .sharedExperts : .denseFeedForward, layer: block.layer, cell: cell,
        tokens: tokens)
    }
    if block.hasExperts {
      writer.computeInput(.routedExperts, layer: block.layer, cell: cell, tokens: tokens)
    }
  }

  mutating func attentionInput(_ writer: inout OperationWriter) {
    if block.hasExperts {
      writer.computeInput(.router, layer: block.layer, cell: cell, tokens: tokens)
    }
    writer.computeInput(.attention, layer: block.layer, cell: cell, tokens: tokens)
    if block.joins {
      writer.computeInput(.mtpJoin, layer: block.layer, cell: cell, tokens: tokens)
    }
    if block.embeds { writer.compute(.embedding, .weight, cell: cell, tokens: tokens) }
    unit -= 1
  }

  mutating func runBackward(weights: Bool, _ writer: inout OperationWriter) {
    while !isBackwardDone {
      startCombineGradient(&writer)
      finish(.combine, .input, &writer)
      mlpInput(&writer)
      start(.dispatch, .input, &writer)
      if weights { writer.performWeights(cell) }
      finish(.dispatch, .input, &writer)
      attentionInput(&writer)
      if weights { writer.performWeights(cell) }
    }
  }

  // MARK: The overlapped pair (figure 4)

  static func runPair(
    _ forward: inout StageWalk, _ backward: inout StageWalk, _ writer: inout OperationWriter
  ) {
    while !backward.isBackwardDone && !forward.isForwardDone {
      backward.startCombineGradient(&writer)
      forward.attention(&writer)
      forward.start(.dispatch, .forward, &writer)
      backward.finish(.combine, .input, &writer)
      backward.mlpInput(&writer)
      backward.start(.dispatch, .input, &writer)
      writer.performWeights(backward.cell)

      forward.feedForward(&writer)
      forward.finish(.dispatch, .forward, &writer)
      forward.routedExperts(&writer)
      forward.start(.combine, .forward, &writer)

      backward.finish(.dispatch, .input, &writer)
      backward.attentionInput(&writer)
      writer.performWeights(backward.cell)
      forward.finishCombine(&writer)
    }
    forward.runForward(&writer)
    backward.runBackward(weights: true, &writer)
  }
}
