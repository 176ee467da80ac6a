// Multi-head latent attention (report section 2.1.1, eq. 1–11): keys and values come from one
// compressed latent, the position from a decoupled rotary key shared by all heads, the query from
// a compressed latent of its own or directly.

internal import Kernels
internal import ModelSpec

/// What a forward leaves for its backward.
final class AttentionActivations {
  let input: Tensor
  /// The normed input [tokens, hidden] of the down-projections, with 1 / rms by row.
  let normed: Tensor
  let inverse: Tensor
  /// [query latent (or query) | key-value latent | rotary key], the rotary parts rotated.
  let down: Tensor
  var queryNormed: Tensor?
  let queryInverse: Tensor
  let query: TensorView
  let latentNormed: Tensor
  let latentInverse: Tensor
  /// [tokens, heads · (nope + value)]
  let keyValue: Tensor
  let keys: Tensor
  let output: Tensor
  let logSum: Tensor

  init(
    input: Tensor, normed: Tensor, inverse: Tensor, down: Tensor, queryNormed: Tensor?,
    queryInverse: Tensor, query: TensorView, latentNormed: Tensor, latentInverse: Tensor,
    keyValue: Tensor, keys: Tensor, output: Tensor, logSum: Tensor
  ) {
    self.input = input
    self.normed = normed
    self.inverse = inverse
    self.down = down
    self.queryNormed = queryNormed
    self.queryInverse = queryInverse
    self.query = query
    self.latentNormed = latentNormed
    self.latentInverse = latentInverse
    self.keyValue = keyValue
    self.keys = keys
    self.output = output
    self.logSum = logSum
  }
}

/// The attention half of a block, with the norm before it.
final class MultiHeadLatentAttention {
  let spec: ModelSpec
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
  private var queryColumns: Range<Int> {
    0..<(spec.queryCompression ?? spec.heads * spec.queryHeadDim)
  }
  private var latentColumns: Range<Int> {
    queryColumns.upperBound..<(queryColumns.upperBound + spec.keyValueCompression)
  }
  private var rotaryColumns: Range<Int> {
    latentColumns.upperBound..<(latentColumns.upperBound + spec.ropeHeadDim)
  }

  private func valueColumns(_ head: Int) -> Range<Int> {
    let start = head * (spec.nopeHeadDim + spec.valueHeadDim) + spec.nopeHeadDim
    return start..<(start + spec.valueHeadDim)
  }

  private func shape(_ sequences: Int, _ length: Int) -> AttentionShape {
    AttentionShape(
      sequences: sequences, length: length, heads: spec.heads, query: spec.queryHeadDim,
      value: spec.valueHeadDim, scale: rotary.softmaxScale)
  }

  /// x [sequences·length, hidden] → attention's output [tokens, hidden], residual not added.
  func forward(_ x: Tensor, sequences: Int, length: Int) -> (Tensor, AttentionActivations) {
    let tokens = x.rows
    let inverse = Tensor(1, tokens)
    let normed = Tensor(tokens, spec.hiddenSize)
    rmsNorm(
      x.matrix, weight: inputNorm.value.base, epsilon: Float(spec.rmsNormEpsilon),
      into: normed.matrix, inverse: inverse.base)
    let down = downProjection.forward(normed.matrix)

    let queryInverse = Tensor(1, tokens)
    var queryNormed: Tensor?
    let query: TensorView
    if let queryNorm, let queryUp {
      let latent = Tensor(tokens, queryColumns.count)
      rmsNorm(
        down.matrix.columns(queryColumns), weight: queryNorm.value.base,
        epsilon: Self.latentEpsilon, into: latent.matrix, inverse: queryInverse.base)
      queryNormed = latent
      query = TensorView(queryUp.forward(latent.matrix))
    } else {
      query = TensorView(down, columns: queryColumns)
    }

    let latentInverse = Tensor(1, tokens)
    let latentNormed = Tensor(tokens, spec.keyValueCompression)
    rmsNorm(
      down.matrix.columns(latentColumns), weight: latentNorm.value.base,
      epsilon: Self.latentEpsilon, into: latentNormed.matrix, inverse: latentInverse.base)
    let keyValue = keyValueUp.forward(latentNormed.matrix)
    let keys = assembleKeys(query.matrix, down, keyValue, length: length)

    let output = Tensor(tokens, spec.heads * spec.valueHeadDim)
    let logSum = Tensor(sequences * spec.heads, length)
    AttentionCore.forward(
      shape(sequences, length), q: query.matrix, k: keys.matrix, v: keyValue.matrix,
      valueColumns: valueColumns, output: output.matrix, logSum: logSum)
    let activations = AttentionActivations(
      input: x, normed: normed, inverse: inverse, down: down, queryNormed: queryNormed,
      queryInverse: queryInverse, query: query, latentNormed: latentNormed,
      latentInverse: latentInverse, keyValue: keyValue, keys: keys, output: output, logSum: logSum)
    return (outputProjection.forward(output.matrix), activations)
  }

  /// Rotates the query's and the key's rotary parts in place and lays out K [tokens, heads·query]:
  /// each head's own part, then the shared rotary part.
  private func assembleKeys(_ query: Matrix, _ down: Tensor, _ keyValue: Tensor, length: Int)
    -> Tensor
  {
    let (nope, rope) = (spec.nopeHeadDim, spec.ropeHeadDim)
    let keys = Tensor(down.rows, spec.heads * spec.queryHeadDim)
    for token in 0..<down.rows {
      let position = token % length
      let shared = down.matrix.row(token) + rotaryColumns.lowerBound
      rotary.rotate(shared, position: position)
      for head in 0..<spec.heads {
        rotary.rotate(query.row(token) + head * (nope + rope) + nope, position: position)
        let key = keys.matrix.row(token) + head * (nope + rope)
        key.update(
          from: keyValue.matrix.row(token) + head * (nope + spec.valueHeadDim), count: nope)
        (key + nope).update(from: shared, count: rope)
      }
    }
    return keys
  }

  /// Input half of x + attention(x): `dOutput` [tokens, hidden] is the sum's gradient; returns
  /// that of x. The weight half goes to `weights`.
  func backward(
    _ dOutput: Tensor, _ saved: AttentionActivations, sequences: Int, length: Int,
    weights: WeightGradients
  ) -> Tensor {
    let tokens = dOutput.rows
    let dCore = outputProjection.inputGradient(dOutput.matrix)
    weights.linear(outputProjection, TensorView(dOutput), TensorView(saved.output))

    let dDown = Tensor(tokens, downProjection.outputs)
    let dKeyValue = Tensor(tokens, keyValueUp.outputs)
    let dQuery =
      queryUp == nil
      ? TensorView(dDown, columns: queryColumns)
      : TensorView(Tensor(tokens, spec.heads * spec.queryHeadDim))
    coreBackward(dCore, saved, shape(sequences, length), dDown, dKeyValue, dQuery.matrix)

    if let queryNorm, let queryUp, let queryNormed = saved.queryNormed {
      let dLatent = queryUp.inputGradient(dQuery.matrix)
      weights.linear(queryUp, dQuery, TensorView(queryNormed))
      rmsNormInputGradient(
        dLatent.matrix, x: saved.down.matrix.columns(queryColumns),
        weight: queryNorm.value.base, inverse: saved.queryInverse.base,
        into: dDown.matrix.columns(queryColumns))
      weights.norm(
        queryNorm, dLatent.matrix, saved.down.matrix.columns(queryColumns), saved.queryInverse)
    }
    let dLatent = keyValueUp.inputGradient(dKeyValue.matrix)
    weights.linear(keyValueUp, TensorView(dKeyValue), TensorView(saved.latentNormed))
    rmsNormInputGradient(
      dLatent.matrix, x: saved.down.matrix.columns(latentColumns),
      weight: latentNorm.value.base, inverse: saved.latentInverse.base,
      into: dDown.matrix.columns(latentColumns))
    weights.norm(
      latentNorm, dLatent.matrix, saved.down.matrix.columns(latentColumns), saved.latentInverse)

    let dNormed = downProjection.inputGradient(dDown.matrix)
    weights.linear(downProjection, TensorView(dDown), TensorView(saved.normed))
    let dx = Tensor(tokens, spec.hiddenSize)
    rmsNormInputGradient(
      dNormed.matrix, x: saved.input.matrix, weight: inputNorm.value.base,
      inverse: saved.inverse.base, into: dx.matrix, residual: dOutput.matrix)
    weights.norm(inputNorm, dNormed.matrix, saved.input.matrix, saved.inverse)
    return dx
  }

  /// Through the attention core and the rotations: fills dQuery, dKeyValue and the rotary columns
  /// of dDown.
  private func coreBackward(
    _ dCore: Tensor, _ saved: AttentionActivations, _ shape: AttentionShape, _ dDown: Tensor,
    _ dKeyValue: Tensor, _ dQuery: Matrix
  ) {
    let (nope, rope) = (spec.nopeHeadDim, spec.ropeHeadDim)
    let rotaryGradient = dDown.matrix.columns(rotaryColumns)
    AttentionCore.backward(
      shape, q: saved.query.matrix, k: saved.keys.matrix, v: saved.keyValue.matrix,
      valueColumns: valueColumns, output: saved.output.matrix, logSum: saved.logSum,
      dOutput: dCore.matrix, dQ: dQuery, dV: dKeyValue.matrix
    ) { sequence, head, dK in
      let column = head * (nope + spec.valueHeadDim)
      for i in 0..<shape.length {
        let token = sequence * shape.length + i
        (dKeyValue.matrix.row(token) + column).update(from: dK.row(i), count: nope)
        let target = rotaryGradient.row(token)
        if head == 0 {
          target.update(from: dK.row(i) + nope, count: rope)
        } else {
          add(dK.row(i) + nope, to: target, count: rope)
        }
      }
    }
    for token in 0..<dCore.rows {
      let position = token % shape.length
      rotary.rotate(rotaryGradient.row(token), position: position, direction: -1)
      for head in 0..<spec.heads {
        rotary.rotate(
          dQuery.row(token) + head * (nope + rope) + nope, position: position, direction: -1)
      }
    }
  }
}
