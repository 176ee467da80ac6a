// Mutated config.json texts: each is read or refused with an error, and what is read is sound.

import ModelSpec
import Testing

private struct FuzzGenerator: RandomNumberGenerator {
  var state: UInt64

  /// SplitMix64.
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}

private let splices = [
  "null", "true", "-1", "0", "1e999", "1e-400", "9223372036854775807", "99999999999999999999",
  "\"\"", "[]", "{}", "[[[[", "{\"a\":", "\u{0}", "\\u0000", "NaN", "Infinity", "0.5", "\n",
]

private func fuzzed(_ base: [UInt8], seed: UInt64) -> [UInt8] {
  var random = FuzzGenerator(state: seed)
  var bytes = base
  for _ in 0..<Int.random(in: 1...3, using: &random) where bytes.count > 2 {
    let place = Int.random(in: 0..<bytes.count, using: &random)
    switch Int.random(in: 0..<6, using: &random) {
    case 0: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
    case 1:
      let digits = bytes.indices.filter { (0x30...0x39).contains(bytes[$0]) }
      guard let digit = digits.randomElement(using: &random) else { continue }
      bytes[digit] = UInt8.random(in: 0x30...0x39, using: &random)
    case 2: bytes.removeSubrange(place..<min(bytes.count, place + 12))
    case 3: bytes.removeLast(bytes.count - place)
    case 4:  // A value in place of another.
      let colons = bytes.indices.filter { bytes[$0] == UInt8(ascii: ":") }
      guard let colon = colons.randomElement(using: &random) else { continue }
      let end = bytes[colon...].firstIndex(of: UInt8(ascii: ",")) ?? bytes.count
      let splice = splices.randomElement(using: &random) ?? ""
      bytes.replaceSubrange((colon + 1)..<end, with: splice.utf8)
    default:
      bytes.insert(contentsOf: (splices.randomElement(using: &random) ?? "").utf8, at: place)
    }
  }
  return bytes
}

@Suite struct ConfigFuzzTests {
  @Test(arguments: ["tiny-yarn/config.json", "tiny-yarn/config.hf.json"])
  func tenThousandMutatedConfigsAreReadOrRefused(name: String) throws {
    let base = try readSmallFile(fixture("golden/\(name)"))
    var read = 0
    for seed in 0..<10_000 {
      let bytes = fuzzed(base, seed: UInt64(seed))
      do throws(ModelSpecError) {
        let spec = try ModelSpec(configJSON: bytes, source: "fuzz")
        read += 1
        // What is read is within bounds: its counts do not overflow and it writes itself.
        let census = ParameterCensus(spec, sequenceLength: 4096)
        #expect(census.total.forwardBackwardFLOPs(causal: false) > 0, "seed \(seed)")
        let again = try ModelSpec(configJSON: spec.configJSON(), source: "again")
        #expect(again == spec, "seed \(seed)")
      } catch {
        guard error.problem == .badData, error.source == "fuzz" else {
          Issue.record("seed \(seed): \(error)")
          return
        }
      }
    }
    #expect((500...8_000).contains(read), "\(read) read")
  }

  @Test(arguments: ["[", "{\"a\":", "[{\"a\":"])
  func deepNestingIsRefused(opening: String) {
    for depth in [100, 1_000, 100_000] {
      let text = String(repeating: opening, count: depth)
      #expect(throws: ModelSpecError.self) {
        try ModelSpec(configJSON: Array(text.utf8), source: "deep")
      }
    }
    let closed = String(repeating: "[", count: 500) + String(repeating: "]", count: 500)
    #expect(throws: ModelSpecError.self) {
      try ModelSpec(configJSON: Array("{\"a\":\(closed)}".utf8), source: "deep")
    }
  }
}
