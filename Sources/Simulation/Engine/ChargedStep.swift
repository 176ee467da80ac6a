// Whose shapes a step is charged at: the run's own, or those of a larger model with as many layers
// and longer sequences, so that a small run's virtual clock shows a large model's times.

package import Fabric
package import ModelSpec
package import Workload

/// The model, precision and lengths that the virtual clock charges for a run's operations.
package struct ChargedStep: Sendable {
  /// With the run's layers, so that every operation has a layer of its kind.
  package let model: ModelSpec
  package let run: ModelSpec
  package let sequenceLength: Int
  package let shape: StepShape
  package let precision: ProductPrecision

  /// - Parameters:
  ///   - run: the model that the operations are of.
  ///   - model: whose shapes they are charged at.
  ///   - sequenceLength: tokens that a sequence is charged as.
  package init(
    run: ModelSpec, as model: ModelSpec, sequenceLength: Int, shape: StepShape,
    precision: ProductPrecision
  ) {
    var charged = model
    charged.layers = run.layers
    charged.denseLayers = run.denseLayers
    charged.mtpDepth = run.mtpDepth
    self.model = charged
    self.run = run
    self.sequenceLength = sequenceLength
    self.shape = shape
    self.precision = precision
  }

  /// Tokens that a micro-batch is charged as.
  package var tokens: Int { sequenceLength * shape.sequences }

  /// Rows that `rows` of the run's are charged as.
  func charged(rows: Int) -> Int { rows * sequenceLength / shape.sequenceLength }

  /// (token, expert) pairs that `pairs` of the run's are charged as.
  func charged(pairs: Int) -> Int {
    pairs * (sequenceLength * model.expertsPerToken)
      / (shape.sequenceLength * shape.expertsPerToken)
  }

  /// Weights that a group of the run's is charged as: routed experts and others each in proportion
  /// to what the models have of them. Exact for a run that is charged at its own shapes.
  func charged(_ group: ParameterGroup) -> Int {
    guard model != run else { return group.elements }
    let (own, other) = (Self.elements(run), Self.elements(model))
    let factor =
      group.sameExpertPlace
      ? Double(other.experts) / Double(own.experts) : Double(other.dense) / Double(own.dense)
    return Int((Double(group.elements) * factor).rounded())
  }

  /// Weights of all layers by kind, as (routed experts, everything else).
  private static func elements(_ spec: ModelSpec) -> (experts: Int, dense: Int) {
    let all = ParameterCensus(spec, sequenceLength: 1).total.parameters
    var experts = 0
    for layer in 0..<spec.layers + spec.mtpDepth where spec.hasExperts(layer: layer) {
      experts += spec.routedExperts * 3 * spec.hiddenSize * spec.expertIntermediateSize
    }
    return (max(experts, 1), max(all - experts, 1))
  }

  /// FLOPs of one token's forward and backward, recomputation not counted (PaLM, appendix B).
  func flopsPerToken(causal: Bool) -> Int {
    ParameterCensus(model, sequenceLength: sequenceLength).total
      .forwardBackwardFLOPs(causal: causal)
  }
}
