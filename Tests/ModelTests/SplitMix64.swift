// Random numbers of this room's tests: the same ones from the same seed anywhere, so that what
// fails can be made again.

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
struct SplitMix64: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// Nearly normal, deviation 1: twelve uniform numbers less their mean.
  mutating func gaussian() -> Float {
    var sum = 0.0
    for _ in 0..<12 { sum += Double(next() >> 11) * 0x1p-53 }
    return Float(sum - 6)
  }
}
