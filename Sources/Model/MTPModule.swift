// Multi-token prediction (report section 2.2, eq. 21–25): module k joins the hidden state of the
// model before it with the embedding of the token k places ahead, runs one block, and predicts the
// token k + 1 ahead with the main model's output head.

internal import Kernels
internal import ModelSpec

/// What joining leaves for its backward.
final class MTPJoin {
  let hidden: KeptMatrix
  let hiddenInverse: Tensor
  let embedded: KeptMatrix
  let embeddedInverse: Tensor
  /// [tokens, 2·hidden], both norms side by side in the convention's order, as the projection took
  /// them; nil: computed again.
  var joined: KeptMatrix?
  let tokens: [Int32]

  init(hidden: KeptMatrix, embedded: KeptMatrix, tokens: [Int32]) {
    self.hidden = hidden
    self.embedded = embedded
    self.tokens = tokens
    hiddenInverse = Tensor(1, hidden.rows, for: .activations)
    embeddedInverse = Tensor(1, hidden.rows, for: .activations)
  }
}

final class MTPModule {
  /// k, 1-based.
  let depth: Int
  let convention: MTPConvention
  let spec: ModelSpec
  let hiddenNorm: Parameter
  let embeddingNorm: Parameter
  let projection: Linear
  let embedding: Parameter
  let block: TransformerBlock
  let head: LanguageModelHead
  private var arithmetic: Arithmetic { projection.arithmetic }

  init(
    _ spec: ModelSpec, depth: Int, convention: MTPConvention, store: ParameterStore,
    rotary: RotaryEmbedding, transport: any ExpertTransport
  ) {
    self.depth = depth
    self.convention = convention
    self.spec = spec
    let layer = spec.layers + depth - 1
    let prefix = "model.layers.\(layer)."
    hiddenNorm = store[prefix + "hnorm.weight"]
    embeddingNorm = store[prefix + "enorm.weight"]
    projection = store.linear(prefix + "eh_proj.weight")
    embedding = store["model.embed_tokens.weight"]
    block = TransformerBlock(
      spec, layer: layer, store: store, rotary: rotary, transport: transport)
    head = LanguageModelHead(
      norm: store[prefix + "shared_head.norm.weight"], output: store.linear("lm_head.weight"),
      epsilon: spec.rmsNormEpsilon)
  }

  private var hiddenColumns: Range<Int> {
    convention == .report ? 0..<spec.hiddenSize : spec.hiddenSize..<2 * spec.hiddenSize
  }
  private var embeddingColumns: Range<Int> {
    convention == .report ? spec.hiddenSize..<2 * spec.hiddenSize : 0..<spec.hiddenSize
  }

  /// hidden [tokens, hidden] of the positions this module predicts from, `tokens` the ids that are
  /// `depth` places ahead of them → the block's input.
  func join(_ hidden: Tensor, tokens: [Int32]) -> (Tensor, MTPJoin) {
    let embedded = Tensor(tokens.count, spec.hiddenSize)
    embedding.gatherRows(tokens[...], into: embedded.matrix)
    let saved = MTPJoin(
      hidden: arithmetic.keep(hidden), embedded: arithmetic.keep(embedded), tokens: tokens)
    let joined = projection.operand(joinNorms(hidden.matrix, embedded.matrix, saved))
    if !arithmetic.saves(.recomputeNorms) { saved.joined = arithmetic.keep(joined) }
    return (projection.forward(joined), saved)
  }

  /// Both norms side by side [tokens, 2·hidden].
  private func joinNorms(_ hidden: Matrix, _ embedded: Matrix, _ saved: MTPJoin) -> Tensor {
    let joined = Tensor(hidden.rows, 2 * hidden.columns)
    let epsilon = Float(spec.rmsNormEpsilon)
    rmsNorm(
      hidden, weight: hiddenNorm.value.base, epsilon: epsilon,
      into: joined.matrix.columns(hiddenColumns), inverse: saved.hiddenInverse.base)
    rmsNorm(
      embedded, weight: embeddingNorm.value.base, epsilon: epsilon,
      into: joined.matrix.columns(embeddingColumns), inverse: saved.embeddedInverse.base)
    arithmetic.round(joined)
    return joined
  }

  /// The gradient of the hidden state [tokens, hidden]; the embedding's goes to the weight half.
  func joinBackward(_ dx: Tensor, _ saved: MTPJoin, weights: WeightGradients) -> Tensor {
    let (hidden, embedded) = (saved.hidden.load(), saved.embedded.load())
    let dJoined = projection.inputGradient(projection.gradientOperand(TensorView(dx)))
    weights.linear(
      projection, TensorView(dx),
      saved.joined
        ?? projection.keepInput(joinNorms(hidden.matrix, embedded.matrix, saved)))
    func through(_ norm: Parameter, _ columns: Range<Int>, _ x: TensorView, _ inverse: Tensor)
      -> Tensor
    {
      let gradient = Tensor(x.matrix.rows, x.matrix.columns)
      rmsNormInputGradient(
        dJoined.matrix.columns(columns), x: x.matrix, weight: norm.value.base,
        inverse: inverse.base, into: gradient.matrix)
      arithmetic.round(gradient)
      weights.norm(norm, dJoined.matrix.columns(columns), x.matrix, inverse)
      return gradient
    }
    let dEmbedded = through(embeddingNorm, embeddingColumns, embedded, saved.embeddedInverse)
    weights.embedding(embedding, dEmbedded, tokens: saved.tokens)
    return through(hiddenNorm, hiddenColumns, hidden, saved.hiddenInverse)
  }
}
