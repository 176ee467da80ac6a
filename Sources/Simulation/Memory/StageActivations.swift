// What a micro-batch leaves behind in one pipeline stage: its blocks, and on the last stage the
// head, and the MTP blocks with their joining and their heads (report section 2.2).

internal import ModelSpec

/// One block of a stage, in the two halves that an overlapped pair takes in turn.
package struct UnitActivations: Hashable, Sendable {
  /// Attention, with what stands before the block.
  package var attention: SavedTensors
  /// MLP or experts, with what stands behind the block.
  package var mlp: SavedTensors
}

/// The blocks of one stage, in the order of the forward pass.
package struct StageActivations: Hashable, Sendable {
  package let units: [UnitActivations]

  /// - Parameter layers: the stage's, of the main model.
  package init(layers: Range<Int>, _ block: BlockActivations) {
    let spec = block.spec
    let attention = block.attention()
    var units = layers.map {
      UnitActivations(
        attention: attention, mlp: block.mlp(hasExperts: spec.hasExperts(layer: $0)))
    }
    if layers.upperBound == spec.layers {
      block.keepHead(in: &units[units.count - 1].mlp)
      for module in 0..<spec.mtpDepth {
        var unit = UnitActivations(
          attention: attention,
          mlp: block.mlp(hasExperts: spec.hasExperts(layer: spec.layers + module)))
        block.keepJoin(in: &unit.attention)
        block.keepHead(in: &unit.mlp)
        units.append(unit)
      }
    }
    self.units = units
  }

  /// Bytes that a forward adds.
  package var kept: Int { units.reduce(0) { $0 + $1.attention.kept + $1.mlp.kept } }
}

extension BlockActivations {
  /// Norm, output head and loss. The gradient of the logits is made in the forward, where the
  /// logits are, and kept.
  func keepHead(in part: inout SavedTensors) {
    let hidden = bytes(spec.hiddenSize, plan.stream)
    part.keep("head input", hidden, .forwardToInput)
    part.keep("1 / rms of the head input", bytes(1, .fp32), .forwardToInput)
    part.keep("normed head input", hidden, normed)
    part.keep("logit gradient", bytes(spec.vocabularySize, plan.stream), .forwardToWeight)
    // The gradients of the normed and of the plain input.
    part.work(2 * hidden)
    if plan.stream != .fp32 {
      part.work(
        StorageFormat.fp32.bytes(
          rows: min(tokens, plan.logitChunk), columns: spec.vocabularySize))
    }
  }

  /// The norms and the projection before an MTP block.
  func keepJoin(in part: inout SavedTensors) {
    let hidden = bytes(spec.hiddenSize, plan.stream)
    part.keep("hidden state to join", hidden, .forwardToInput)
    part.keep("embedding to join", hidden, .forwardToInput)
    part.keep("1 / rms of both", 2 * bytes(1, .fp32), .forwardToInput)
    part.keep("joined input", bytes(2 * spec.hiddenSize, plan.operand), normed)
    part.keep("join's output gradient", bytes(spec.hiddenSize, plan.operand), .inputToWeight)
    part.work(2 * hidden)
  }
}
