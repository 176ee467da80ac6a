// Random numbers that are the same on every machine and in every release of Swift: the standard
// library's shuffle and ranges promise neither.

/// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
package struct SeededGenerator: RandomNumberGenerator, Sendable {
  private var state: UInt64

  package init(seed: UInt64) { state = seed }

  /// A generator for one of many independent purposes under one seed.
  package init(seed: UInt64, stream: UInt64) {
    state = SeededGenerator.mix(SeededGenerator.mix(seed &+ Self.increment) ^ stream)
  }

  private static let increment: UInt64 = 0x9E37_79B9_7F4A_7C15

  package mutating func next() -> UInt64 {
    state &+= Self.increment
    return Self.mix(state)
  }

  /// A bijection of 64-bit words in which each input bit reaches every output bit.
  package static func mix(_ word: UInt64) -> UInt64 {
    var word = word
    word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
    return word ^ (word >> 31)
  }

  /// Uniform in 0..<bound, without bias (Lemire, "Fast random integer generation", 2019).
  package mutating func next(below bound: Int) -> Int {
    precondition(bound > 0, "a random number below \(bound)")
    let bound = UInt64(bound)
    let threshold = (0 &- bound) % bound
    while true {
      let product = next().multipliedFullWidth(by: bound)
      if product.low >= threshold { return Int(product.high) }
    }
  }

  /// The numbers 0..<count in random order (Fisher and Yates, from the end).
  package mutating func permutation(of count: Int) -> [Int] {
    var order = Array(0..<count)
    var last = count - 1
    while last > 0 {
      order.swapAt(last, next(below: last + 1))
      last -= 1
    }
    return order
  }
}

/// A permutation of 0..<count of which single places can be asked: the swap-or-not shuffle
/// (Hoang, Morris, Rogaway, "An enciphering scheme based on a card shuffle", 2012). Each round
/// pairs x with key − x and swaps the pair if a hash of its larger half says so.
package struct RandomPermutation: Sendable {
  package let count: Int
  private let key: UInt64
  /// Enough to hide structure of a training order; a cipher would want more.
  private static let rounds: UInt64 = 48

  package init(count: Int, seed: UInt64, stream: UInt64) {
    precondition(count > 0, "a permutation of \(count) things")
    self.count = count
    var generator = SeededGenerator(seed: seed, stream: stream)
    key = generator.next()
  }

  /// What stands at `place`, 0 ≤ place < count.
  package subscript(place: Int) -> Int {
    precondition(place >= 0 && place < count, "place \(place) of \(count)")
    let size = UInt64(count)
    var x = UInt64(place)
    for round in 1...Self.rounds {
      let roundKey = SeededGenerator.mix(key &+ round &* 0xD134_2543_DE82_EF95)
      let partner = (roundKey % size &+ size &- x) % size
      let coin = SeededGenerator.mix(roundKey ^ (max(x, partner) &* 0x9E37_79B9_7F4A_7C15))
      if coin >> 63 == 1 { x = partner }
    }
    return Int(x)
  }
}
