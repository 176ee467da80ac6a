// The whole model in one process: one stage with every layer and every expert. The oracle that
// distributed training is compared with, and what `dsv3 evaluate` runs.

package import Kernels
package import ModelSpec

package final class Transformer {
  package let spec: ModelSpec
  package let store: ParameterStore
  package let stage: Stage

  /// All weights zero; `positions` is the longest sequence it will see. Under BF16 and FP8 the
  /// groups of the store are expanded, and `adoptValues()` follows when the weights are set.
  package init(
    _ spec: ModelSpec, convention: MTPConvention, positions: Int, numerics: Numerics = Numerics()
  ) {
    self.spec = spec
    let layers = 0..<spec.layers
    let experts = ModelParameters.blockLayers(spec, stage: layers).flatMap {
      ModelParameters.expertShapes(spec, layer: $0, experts: 0..<spec.routedExperts)
    }
    let shapes =
      [ModelParameters.embeddingShape(spec)]
      + ModelParameters.denseShapes(spec, stage: layers) + experts
    store = ParameterStore(
      groups: [ParameterGroup(label: "model", shapes: shapes, numerics: numerics)],
      numerics: numerics)
    stage = Stage(
      spec, layers: layers, convention: convention, store: store,
      rotary: RotaryEmbedding(spec, positions: positions),
      transport: LocalTransport(experts: spec.routedExperts))
  }

  /// What one evaluation gives.
  package struct Result {
    /// [tokens, vocabulary] of the main model, and of each MTP module.
    package var logits: Tensor
    package var mtpLogits: [Tensor]
    /// Mean over predicted tokens; MTP's divides by the main model's token count (eq. 24).
    package var mainLoss: Double
    package var mtpLoss: Double
    /// main + λ · mtp / depth (eq. 25)
    package var loss: Double
    /// Choices of experts by layer, for inspection.
    package var routings: [Int: Routing]
  }

  /// Loss and logits of a batch; with `gradients`, adds the loss's gradients to the store.
  package func evaluate(
    _ batch: MicroBatch, mtpWeight: Double, balanceWeight: Double = 0, gradients: Bool
  ) throws -> Result {
    let predicted = Double(
      max(batch.targets(ahead: 1, positions: batch.length).filter { $0 >= 0 }.count, 1))
    let depth = Double(max(spec.mtpDepth, 1))
    let scales = LossScales(
      main: 1 / predicted, mtp: mtpWeight / depth / predicted,
      balance: balanceWeight / Double(batch.sequences))
    let pass = StagePass(
      stage, batch, scales: scales, forwardOnly: !gradients, keepLogits: true)
    try StageForward(pass, input: nil).run()
    var routings: [Int: Routing] = [:]
    for (unit, block) in stage.allBlocks.enumerated() {
      routings[block.layer] = pass.units[unit]?.routing
    }
    let logits = (0...spec.mtpDepth).map { depth in
      guard let tensor = pass.logits(depth: depth) else {
        preconditionFailure("logits were asked for")
      }
      return tensor
    }
    if gradients {
      let weights = WeightGradients()
      try StageBackward(pass, gradient: nil, weights: weights).run { weights.perform() }
    }
    let main = pass.losses.main / predicted
    let mtp = pass.losses.mtp / predicted / depth
    return Result(
      logits: logits[0], mtpLogits: Array(logits.dropFirst()), mainLoss: main, mtpLoss: mtp,
      loss: main + mtpWeight * mtp + pass.losses.balance, routings: routings)
  }
}
