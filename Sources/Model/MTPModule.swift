// Multi-token prediction (report section 2.2, eq. 21–25): module k joins the hidden state of the
// model before it with the embedding of the token k places ahead, runs one block, and predicts the
// token k + 1 ahead with the main model's output head.

internal import Kernels
internal import ModelSpec

/// What joining leaves for its backward.
final class MTPJoin {
  let hidden: Tensor
  let hiddenInverse: Tensor
  let embedded: Tensor
  let embeddedInverse: Tensor
  /// [tokens, 2·hidden], both norms side by side in the convention's order.
  let joined: Tensor
  let tokens: [Int32]

  init(hidden: Tensor, embedded: Tensor, tokens: [Int32]) {
    self.hidden = hidden
    self.embedded = embedded
    self.tokens = tokens
    hiddenInverse = Tensor(1, hidden.rows)
    embeddedInverse = Tensor(1, hidden.rows)
    joined = Tensor(hidden.rows, 2 * hidden.columns)
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
    gatherRows(embedding.value, tokens[...], into: embedded.matrix)
    let saved = MTPJoin(hidden: hidden, embedded: embedded, tokens: tokens)
    let epsilon = Float(spec.rmsNormEpsilon)
    rmsNorm(
      hidden.matrix, weight: hiddenNorm.value.base, epsilon: epsilon,
      into: saved.joined.matrix.columns(hiddenColumns), inverse: saved.hiddenInverse.base)
    rmsNorm(
      embedded.matrix, weight: embeddingNorm.value.base, epsilon: epsilon,
      into: saved.joined.matrix.columns(embeddingColumns), inverse: saved.embeddedInverse.base)
    return (projection.forward(saved.joined.matrix), saved)
  }

  /// The gradient of the hidden state [tokens, hidden]; the embedding's goes to the weight half.
  func joinBackward(_ dx: Tensor, _ saved: MTPJoin, weights: WeightGradients) -> Tensor {
    let dJoined = projection.inputGradient(dx.matrix)
    weights.linear(projection, TensorView(dx), TensorView(saved.joined))
    func through(_ norm: Parameter, _ columns: Range<Int>, _ x: Tensor, _ inverse: Tensor)
      -> Tensor
    {
      let gradient = Tensor(x.rows, x.columns)
      rmsNormInputGradient(
        dJoined.matrix.columns(columns), x: x.matrix, weight: norm.value.base,
        inverse: inverse.base, into: gradient.matrix)
      weights.norm(norm, dJoined.matrix.columns(columns), x.matrix, inverse)
      return gradient
    }
    let dEmbedded = through(
      embeddingNorm, embeddingColumns, saved.embedded, saved.embeddedInverse)
    weights.embedding(embedding, dEmbedded, tokens: saved.tokens)
    return through(hiddenNorm, hiddenColumns, saved.hidden, saved.hiddenInverse)
  }
}
