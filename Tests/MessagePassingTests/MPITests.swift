// The suite of all tests of this room that call MPI, and random numbers for them.

import Testing

/// All tests that call MPI. They must run one after the other, in the same order on every rank: the
/// suite is serialized (swift-testing then goes by source location) and bound to the main actor, so
/// that no two of its tests touch MPI at once. No test in it may throw or return early on one rank
/// only: expect, don't require. Tests outside it run beside it and must leave MPI alone.
@MainActor @Suite(.serialized) enum MPITests {}

/// SplitMix64: numbers that every rank can make again from a seed.
struct Numbers: RandomNumberGenerator {
  private var state: UInt64

  init(seed: Int...) {
    state = 0x9E37_79B9_7F4A_7C15
    for part in seed {
      state ^= UInt64(bitPattern: Int64(part))
      state = next()
    }
  }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var bits = state
    bits = (bits ^ (bits >> 30)) &* 0xBF58_476D_1CE4_E5B9
    bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
    return bits ^ (bits >> 31)
  }

  mutating func floats(_ count: Int) -> [Float] {
    (0..<count).map { _ in Float.random(in: -1...1, using: &self) }
  }
}
