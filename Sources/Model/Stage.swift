// A stage: the run of layers that one pipeline rank holds as one chunk, with the embedding in
// front on the first stage and the head and the MTP modules behind on the last. The whole model in
// one process is the one stage that is first and last.

internal import Kernels
package import ModelSpec

/// One micro-batch of token ids.
package struct MicroBatch: Sendable {
  package let sequences: Int
  /// Positions of a sequence that the main model runs on.
  package let length: Int
  /// Token ids of each sequence, [sequences, known] with known ≥ length.
  package let tokens: [Int32]
  /// The wanted id of each token place, [sequences, known]: the place's own id, or negative where
  /// nobody should be asked to predict it.
  package let labels: [Int32]

  package init(sequences: Int, length: Int, tokens: [Int32], labels: [Int32]? = nil) {
    precondition(tokens.count % max(sequences, 1) == 0, "sequences of equal length")
    self.sequences = sequences
    self.length = length
    self.tokens = tokens
    self.labels = labels ?? tokens
    precondition(known >= length, "a sequence has a token for each position")
  }

  package var known: Int { tokens.count / sequences }

  /// Positions that MTP module `depth` predicts from; 0 is the main model.
  func positions(depth: Int) -> Int { depth == 0 ? length : max(known - 1 - depth, 0) }

  /// Ids `ahead` places after each of the first `positions` places.
  func ids(ahead: Int, positions: Int) -> [Int32] { shifted(tokens, ahead, positions) }

  /// Labels for predicting `ahead` places after each of the first `positions` places.
  func targets(ahead: Int, positions: Int) -> [Int32] { shifted(labels, ahead, positions) }

  private func shifted(_ source: [Int32], _ ahead: Int, _ positions: Int) -> [Int32] {
    var result: [Int32] = []
    result.reserveCapacity(sequences * positions)
    for sequence in 0..<sequences {
      for position in 0..<positions {
        let place = position + ahead
        result.append(place < known ? source[sequence * known + place] : -1)
      }
    }
    return result
  }
}

/// What each part of the loss is multiplied by before it is summed over micro-batches and ranks.
package struct LossScales: Sendable {
  /// 1 / (predicted tokens of the global batch).
  package var main: Double
  /// λ / (depth · predicted tokens), eq. 24–25.
  package var mtp: Double
  /// α / (sequences of the global batch), eq. 17.
  package var balance: Double

  package init(main: Double, mtp: Double, balance: Double) {
    self.main = main
    self.mtp = mtp
    self.balance = balance
  }
}

/// Losses of one micro-batch on the last stage (and the balance loss of any stage), as sums.
package struct LossSums: Sendable {
  /// Cross-entropy summed over tokens.
  package var main = 0.0
  /// MTP cross-entropy summed over tokens and modules.
  package var mtp = 0.0
  /// α-weighted balance loss, already scaled.
  package var balance = 0.0

  package init() {}
}

package final class Stage {
  let spec: ModelSpec
  package let layers: Range<Int>
  let embedding: Parameter?
  let blocks: [TransformerBlock]
  let head: LanguageModelHead?
  let mtp: [MTPModule]

  /// `layers` of the main model; the first stage embeds, the last has head and MTP modules.
  package init(
    _ spec: ModelSpec, layers: Range<Int>, convention: MTPConvention, store: ParameterStore,
    rotary: RotaryEmbedding, transport: any ExpertTransport
  ) {
    self.spec = spec
    self.layers = layers
    embedding = layers.lowerBound == 0 ? store["model.embed_tokens.weight"] : nil
    blocks = layers.map {
      TransformerBlock(spec, layer: $0, store: store, rotary: rotary, transport: transport)
    }
    if layers.upperBound == spec.layers {
      head = LanguageModelHead(
        norm: store["model.norm.weight"], output: store.linear("lm_head.weight"),
        epsilon: spec.rmsNormEpsilon)
      mtp = (0..<spec.mtpDepth).map {
        MTPModule(
          spec, depth: $0 + 1, convention: convention, store: store, rotary: rotary,
          transport: transport)
      }
    } else {
      head = nil
      mtp = []
    }
  }

  package var isFirst: Bool { embedding != nil }
  package var isLast: Bool { head != nil }

  /// Blocks in the order a forward runs them: the layers, then the MTP modules' blocks.
  package var allBlocks: [TransformerBlock] { blocks + mtp.map(\.block) }
  var unitCount: Int { blocks.count + mtp.count }

  /// The head behind the main model (0) or an MTP module, on the last stage.
  func head(_ depth: Int) -> LanguageModelHead {
    guard let head = depth == 0 ? head : mtp[depth - 1].head else {
      preconditionFailure("only the last stage has heads")
    }
    return head
  }

  func block(_ unit: Int) -> TransformerBlock {
    unit < blocks.count ? blocks[unit] : mtp[unit - blocks.count].block
  }
}
