// The training text as tokens: documents in a fixed order, back to back in one array. Rank 0
// reads the files and broadcasts `serialised()`; the other ranks never open one.

/// Tokenised documents, without special tokens between them. None is empty.
package struct Corpus: Equatable, Sendable {
  /// All documents, one after the other.
  package let tokens: [Int32]
  /// Where each document ends in `tokens`: strictly ascending, the last is `tokens.count`.
  package let documentEnds: [Int]

  package var documentCount: Int { documentEnds.count }

  /// The places of document `index` in `tokens`.
  package func document(_ index: Int) -> Range<Int> {
    (index == 0 ? 0 : documentEnds[index - 1])..<documentEnds[index]
  }

  /// From documents of tokens; empty ones are left out.
  package init(documents: [[Int32]]) {
    var tokens: [Int32] = []
    var ends: [Int] = []
    for document in documents where !document.isEmpty {
      tokens += document
      ends.append(tokens.count)
    }
    self.tokens = tokens
    documentEnds = ends
  }

  /// Reads and tokenises `sources` (see `SourceFiles`).
  /// - Throws: what `SourceFiles` throws, `.empty` if there is no text, `.tooLarge`.
  package init(
    sources: [String], relativeTo root: String = ".", tokenizer: any Tokenizer
  ) throws(DataError) {
    let files = try SourceFiles(sources: sources, relativeTo: root)
    self.init(documents: files.documents.map { tokenizer.encode($0.bytes) })
    guard !tokens.isEmpty else {
      throw .empty(sources: sources, skipped: files.skipped.count)
    }
    guard tokens.count <= Int(Int32.max) else { throw .tooLarge(tokens: tokens.count) }
  }

  /// Number of documents, the length of each, and all tokens: one array to broadcast.
  package func serialised() -> [Int32] {
    var words: [Int32] = [Int32(documentCount)]
    words.reserveCapacity(1 + documentCount + tokens.count)
    for index in 0..<documentCount { words.append(Int32(document(index).count)) }
    words += tokens
    return words
  }

  /// The inverse of `serialised()`.
  /// - Throws: `.malformed` if the lengths don't add up.
  package init(serialised words: [Int32]) throws(DataError) {
    guard let count = words.first, count >= 0, Int(count) < words.count else {
      throw .malformed("\(words.first ?? 0) documents in \(words.count) words")
    }
    var ends: [Int] = []
    var end = 0
    for length in words.dropFirst().prefix(Int(count)) {
      guard length > 0 else { throw .malformed("a document of \(length) tokens") }
      end += Int(length)
      ends.append(end)
    }
    tokens = Array(words.dropFirst(1 + Int(count)))
    documentEnds = ends
    guard end == tokens.count else {
      throw .malformed("documents of \(end) tokens in all, but \(tokens.count) tokens")
    }
  }
}
