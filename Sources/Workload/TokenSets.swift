// For each expert the set of tokens that chose it, a bit a token: what many layers count of the
// same choices, with their experts in different orders, is then unions and their sizes.

/// The choices of one source's tokens.
struct TokenSets {
  private let experts: Int
  private let words: Int
  /// Expert × words + word.
  private var bits: [UInt64]

  init(experts: Int, tokens: Int) {
    self.experts = experts
    words = (tokens + 63) / 64
    bits = [UInt64](repeating: 0, count: experts * words)
  }

  mutating func insert(_ token: Int, expert: Int) {
    bits[expert * words + token >> 6] |= 1 << UInt64(token & 63)
  }

  /// By expert, how many of the first `tokens` tokens chose it.
  func sizes(tokens: Int) -> [Int32] {
    bits.withUnsafeBufferPointer { bits in
      (0..<experts).map {
        size(UnsafeBufferPointer(rebasing: bits[$0 * words..<($0 + 1) * words]), tokens)
      }
    }
  }

  /// The rows of the first `tokens` tokens.
  ///
  /// - Parameters:
  ///   - experts: which expert stands where; neighbours share a rank.
  ///   - pairs: `sizes(tokens:)`.
  func rows(experts: [Int], pairs: [Int32], nodeOfRank: [Int], tokens: Int) -> RoutedRows {
    let ranks = nodeOfRank.count
    let nodes = (nodeOfRank.max() ?? 0) + 1
    let perRank = experts.count / ranks
    var rows = RoutedRows(
      toNode: [Int32](repeating: 0, count: nodes), toRank: [Int32](repeating: 0, count: ranks),
      pairs: [Int32](repeating: 0, count: ranks))
    var unions = [UInt64](repeating: 0, count: (1 + nodes) * words)
    bits.withUnsafeBufferPointer { bits in
      unions.withUnsafeMutableBufferPointer { unions in
        let ofRank = UnsafeMutableBufferPointer(rebasing: unions[..<words])
        for rank in 0..<ranks {
          ofRank.update(repeating: 0)
          for expert in experts[rank * perRank..<(rank + 1) * perRank] {
            rows.pairs[rank] += pairs[expert]
            unite(ofRank, bits[expert * words..<(expert + 1) * words])
          }
          rows.toRank[rank] = size(UnsafeBufferPointer(ofRank), tokens)
          let node = 1 + nodeOfRank[rank]
          unite(
            UnsafeMutableBufferPointer(rebasing: unions[node * words..<(node + 1) * words]),
            UnsafeBufferPointer(ofRank)[...])
        }
        for node in 0..<nodes {
          let start = (1 + node) * words
          rows.toNode[node] = size(
            UnsafeBufferPointer(rebasing: unions[start..<start + words]), tokens)
        }
      }
    }
    return rows
  }

  private func unite(
    _ union: UnsafeMutableBufferPointer<UInt64>, _ set: Slice<UnsafeBufferPointer<UInt64>>
  ) {
    let set = UnsafeBufferPointer(rebasing: set)
    for word in 0..<words { union[word] |= set[word] }
  }

  private func size(_ set: UnsafeBufferPointer<UInt64>, _ tokens: Int) -> Int32 {
    var count = 0
    for word in 0..<tokens / 64 { count += set[word].nonzeroBitCount }
    let rest: UInt64 = (1 << UInt64(tokens % 64)) - 1
    if rest != 0 { count += (set[tokens / 64] & rest).nonzeroBitCount }
    return Int32(count)
  }
}
