// Which sequences a data rank sees in which micro-batch: a function of the step and of the global
// order of sequences alone, so that every layout trains on the same ones.

internal import Model

/// The micro-batches of one step for one data rank.
struct BatchSource {
  let tokens: TokenStream
  let microBatch: Int
  let dataRanks: Int
  let dataRank: Int
  /// First sequence of the step in the run's order.
  let first: Int
  /// Held-out sequences that count.
  let heldOutLimit: Int

  /// Micro-batch `number`: sequences first + (number · data + dataRank) · microBatch ….
  func training(_ number: Int) -> MicroBatch {
    build(number) { sequence, row in tokens.sequence(sequence, into: row) }
  }

  /// The same of the held-out text; sequences past its end count nothing.
  func heldOut(_ number: Int) -> MicroBatch {
    build(number, limit: heldOutLimit) { sequence, row in
      tokens.heldOutSequence(sequence, into: row)
    }
  }

  private func build(
    _ number: Int, limit: Int = .max,
    fill: (Int, UnsafeMutableBufferPointer<Int32>) -> Void
  ) -> MicroBatch {
    let width = tokens.windowLength
    var ids = [Int32](repeating: 0, count: microBatch * width)
    var labels = [Int32](repeating: -1, count: microBatch * width)
    let start = first + (number * dataRanks + dataRank) * microBatch
    ids.withUnsafeMutableBufferPointer { ids in
      for index in 0..<microBatch where start + index < limit {
        let row = ids[index * width..<(index + 1) * width]
        fill(start + index, UnsafeMutableBufferPointer(rebasing: row))
      }
    }
    for index in 0..<microBatch where start + index < limit {
      for place in index * width..<(index + 1) * width { labels[place] = ids[place] }
    }
    return MicroBatch(
      sequences: microBatch, length: tokens.sequenceLength, tokens: ids, labels: labels)
  }
}
