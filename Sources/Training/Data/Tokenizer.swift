// From text to token numbers and back. Training sees only the protocol, so that a byte-pair
// tokenizer (section 4.1 of the report) can take the place of plain bytes.

/// Turns the bytes of one document into tokens, without special tokens around them.
package protocol Tokenizer: Sendable {
  /// Tokens are 0..<vocabularySize, special ones included.
  var vocabularySize: Int { get }
  /// Stands between documents.
  var endOfDocument: Int32 { get }

  /// Any bytes can be encoded; no bytes give no tokens.
  func encode(_ bytes: [UInt8]) -> [Int32]
  /// The inverse of `encode`. Tokens that stand for no bytes (special ones) are left out.
  func decode(_ tokens: [Int32]) -> [UInt8]
}

/// One token a byte, and three special tokens behind them.
package struct ByteTokenizer: Tokenizer {
  package let beginOfText: Int32 = 256
  package let endOfDocument: Int32 = 257
  package let padding: Int32 = 258
  package let vocabularySize = 259

  package init() {}

  package func encode(_ bytes: [UInt8]) -> [Int32] { bytes.map(Int32.init) }
  package func decode(_ tokens: [Int32]) -> [UInt8] { tokens.compactMap(UInt8.init(exactly:)) }
}
