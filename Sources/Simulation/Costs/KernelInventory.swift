// Which kernels each compute operation launches, for one model and layout.

internal import Fabric
internal import ModelSpec
internal import Workload

/// The lists of kernels by operation and pass.
struct KernelInventory: Sendable {
  let model: ModelSpec
  let sequenceLength: Int
  let precision: ProductPrecision
  let routed: RoutedExpertSizes

  init(
    model: ModelSpec, expertParallel: Int, sequenceLength: Int, precision: ProductPrecision
  ) {
    self.model = model
    self.sequenceLength = sequenceLength
    self.precision = precision
    routed = RoutedExpertSizes(model, expertParallel: expertParallel, precision: precision)
  }

  /// The kernels of an operation whose cost does not depend on routing; empty for a pass that
  /// launches nothing. The optimizer's go by parameters: `EndKernels.optimizer`.
  func kernels(_ kind: OperationKind, _ pass: Pass, tokens: Int) -> [LayerKernel] {
    let ends = EndKernels(model, tokens: tokens, precision: precision)
    switch (kind, pass) {
    case (.embedding, .forward): return ends.embeddingForward
    case (.embedding, .weight): return ends.embeddingWeight
    case (.attention, _):
      let attention = AttentionKernels(
        model, tokens: tokens, sequenceLength: sequenceLength, precision: precision)
      return select(pass, attention.forward, attention.input, attention.weight)
    case (.router, _):
      let router = RouterKernels(
        tokens: tokens, hidden: model.hiddenSize, experts: model.routedExperts,
        precision: precision)
      return select(pass, router.forward, router.input, [])
    case (.denseFeedForward, _):
      return feedForward(pass, tokens, width: model.denseIntermediateSize, castsInput: true)
    case (.sharedExperts, _):
      let width = model.sharedExperts * model.expertIntermediateSize
      return feedForward(pass, tokens, width: width, castsInput: false)
    case (.mtpJoin, _): return select(pass, ends.joinForward, ends.joinInput, ends.joinWeight)
    case (.head, _): return select(pass, ends.headForward, ends.headInput, ends.headWeight)
    default: return []
    }
  }

  func routedExperts(_ pass: Pass, _ rows: ExpertRows) -> [LayerKernel] {
    switch pass {
    case .forward: routed.forward(rows)
    case .input: routed.input(rows)
    case .weight: routed.weight(rows)
    case .update: []
    }
  }

  /// Kernels of the exchange stream in front of a transfer. The trace's layout kernel takes 74 to
  /// 142 us, on whatever SMs it finds; its least is taken.
  func exchangePreparation(_ kind: OperationKind, _ pass: Pass, tokens: Int) -> [LayerKernel] {
    var list = KernelList(precision)
    switch (kind, pass) {
    case (.dispatch, .forward):
      let share = Double(tokens) / TraceShape.tokens
      list.small("layout of the dispatch", launches: 1, microseconds: 74, share: share)
    case (.combine, .input): list.cast("cast output gradient", tokens * model.hiddenSize)
    default: break
    }
    return list.kernels
  }

  private func feedForward(
    _ pass: Pass, _ tokens: Int, width: Int, castsInput: Bool
  ) -> [LayerKernel] {
    guard width > 0 else { return [] }
    let part = FeedForwardKernels(
      tokens: tokens, hidden: model.hiddenSize, width: width, castsInput: castsInput,
      precision: precision)
    return select(pass, part.forward, part.input, part.weight)
  }

  private func select(
    _ pass: Pass, _ forward: [LayerKernel], _ input: [LayerKernel], _ weight: [LayerKernel]
  ) -> [LayerKernel] {
    switch pass {
    case .forward: forward
    case .input: input
    case .weight: weight
    case .update: []
    }
  }
}
