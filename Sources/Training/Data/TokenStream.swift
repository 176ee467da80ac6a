// The corpus as an endless row of training sequences that any rank can ask by number. Documents
// are packed one after the other without a mask between them (section 4.1 of the report).

/// Packed windows of `sequenceLength + 1` tokens. Window j holds places j·S … j·S+S of the packed
/// tokens, so that every token behind the first is the target of exactly one position. Which
/// sequence has which number depends on corpus, seed and sequence length only, never on the layout.
package struct TokenStream: Sendable {
  /// S: positions of a sequence that predict a token.
  package let sequenceLength: Int
  /// Tokens of a sequence, S + 1: inputs are the first S, targets the last S.
  package var windowLength: Int { sequenceLength + 1 }
  /// Sequences of an epoch. The tokens behind the last whole window are not used.
  package var trainingWindows: Int { Self.windows(in: training.count, sequenceLength) }
  /// Sequences for the held-out loss; 0 only if nothing was to be held out.
  package var heldOutWindows: Int { Self.windows(in: heldOut.count, sequenceLength) }
  /// Packed tokens: an end token in front, then each document with an end token behind it.
  package let training: [Int32]
  package let heldOut: [Int32]

  private let seed: UInt64

  /// Splits and packs `corpus`.
  /// - Parameters:
  ///   - heldOutShare: of the corpus's tokens, 0 ≤ share < 1; if not 0, at least one window is
  ///     held out.
  ///   - sequencesPerStep: the largest global batch; an epoch must hold it, so that no sequence is
  ///     twice in a step.
  /// - Throws: `.tooSmall` if either part can't fill its windows.
  package init(
    corpus: Corpus, endOfDocument: Int32, sequenceLength: Int, seed: UInt64,
    heldOutShare: Double, sequencesPerStep: Int = 1
  ) throws(DataError) {
    precondition(sequenceLength > 0, "sequence length \(sequenceLength)")
    precondition(sequencesPerStep > 0, "\(sequencesPerStep) sequences a step")
    precondition(heldOutShare >= 0 && heldOutShare < 1, "held-out share \(heldOutShare)")
    let share = Int((Double(corpus.tokens.count) * heldOutShare).rounded(.up))
    let target = heldOutShare > 0 ? max(share, sequenceLength) : 0
    let split = HeldOutSplit(corpus: corpus, target: target, seed: seed)
    self.sequenceLength = sequenceLength
    self.seed = seed
    training = Self.pack(split.training, of: corpus, endOfDocument)
    heldOut = Self.pack(split.heldOut, of: corpus, endOfDocument)
    if trainingWindows < sequencesPerStep {
      throw .tooSmall(
        part: "training", tokens: training.count, needed: sequencesPerStep * sequenceLength + 1,
        sequenceLength: sequenceLength, sequences: sequencesPerStep)
    }
    if heldOutShare > 0 && heldOutWindows < 1 {
      throw .tooSmall(
        part: "held-out", tokens: heldOut.count, needed: sequenceLength + 1,
        sequenceLength: sequenceLength, sequences: 1)
    }
  }

  /// Which window the run's sequence `globalIndex` is: each epoch goes through all windows in an
  /// order of its own. Step t with B sequences takes numbers consumed ..< consumed + B.
  package func window(ofSequence globalIndex: Int) -> Int {
    let (epoch, place) = globalIndex.quotientAndRemainder(dividingBy: trainingWindows)
    return RandomPermutation(
      count: trainingWindows, seed: seed, stream: RandomStream.epochs + UInt64(epoch))[place]
  }

  /// Writes the S + 1 tokens of the run's sequence `globalIndex` ≥ 0 into `destination`.
  package func sequence(
    _ globalIndex: Int, into destination: UnsafeMutableBufferPointer<Int32>
  ) {
    copy(training, window: window(ofSequence: globalIndex), to: destination)
  }

  /// Writes the S + 1 tokens of held-out window `index` < `heldOutWindows` into `destination`.
  package func heldOutSequence(
    _ index: Int, into destination: UnsafeMutableBufferPointer<Int32>
  ) {
    precondition(index >= 0 && index < heldOutWindows, "window \(index) of \(heldOutWindows)")
    copy(heldOut, window: index, to: destination)
  }

  private func copy(
    _ packed: [Int32], window: Int, to destination: UnsafeMutableBufferPointer<Int32>
  ) {
    precondition(
      destination.count == windowLength, "\(windowLength) tokens into \(destination.count)")
    let start = window * sequenceLength
    _ = destination.update(fromContentsOf: packed[start..<(start + windowLength)])
  }

  /// Whole windows in `count` packed tokens: neighbours share one token.
  private static func windows(in count: Int, _ sequenceLength: Int) -> Int {
    max(0, count - 1) / sequenceLength
  }

  private static func pack(
    _ documents: [Range<Int>], of corpus: Corpus, _ endOfDocument: Int32
  ) -> [Int32] {
    guard !documents.isEmpty else { return [] }
    var packed = [endOfDocument]
    packed.reserveCapacity(1 + documents.reduce(0) { $0 + $1.count + 1 })
    for document in documents {
      packed += corpus.tokens[document]
      packed.append(endOfDocument)
    }
    return packed
  }
}
