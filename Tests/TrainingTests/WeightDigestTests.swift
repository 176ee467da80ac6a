// The digest that holders of weights compare, and who is said to differ.

import Testing
import Training

@Suite struct WeightDigestTests {
  private func digest(_ bytes: [UInt8]) -> UInt64 {
    var bytes = bytes
    var digest = WeightDigest()
    bytes.withUnsafeMutableBytes { digest.add($0) }
    return digest.value
  }

  /// 300 bytes are two rounds of 32 lanes and a rest.
  @Test func everySingleBitShows() {
    var random = SeededGenerator(seed: 3)
    var bytes = (0..<300).map { _ in UInt8(random.next(below: 256)) }
    var seen: Set<UInt64> = [digest(bytes)]
    for bit in 0..<8 * bytes.count {
      bytes[bit / 8] ^= 1 << UInt8(bit % 8)
      #expect(seen.insert(digest(bytes)).inserted, "bit \(bit)")
      bytes[bit / 8] ^= 1 << UInt8(bit % 8)
    }
  }

  /// What a plain product loses: only a sign changes, twice in one lane, 128 bytes apart.
  @Test func twoSignsOfOneLaneShow() {
    var bytes = [UInt8](repeating: 17, count: 512)
    let before = digest(bytes)
    for place in [3, 131] { bytes[place] ^= 0x80 }
    #expect(digest(bytes) != before)
  }

  @Test func piecesInAnotherOrderShow() {
    let (a, b) = ([UInt8](repeating: 1, count: 128), [UInt8](repeating: 2, count: 128))
    #expect(digest(a + b) != digest(b + a))
  }

  @Test(arguments: [
    ([7, 7, 9, 7], [20], "rank 20 no longer has the weights w as the 3 others that hold them do"),
    ([9, 7, 7, 8, 7], [0, 30], "ranks 0, 30 no longer have the weights w as the 3 others"),
    ([7, 9], [], "ranks 0, 10 hold the weights w and no longer agree on them"),
    ([7, 7, 9, 9], [], "which is wrong can't be told without a majority"),
  ])
  func theMinorityIsNamed(digests: [UInt64], minority: [Int], says: String) {
    let difference = HolderDifference(
      group: "w", holders: digests.indices.map { 10 * $0 }, digests: digests)
    #expect(difference.minority == minority)
    #expect(difference.description.contains(says), "\(difference)")
  }
}
