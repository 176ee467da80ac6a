// Tokens of bytes, and the corpus that rank 0 broadcasts.
import Testing
import Training

struct DataCorpusTests {
  @Test func bytesAreTheirOwnTokensAndComeBack() {
    let tokenizer = ByteTokenizer()
    let bytes = Array(UInt8.min...UInt8.max)
    #expect(tokenizer.encode(bytes) == Array(0..<256))
    #expect(tokenizer.decode(tokenizer.encode(bytes)) == bytes)
    #expect(tokenizer.encode([]).isEmpty)
    // Special tokens, and numbers of a padded vocabulary, stand for no bytes.
    #expect(tokenizer.decode([256, 104, 257, 105, 258, 300, -1]) == Array("hi".utf8))
    let special = [tokenizer.beginOfText, tokenizer.endOfDocument, tokenizer.padding]
    #expect(Set(special) == [256, 257, 258] && tokenizer.vocabularySize == 259)
  }

  @Test func aCorpusIsReadFromFilesAndSurvivesSerialisation() throws {
    let directory = TestDirectory()
    directory.write("t/a", "hey")
    directory.write("t/b", "")
    directory.write("t/c", "é")
    let corpus = try Corpus(
      sources: ["t"], relativeTo: directory.path, tokenizer: ByteTokenizer())
    #expect(corpus.tokens == [104, 101, 121, 0xc3, 0xa9])
    #expect(corpus.documentEnds == [3, 5])
    #expect(corpus.serialised() == [2, 3, 2, 104, 101, 121, 0xc3, 0xa9])
    #expect(try Corpus(serialised: corpus.serialised()) == corpus)
  }

  @Test func sourcesWithoutTextAreAnError() {
    let directory = TestDirectory()
    directory.write("t/empty", "")
    directory.write("t/nul", [0])
    let error = #expect(throws: DataError.self) {
      try Corpus(sources: ["t"], relativeTo: directory.path, tokenizer: ByteTokenizer())
    }
    #expect(error == .empty(sources: ["t"], skipped: 2))
    #expect(error?.description.contains("'t'") == true && error?.exitCode == 65)
  }

  @Test(
    arguments: [
      [], [-1], [1], [2, 3], [1, 0], [1, -1, 5], [1, 2, 5], [1, 2, 5, 6, 7], [Int32.max, 1, 1],
    ] as [[Int32]])
  func wordsThatAreNoCorpusAreRefused(words: [Int32]) {
    let error = #expect(throws: DataError.self) { try Corpus(serialised: words) }
    #expect(error?.exitCode == 65)
  }
}
