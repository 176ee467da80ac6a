// The backward of MLA: what was not kept is computed again first, by the same operations on the
// same numbers, so that recomputing changes no bit.

internal import Kernels
internal import ModelSpec

extension MultiHeadLatentAttention {
  /// Input half of x + attention(x): `dOutput` [tokens, hidden] is the sum's gradient; returns
  /// that of x. The weight half goes to `weights`.
  func backward(
    _ dOutput: Tensor, _ saved: AttentionActivations, sequences: Int, length: Int,
    weights: WeightGradients
  ) -> Tensor {
    weights.linear(outputProjection, TensorView(dOutput), saved.output)
    let dDown = Tensor(dOutput.rows, downProjection.outputs)
    upBackward(dOutput, saved, shape(sequences, length), into: dDown, weights)
    return downBackward(dDown, saved, residual: dOutput, weights)
  }

  /// Through all that stands behind the down-projections: fills the gradient of their output.
  private func upBackward(
    _ dOutput: Tensor, _ saved: AttentionActivations, _ shape: AttentionShape,
    into dDown: Tensor, _ weights: WeightGradients
  ) {
    let down = saved.down.load()
    let dKeyValue = Tensor(dOutput.rows, keyValueUp.outputs)
    let dQuery =
      queryUp == nil
      ? TensorView(dDown, columns: queryColumns)
      : TensorView(Tensor(dOutput.rows, spec.heads * spec.queryHeadDim))
    coreBackward(
      dOutput, saved, projections(saved, down.owner, length: shape.length), shape,
      dDown, dKeyValue, dQuery.matrix)

    if let queryNorm, let queryUp {
      latentBackward(
        dQuery, through: queryUp, queryNorm, saved.queryNormed, down.matrix.columns(queryColumns),
        saved.queryInverse, into: dDown.matrix.columns(queryColumns), weights)
    }
    latentBackward(
      TensorView(dKeyValue), through: keyValueUp, latentNorm, saved.latentNormed,
      down.matrix.columns(latentColumns), saved.latentInverse,
      into: dDown.matrix.columns(latentColumns), weights)
    arithmetic.round(dDown)
  }

  /// Through the down-projections and the norm before them, onto what flows past: the gradient of
  /// the block's input.
  private func downBackward(
    _ dDown: Tensor, _ saved: AttentionActivations, residual dOutput: Tensor,
    _ weights: WeightGradients
  ) -> Tensor {
    let input = saved.input.load()
    let gradient = TensorView(dDown)
    let dNormed = downProjection.inputGradient(downProjection.gradientOperand(gradient))
    let normed =
      saved.normed
      ?? downProjection.keepInput(
        norm(
          input.matrix, inputNorm, Float(spec.rmsNormEpsilon), Tensor(1, dOutput.rows)))
    weights.linear(downProjection, gradient, normed)
    let dx = Tensor(dOutput.rows, spec.hiddenSize)
    rmsNormInputGradient(
      dNormed.matrix, x: input.matrix, weight: inputNorm.value.base,
      inverse: saved.inverse.base, into: dx.matrix, residual: dOutput.matrix)
    arithmetic.round(dx)
    weights.norm(inputNorm, dNormed.matrix, input.matrix, saved.inverse)
    return dx
  }

  /// Queries, keys and values as the forward had them: kept, or from the latents again.
  private func projections(_ saved: AttentionActivations, _ down: Tensor, length: Int)
    -> Projections
  {
    guard let kept = saved.projected else {
      var norms = AttentionNorms(tokens: down.rows)
      return project(down, length: length, rotates: false, norms: &norms)
    }
    return Projections(
      query: kept.query?.load() ?? TensorView(down, columns: queryColumns),
      keyValue: kept.keyValue.load().owner, keys: kept.keys.load().owner)
  }

  /// Through an up-projection and the norm of its latent: `dLatent` gets the latent's gradient.
  private func latentBackward(
    _ dy: TensorView, through up: Linear, _ weight: Parameter, _ kept: KeptMatrix?,
    _ latent: Matrix, _ inverse: Tensor, into dLatent: Matrix, _ weights: WeightGradients
  ) {
    let dNormed = up.inputGradient(up.gradientOperand(dy))
    let normed =
      kept
      ?? up.keepInput(norm(latent, weight, Self.latentEpsilon, Tensor(1, latent.rows)))
    weights.linear(up, dy, normed)
    rmsNormInputGradient(
      dNormed.matrix, x: latent, weight: weight.value.base, inverse: inverse.base, into: dLatent)
    weights.norm(weight, dNormed.matrix, latent, inverse)
  }

  /// Through the output projection, the attention core and the rotations: fills dQuery, dKeyValue
  /// and the rotary columns of dDown.
  private func coreBackward(
    _ dOutput: Tensor, _ saved: AttentionActivations, _ projections: Projections,
    _ shape: AttentionShape, _ dDown: Tensor, _ dKeyValue: Tensor, _ dQuery: Matrix
  ) {
    let dCore = outputProjection.inputGradient(
      outputProjection.gradientOperand(TensorView(dOutput)))
    let (nope, rope) = (spec.nopeHeadDim, spec.ropeHeadDim)
    let rotaryGradient = dDown.matrix.columns(rotaryColumns)
    let output = saved.output.load()
    AttentionCore.backward(
      shape, q: projections.query.matrix, k: projections.keys.matrix,
      v: projections.keyValue.matrix, valueColumns: valueColumns, output: output.matrix,
      logSum: saved.logSum, dOutput: dCore.matrix, dQ: dQuery, dV: dKeyValue.matrix
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
    arithmetic.round(dKeyValue)
    arithmetic.round(dQuery)
  }
}
