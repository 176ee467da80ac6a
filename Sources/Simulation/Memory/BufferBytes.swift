// Memory that belongs to no micro-batch for long: messages and exchange rows under way, the working
// space of the running component, tables. A rule, not a count: one of each is under way at once.

internal import ModelSpec
internal import Schedules

/// The buffers of a rank.
struct BufferBytes {
  let block: BlockActivations
  let schedule: Schedule
  let sequenceLength: Int

  /// - Parameters:
  ///   - layers: of all the rank's stages, MTP blocks included.
  ///   - workingSpace: of the half of a block that runs at the peak.
  func bytes(ofPipelineRank rank: Int, layers: [Int], workingSpace: Int) -> Int {
    let expertLayers = layers.count { block.spec.hasExperts(layer: $0) }
    let selectionBias = 4 * block.spec.routedExperts * expertLayers
    return messages(rank) + (expertLayers > 0 ? exchange : 0) + workingSpace + selectionBias
      + rotaryTables
  }

  /// At each end of each stage that has a neighbour: one hidden state and one gradient.
  private func messages(_ rank: Int) -> Int {
    let ends = schedule.stages(onRank: rank).reduce(0) {
      $0 + ($1 > 0 ? 1 : 0) + ($1 < schedule.stages - 1 ? 1 : 0)
    }
    return 2 * ends * block.bytes(block.spec.hiddenSize, block.plan.stream)
  }

  /// One dispatch beside one combine: what the rank relays in each, what it sends of the experts'
  /// outputs, and the sum that comes back. Received rows of a dispatch are activations.
  private var exchange: Int {
    guard block.layout.expert > 1 else { return 0 }
    let (hidden, rows, plan) = (block.spec.hiddenSize, block.rows, block.plan)
    return plan.operand.bytes(rows: rows.relayed, columns: hidden)
      + plan.stream.bytes(rows: rows.relayed + rows.received, columns: hidden)
      + block.bytes(hidden, plan.stream)
  }

  /// Cosine and sine for each position and pair of rotary columns.
  private var rotaryTables: Int {
    StorageFormat.fp32.bytes(rows: sequenceLength, columns: block.spec.ropeHeadDim)
  }
}
