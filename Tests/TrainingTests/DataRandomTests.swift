// The random numbers that orders are made of: known outputs, bijections, even spread.
import Testing
import Training

struct DataRandomTests {
  /// The test vector of SplitMix64 for seed 1234567, as published with its reference code.
  @Test func splitMixGivesThePublishedNumbers() {
    var generator = SeededGenerator(seed: 1_234_567)
    let expected: [UInt64] = [
      6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
      4_593_380_528_125_082_431, 16_408_922_859_458_223_821,
    ]
    #expect(expected.map { _ in generator.next() } == expected)
  }

  @Test func boundedNumbersStayInBoundsAndAreSpreadEvenly() {
    var generator = SeededGenerator(seed: 3)
    for bound in 1...7 {
      var counts = [Int](repeating: 0, count: bound)
      for _ in 0..<7000 { counts[generator.next(below: bound)] += 1 }
      // Standard deviation below sqrt(7000 / 4) = 42 for each count: five of them.
      #expect(counts.allSatisfy { abs($0 - 7000 / bound) < 210 })
    }
    // A bound that is no power of two and near 2^63, where rejection matters.
    let large = Int.max / 3 * 2
    #expect((0..<100).allSatisfy { _ in generator.next(below: large) < large })
  }

  @Test(arguments: [1, 2, 3, 4, 5, 8, 13, 64, 97, 1000])
  func permutationsHoldEveryNumberOnce(count: Int) {
    for seed in UInt64(0)..<20 {
      var generator = SeededGenerator(seed: seed)
      #expect(generator.permutation(of: count).sorted() == Array(0..<count))
      let permutation = RandomPermutation(count: count, seed: seed, stream: 5)
      #expect((0..<count).map { permutation[$0] }.sorted() == Array(0..<count))
    }
  }

  /// 24 orders of four things in 24,000 draws: 1000 each, standard deviation 31; six of them.
  @Test func everyOrderOfFourIsAsLikely() {
    var shuffled: [[Int]: Int] = [:]
    var placed: [[Int]: Int] = [:]
    var generator = SeededGenerator(seed: 11)
    for stream in UInt64(0)..<24_000 {
      shuffled[generator.permutation(of: 4), default: 0] += 1
      let permutation = RandomPermutation(count: 4, seed: 11, stream: stream)
      placed[(0..<4).map { permutation[$0] }, default: 0] += 1
    }
    for counts in [shuffled, placed] {
      #expect(counts.count == 24)
      #expect(counts.values.allSatisfy { abs($0 - 1000) < 186 })
    }
  }
}
