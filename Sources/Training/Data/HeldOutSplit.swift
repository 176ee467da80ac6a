// Which documents are kept from training, so that their loss at the end of the run says something
// about text that the model has not seen.

/// Places in a corpus for training and for the held-out loss: whole documents, except that the
/// longest may be cut in two where whole ones can't make up the share.
package struct HeldOutSplit: Equatable, Sendable {
  /// Ranges of `Corpus.tokens`, in the order of the shuffle.
  package private(set) var training: [Range<Int>] = []
  package private(set) var heldOut: [Range<Int>] = []

  /// Shuffles the documents and takes from the front until `target` tokens are held out. A
  /// document that would overshoot to more than twice the target, or leave nothing to train on,
  /// is passed over. What is still missing then (all of it, if there is one document) is cut from
  /// the tail of the longest document left.
  package init(corpus: Corpus, target: Int, seed: UInt64) {
    var generator = SeededGenerator(seed: seed, stream: RandomStream.documents)
    var missing = target
    for document in generator.permutation(of: corpus.documentCount).map(corpus.document) {
      let left = corpus.documentCount - heldOut.count
      if missing > 0 && left > 1 && document.count <= missing + target {
        heldOut.append(document)
        missing -= document.count
      } else {
        training.append(document)
      }
    }
    guard missing > 0, let longest = training.indices.max(by: { shorter($0, $1) }) else { return }
    let document = training[longest]
    // Never more than half of it: a corpus that small is told so by its window counts.
    let cut = max(document.upperBound - missing, document.lowerBound + (document.count + 1) / 2)
    if cut < document.upperBound {
      training[longest] = document.lowerBound..<cut
      heldOut.append(cut..<document.upperBound)
    }
  }

  /// By length; of equally long ones the earlier in the shuffle counts as longer.
  private func shorter(_ a: Int, _ b: Int) -> Bool {
    (training[a].count, -a) < (training[b].count, -b)
  }
}

/// One random stream under the run's seed for each purpose, so that none disturbs another.
enum RandomStream {
  static let documents: UInt64 = 1
  /// Epoch e shuffles its windows with stream `epochs + e`.
  static let epochs: UInt64 = 1 << 32
}
