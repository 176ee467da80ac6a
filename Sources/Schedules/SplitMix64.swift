// Pseudo-random numbers for what is searched for. A seed gives the same schedule on every machine,
// which the system's generator would not.

/// Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014.
struct SplitMix64 {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// A number in 0..<count; the bias of the multiplication is below count / 2⁶⁴.
  mutating func below(_ count: Int) -> Int {
    precondition(count > 0, "there is something to choose from")
    return Int(next().multipliedFullWidth(by: UInt64(count)).high)
  }

  /// True in `share` of 256 cases.
  mutating func chance(_ share: Int) -> Bool { Int(next() >> 56) < share }
}
