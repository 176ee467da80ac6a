// Multi-head latent attention (report section 2.1.1, eq. 1–11): keys and values come from one
// compressed latent, the position from a decoupled rotary key shared by all heads, the query from
// a compressed latent of its own or directly.

internal import Kernels
internal import ModelSpec

/// What a forward leaves for its backward. What is computed again is nil.
final class AttentionActivations {
  let input: KeptMatrix
  /// 1 / rms of each row of the input and of the two latents.
  let inverse: Tensor
  let queryInverse: Tensor
  let latentInverse: Tensor
  /// Inputs of the down-projections and of the up-projections, as they took them.
  let normed: KeptMatrix?
  let queryNormed: KeptMatrix?
  let latentNormed: KeptMatrix?
  /// [query latent (or query) | key-value latent | rotary key], the rotary parts rotated.
  let down: KeptMatrix
  let projected: KeptProjections?
  /// Of the core [tokens, heads · value].
  let output: KeptMatrix
  let logSum: Tensor

  init(
    input: KeptMatrix, norms: AttentionNorms, keepsNorms: Bool, down: KeptMatrix,
    projected: KeptProjections?, output: KeptMatrix, logSum: Tensor
  ) {
    self.input = input
    inverse = norms.inverse
    queryInverse = norms.queryInverse
    latentInverse = norms.latentInverse
    normed = keepsNorms ? norms.normed : nil
    queryNormed = keepsNorms ? norms.queryNormed : nil
    latentNormed = keepsNorms ? norms.latentNormed : nil
    self.down = down
    self.projected = projected
    self.output = output
    self.logSum = logSum
    for tensor in [inverse, queryInverse, latentInverse] { tensor.count(as: .activations) }
  }
}

/// Outputs of the three norms of MLA, as kept, with 1 / rms by row.
struct AttentionNorms {
  let inverse: Tensor
  let queryInverse: Tensor
  let latentInverse: Tensor
  var normed: KeptMatrix?
  var queryNormed: KeptMatrix?
  var latentNormed: KeptMatrix?

  init(tokens: Int) {
    inverse = Tensor(1, tokens)
    queryInverse = Tensor(1, tokens)
    latentInverse = Tensor(1, tokens)
  }
}

/// Queries, keys and values, rotated. A query without compression is part of `down`.
struct Projections {
  let query: TensorView
  /// [tokens, heads · (nope + value)]
  let keyValue: Tensor
  /// [tokens, heads · query]: each head's own part, then the shared rotary part.
  let keys: Tensor
}

/// The same, kept. No query where it is part of `down`.
struct KeptProjections {
  let query: KeptMatrix?
  let keyValue: KeptMatrix
  let keys: KeptMatrix
}

/// The attention half of a block, with the norm before it.
final class MultiHeadLatentAttention {
  let spec: ModelSpec
  let arithmetic: Arithmetic
  let rotary: RotaryEmbedding
  let inputNorm: Parameter
  let downProjection: Linear
  let queryNorm: Parameter?
  let queryUp: Linear?
  let latentNorm: Parameter
  let keyValueUp: Linear
  let outputProjection: Linear

  /// Norms of the latents keep 1e-6 whatever the block norms have (as the reference code does).
  static let latentEpsilon: Float = 1e-6

  init(_ spec: ModelSpec, prefix: String, store: ParameterStore, rotary: RotaryEmbedding) {
    self.spec = spec
    self.rotary = rotary
    arithmetic = store.arithmetic
    let attention = prefix + "self_attn."
    inputNorm = store[prefix + "input_layernorm.weight"]
    if spec.queryCompression != nil {
      downProjection = store.linear(
        attention + "q_a_proj.weight", attention + "kv_a_proj_with_mqa.weight")
      queryNorm = store[attention + "q_a_layernorm.weight"]
      queryUp = store.linear(attention + "q_b_proj.weight")
    } else {
      downProjection = store.linear(
        attention + "q_proj.weight", attention + "kv_a_proj_with_mqa.weight")
      queryNorm = nil
      queryUp = nil
    }
    latentNorm = store[attention + "kv_a_layernorm.weight"]
    keyValueUp = store.linear(attention + "kv_b_proj.weight")
    outputProjection = store.linear(attention + "o_proj.weight")
  }

  /// Columns of `down`: query (latent), key-value latent, rotary key.
  var queryColumns: Range<Int> {
    0..<(spec.queryCompression ?? spec.heads * spec.queryHeadDim)
  }
  var latentColumns: Range<Int> {
    queryColumns.upperBound..<(queryColumns.upperBound + spec.keyValueCompression)
  }
  var rotaryColumns: Range<Int> {
    latentColumns.upperBound..<(latentColumns.upperBound + spec.ropeHeadDim)
  }

  func valueColumns(_ head: Int) -> Range<Int> {
    let start = head * (spec.nopeHeadDim + spec.valueHeadDim) + spec.nopeHeadDim
    return start..<(start + spec.valueHeadDim)
  }

  func shape(_ sequences: Int, _ length: Int) -> AttentionShape {
    AttentionShape(
      sequences: sequences, length: length, heads: spec.heads, query: spec.queryHeadDim,
      value: spec.valueHeadDim, scale: rotary.softmaxScale)
  }

  /// x [sequences·length, hidden] → attention's output [tokens, hidden], residual not added.
  func forward(_ x: Tensor, sequences: Int, length: Int) -> (Tensor, AttentionActivations) {
    let input = arithmetic.keep(x)
    var norms = AttentionNorms(tokens: x.rows)
    let logSum = Tensor(sequences * spec.heads, length, for: .activations)
    let (output, down, projected) = core(
      x, shape(sequences, length), logSum: logSum, norms: &norms)
    let activations = AttentionActivations(
      input: input, norms: norms, keepsNorms: !arithmetic.saves(.recomputeNorms),
      down: down, projected: projected, output: arithmetic.keepAttentionOutput(output),
      logSum: logSum)
    return (outputProjection.forward(outputProjection.operand(output)), activations)
  }

  /// The output of the attention core, with what is kept on the way to it.
  private func core(
    _ x: Tensor, _ shape: AttentionShape, logSum: Tensor, norms: inout AttentionNorms
  ) -> (output: Tensor, down: KeptMatrix, projected: KeptProjections?) {
    let (down, projections) = projections(of: x, length: shape.length, norms: &norms)
    let projected =
      arithmetic.saves(.recomputeUpProjections) ? nil : keep(projections)
    let output = Tensor(x.rows, spec.heads * spec.valueHeadDim)
    AttentionCore.forward(
      shape, q: projections.query.matrix, k: projections.keys.matrix,
      v: projections.keyValue.matrix, valueColumns: valueColumns, output: output.matrix,
      logSum: logSum)
    arithmetic.round(output)
    return (output, down, projected)
  }

  private func projections(of x: Tensor, length: Int, norms: inout AttentionNorms)
    -> (down: KeptMatrix, Projections)
  {
    let down = downProjected(x, norms: &norms)
    let projections = project(down, length: length, rotates: true, norms: &norms)
    return (arithmetic.keep(down), projections)
  }

  private func downProjected(_ x: Tensor, norms: inout AttentionNorms) -> Tensor {
    let normed = downProjection.operand(
      norm(x.matrix, inputNorm, Float(spec.rmsNormEpsilon), norms.inverse))
    if !arithmetic.saves(.recomputeNorms) { norms.normed = arithmetic.keep(normed) }
    return downProjection.forward(normed)
  }

  /// RMSNorm of x, in BF16 if activations are; keeps 1 / rms by row in `inverse`.
  func norm(_ x: Matrix, _ weight: Parameter, _ epsilon: Float, _ inverse: Tensor) -> Tensor {
    let normed = Tensor(x.rows, x.columns)
    rmsNorm(
      x, weight: weight.value.base, epsilon: epsilon, into: normed.matrix, inverse: inverse.base)
    arithmetic.round(normed)
    return normed
  }

  private func keep(_ projections: Projections) -> KeptProjections {
    KeptProjections(
      query: queryUp == nil ? nil : arithmetic.keep(projections.query),
      keyValue: arithmetic.keep(projections.keyValue), keys: arithmetic.keep(projections.keys))
  }

  /// Queries, keys and values from the latents. With `rotates` the rotary parts of `down` are
  /// rotated in place; without, they were before.
  func project(_ down: Tensor, length: Int, rotates: Bool, norms: inout AttentionNorms)
    -> Projections
  {
    let keepsNorms = !arithmetic.saves(.recomputeNorms)
    let query: TensorView
    if let queryNorm, let queryUp {
      let latent = queryUp.operand(
        norm(
          down.matrix.columns(queryColumns), queryNorm, Self.latentEpsilon, norms.queryInverse))
      if keepsNorms { norms.queryNormed = arithmetic.keep(latent) }
      query = TensorView(queryUp.forward(latent))
    } else {
      query = TensorView(down, columns: queryColumns)
    }
    let latent = keyValueUp.operand(
      norm(
        down.matrix.columns(latentColumns), latentNorm, Self.latentEpsilon, norms.latentInverse))
    if keepsNorms { norms.latentNormed = arithmetic.keep(latent) }
    let keyValue = keyValueUp.forward(latent)
    if rotates { rotate(down.matrix.columns(rotaryColumns), length: length) }
    if rotates || queryUp != nil { rotateQueries(query.matrix, length: length) }
    return Projections(
      query: query, keyValue: keyValue, keys: assembleKeys(down, keyValue))
  }

  /// The shared rotary key, in place.
  private func rotate(_ shared: Matrix, length: Int) {
    for token in 0..<shared.rows { rotary.rotate(shared.row(token), position: token % length) }
    arithmetic.round(shared)
  }

  /// The rotary part of every head's query, in place.
  private func rotateQueries(_ query: Matrix, length: Int) {
    for token in 0..<query.rows {
      for head in 0..<spec.heads {
        rotary.rotate(
          query.row(token) + head * spec.queryHeadDim + spec.nopeHeadDim,
          position: token % length)
      }
    }
    arithmetic.round(query)
  }

  /// Lays out K [tokens, heads·query]: each head's own part, then the shared rotary part.
  private func assembleKeys(_ down: Tensor, _ keyValue: Tensor) -> Tensor {
    let (nope, rope) = (spec.nopeHeadDim, spec.ropeHeadDim)
    let keys = Tensor(down.rows, spec.heads * spec.queryHeadDim)
    for token in 0..<down.rows {
      let shared = down.matrix.row(token) + rotaryColumns.lowerBound
      for head in 0..<spec.heads {
        let key = keys.matrix.row(token) + head * (nope + rope)
        key.update(
          from: keyValue.matrix.row(token) + head * (nope + spec.valueHeadDim), count: nope)
        (key + nope).update(from: shared, count: rope)
      }
    }
    return keys
  }
}
