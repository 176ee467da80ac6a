// Packing and ordering: what a step trains on, and that no held-out token is among it.
import Testing
import Training

struct DataTokenStreamTests {
  private static let end: Int32 = -1

  private func stream(
    _ documents: [[Int32]], length: Int, seed: UInt64 = 7, share: Double = 0, perStep: Int = 1
  ) throws -> TokenStream {
    try TokenStream(
      corpus: Corpus(documents: documents), endOfDocument: Self.end, sequenceLength: length,
      seed: seed, heldOutShare: share, sequencesPerStep: perStep)
  }

  /// Documents whose tokens are all different: token = its place in the corpus.
  private func numbered(lengths: [Int]) -> [[Int32]] {
    var next: Int32 = 0
    return lengths.map { length in
      defer { next += Int32(length) }
      return Array(next..<(next + Int32(length)))
    }
  }

  private func sequence(_ index: Int, of stream: TokenStream) -> [Int32] {
    var tokens = [Int32](repeating: .min, count: stream.windowLength)
    tokens.withUnsafeMutableBufferPointer { stream.sequence(index, into: $0) }
    return tokens
  }

  private func heldOut(_ stream: TokenStream) -> [[Int32]] {
    (0..<stream.heldOutWindows).map { index in
      var tokens = [Int32](repeating: .min, count: stream.windowLength)
      tokens.withUnsafeMutableBufferPointer { stream.heldOutSequence(index, into: $0) }
      return tokens
    }
  }

  /// Seed 7 shuffles three documents into the order 2, 0, 1, and four windows into 0 3 2 1 in
  /// epoch 0 and 1 3 0 2 in epoch 1: figures of the same formulas written down in Python.
  /// Packed, with E the end token: E 4 5 6 E 1 2 E 3 E. With S = 2 the windows are
  /// (E 4 5) (5 6 E) (E 1 2) (2 E 3), and the last E fills no window.
  @Test func aSmallCorpusIsPackedAndOrderedAsByHand() throws {
    let e = Self.end
    let stream = try stream([[1, 2], [3], [], [4, 5, 6]], length: 2)
    #expect(stream.training == [e, 4, 5, 6, e, 1, 2, e, 3, e])
    #expect(stream.trainingWindows == 4 && stream.heldOutWindows == 0)
    let windows = [[e, 4, 5], [5, 6, e], [e, 1, 2], [2, e, 3]]
    let order = [0, 3, 2, 1, 1, 3, 0, 2]
    #expect((0..<8).map { sequence($0, of: stream) } == order.map { windows[$0] })
  }

  @Test(arguments: [1, 2, 3, 7, 16], [UInt64(0), 1, 99])
  func everyTrainingTokenIsOneTargetAnEpochAndNoneIsHeldOut(length: Int, seed: UInt64) throws {
    let documents = numbered(lengths: [5, 40, 1, 33, 2, 60, 17, 100, 28, 9])
    let stream = try stream(documents, length: length, seed: seed, share: 0.2)
    let windows = stream.trainingWindows
    let used = stream.training[1...(windows * length)]
    #expect(stream.training.count - 1 - used.count < length)
    for epoch in 0..<3 {
      let sequences = (0..<windows).map { sequence(epoch * windows + $0, of: stream) }
      #expect(sequences.flatMap { $0.dropFirst() }.sorted() == used.sorted())
    }
    // The parts share no token but the end token, and together they are the corpus.
    let seen = Set(stream.training).subtracting([Self.end])
    let kept = Set(stream.heldOut).subtracting([Self.end])
    #expect(seen.isDisjoint(with: kept))
    #expect(seen.union(kept) == Set(0..<295))
    #expect(kept.count >= 59)
    #expect(heldOut(stream).allSatisfy { seen.isDisjoint(with: $0) })
    #expect(
      heldOut(stream).flatMap { $0.dropFirst() }
        == Array(stream.heldOut[1...(stream.heldOutWindows * length)]))
  }

  @Test func eachEpochHasAnOrderOfItsOwnAndTheSeedDecidesIt() throws {
    let documents = numbered(lengths: [300, 200, 100])
    let one = try stream(documents, length: 5, seed: 1)
    let same = try stream(documents, length: 5, seed: 1)
    let other = try stream(documents, length: 5, seed: 2)
    let windows = one.trainingWindows
    func epoch(_ stream: TokenStream, _ epoch: Int) -> [Int] {
      (0..<windows).map { stream.window(ofSequence: epoch * windows + $0) }
    }
    #expect(epoch(one, 0) == epoch(same, 0) && epoch(one, 7) == epoch(same, 7))
    #expect(epoch(one, 0) != epoch(one, 1))
    #expect(epoch(one, 0) != epoch(other, 0))
    for number in 0..<5 { #expect(epoch(one, number).sorted() == Array(0..<windows)) }
  }

  @Test(arguments: 0..<20 as Range<UInt64>)
  func wholeDocumentsAreHeldOutAndNeverTwiceTheShare(seed: UInt64) throws {
    // One document is half the corpus: holding it out would starve the training.
    let documents = numbered(lengths: [500] + [Int](repeating: 25, count: 20))
    let split = HeldOutSplit(corpus: Corpus(documents: documents), target: 60, seed: seed)
    #expect(split.heldOut.map(\.count) == [25, 25, 25])
    #expect(split.training.count == 18)
  }

  @Test func aSingleDocumentGivesItsTail() throws {
    let stream = try stream(numbered(lengths: [100]), length: 4, share: 0.1)
    #expect(stream.training == [Self.end] + Array(0..<90) + [Self.end])
    #expect(stream.heldOut == [Self.end] + Array(90..<100) + [Self.end])
  }

  /// A twentieth of 40 tokens is two, less than a window: as many as one window needs are taken.
  @Test func aSmallShareStillGivesOneHeldOutWindow() throws {
    let stream = try stream(numbered(lengths: [40]), length: 8, share: 0.05)
    #expect(stream.heldOutWindows == 1)
    #expect(stream.trainingWindows == 4)
  }

  @Test func aCorpusThatIsTooSmallIsToldItsSizes() {
    // 20 tokens and two end tokens: a step of three sequences of 7 needs 22, of 8 needs 25.
    #expect(throws: Never.self) { try stream([Array(0..<20)], length: 7, perStep: 3) }
    let training = #expect(throws: DataError.self) {
      try stream([Array(0..<20)], length: 8, perStep: 3)
    }
    #expect(
      training
        == .tooSmall(part: "training", tokens: 22, needed: 25, sequenceLength: 8, sequences: 3))
    #expect(training?.description.contains("22 tokens") == true && training?.exitCode == 65)
    // Half of the one document, three tokens, and two end tokens: no window of 8 + 1.
    #expect(throws: DataError.self) { try stream([Array(0..<7)], length: 8, share: 0.1) }
    #expect(throws: DataError.self) { try stream([[1]], length: 8, share: 0.1) }
    #expect(throws: DataError.self) { try stream([], length: 8) }
  }
}
