// One token's experts by chance: it ranks them by popularity times a chance such that the first
// place goes in proportion to popularity (the exponential form of Gumbel noise), keeps to the best
// groups, and takes the best experts there, as the router does (report, section 2.1.2).

internal import Glibc

/// Draws the experts of one token after the other.
struct TokenChoice {
  /// Of the last token, in no order.
  private(set) var chosen: [Int32]
  private let groups: Int
  private let groupsPerToken: Int
  private let groupSize: Int
  /// Groups in blocks of eight, which are compared at once; the last block is filled up.
  private let blocks: Int
  /// By (block × group size + place in the group) × 8 + group in the block.
  private let popularity: [Float]
  /// Odds of an expert, popularity × chance, in the same order.
  private var odds: [Float]
  /// By block, the best and second best odds of each group.
  private var first: [SIMD8<Float>]
  private var second: [SIMD8<Float>]
  private var kept: [Int] = []
  /// Odds above, expert below, so that they compare as one number; positive floats compare as
  /// their bits do.
  private var candidates: [UInt64]

  /// 1 / −ln u for 4096 even steps of u.
  private static let chances: [Float] = (0..<4096).map {
    Float(-1 / log((Double($0) + 0.5) / 4096))
  }

  /// - Parameter popularity: by expert, positive; groups are neighbours.
  init(popularity: [Float], groups: Int, groupsPerToken: Int, expertsPerToken: Int) {
    let size = popularity.count / groups
    self.groups = groups
    self.groupsPerToken = groupsPerToken
    groupSize = size
    blocks = (groups + 7) / 8
    self.popularity = (0..<blocks * size * 8).map { index in
      let group = index / (size * 8) * 8 + index % 8
      return group < groups ? popularity[group * size + index / 8 % size] : 0
    }
    odds = self.popularity
    first = [SIMD8<Float>](repeating: .zero, count: blocks)
    second = first
    candidates = [UInt64](repeating: 0, count: popularity.count + 1)
    chosen = [Int32](repeating: 0, count: expertsPerToken)
  }

  /// Draws the next token's.
  mutating func choose(_ random: inout RandomWords) {
    drawOdds(&random)
    rankGroups()
    keepBestGroups()
    takeBestExperts()
  }

  private mutating func drawOdds(_ random: inout RandomWords) {
    odds.withUnsafeMutableBufferPointer { odds in
      popularity.withUnsafeBufferPointer { popularity in
        Self.chances.withUnsafeBufferPointer { chances in
          var place = 0
          while place < odds.count {
            var word = random.next()
            for _ in 0..<min(5, odds.count - place) {
              odds[place] = popularity[place] * chances[Int(word & 4095)]
              word >>= 12
              place += 1
            }
          }
        }
      }
    }
  }

  private mutating func rankGroups() {
    odds.withUnsafeBytes { odds in
      for block in 0..<blocks {
        var (high, low) = (SIMD8<Float>.zero, SIMD8<Float>.zero)
        for place in block * groupSize..<(block + 1) * groupSize {
          let value = odds.loadUnaligned(fromByteOffset: place * 32, as: SIMD8<Float>.self)
          let isHigher = value .> high
          let lower = value.replacing(with: high, where: isHigher)
          high.replace(with: value, where: isHigher)
          low.replace(with: lower, where: lower .> low)
        }
        (first[block], second[block]) = (high, low)
      }
    }
  }

  /// A group scores the affinities of its best two, odds / (1 + odds); the first of equals wins.
  private mutating func keepBestGroups() {
    kept.removeAll(keepingCapacity: true)
    guard groupsPerToken < groups else {
      kept += 0..<groups
      return
    }
    for block in 0..<blocks {
      first[block] = first[block] / (1 + first[block]) + second[block] / (1 + second[block])
    }
    for group in 0..<groups {
      let score = first[group / 8][group % 8]
      if kept.count == groupsPerToken {
        guard let last = kept.last, score > first[last / 8][last % 8] else { continue }
        kept.removeLast()
      }
      let place = kept.firstIndex { first[$0 / 8][$0 % 8] < score } ?? kept.count
      kept.insert(group, at: place)
    }
  }

  /// Two of each group kept are known: what falls behind all of these is not among the best, when
  /// they are enough. The worst of the rest go one by one.
  private mutating func takeBestExperts() {
    var bound: Float = 0
    if 2 * kept.count >= chosen.count, groupSize > 1 {
      bound = kept.reduce(.infinity) { min($0, second[$1 / 8][$1 % 8]) }
    }
    var count = collect(atLeast: bound)
    candidates.withUnsafeMutableBufferPointer { candidates in
      while count > chosen.count {
        var worst = 0
        for other in 1..<count where candidates[other] < candidates[worst] { worst = other }
        count -= 1
        candidates[worst] = candidates[count]
      }
      for slot in chosen.indices {
        chosen[slot] = Int32(truncatingIfNeeded: candidates[slot] & 0xFFFF_FFFF)
      }
    }
  }

  /// Writes the experts of the groups kept with such odds; returns how many there are.
  private mutating func collect(atLeast bound: Float) -> Int {
    var count = 0
    odds.withUnsafeBufferPointer { odds in
      candidates.withUnsafeMutableBufferPointer { candidates in
        for group in kept {
          let start = group / 8 * groupSize * 8 + group % 8
          for place in 0..<groupSize {
            let value = odds[start + place * 8]
            candidates[count] = UInt64(value.bitPattern) << 32 | UInt64(group * groupSize + place)
            count += value >= bound ? 1 : 0
          }
        }
      }
    }
    return count
  }
}

/// SplitMix64, with the few shapes of randomness that the draws need.
struct RandomWords {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    defer { state &+= 0x9E37_79B9_7F4A_7C15 }
    return mixed(state)
  }

  /// Uniform in (0, 1).
  mutating func uniform() -> Double { (Double(next() >> 11) + 0.5) / 9_007_199_254_740_992 }

  /// Box–Muller.
  mutating func normal() -> Double {
    (-2 * log(uniform())).squareRoot() * cos(2 * .pi * uniform())
  }

  mutating func permutation(_ count: Int) -> [Int] {
    var order = Array(0..<count)
    for index in stride(from: count - 1, to: 0, by: -1) {
      order.swapAt(index, Int(next() % UInt64(index + 1)))
    }
    return order
  }
}

/// The finaliser of SplitMix64.
func mixed(_ word: UInt64) -> UInt64 {
  var z = word &+ 0x9E37_79B9_7F4A_7C15
  z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
  z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
  return z ^ (z >> 31)
}
