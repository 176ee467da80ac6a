// 100,000 mutations of valid files: the reader either makes a schedule or throws its own error,
// and what it makes is written and read back unchanged.

import Schedules
import Testing

/// SplitMix64 (Steele, Lea, Flood 2014), so that a failure repeats from its seed.
struct SplitMix64: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

@Suite struct FuzzTests {
  static let seeds = [
    "cases/ok_good.csv", "cases/ok_overlap.csv", "cases/ok_spaces_around_cells.csv",
    "reference/1f1b_pp2_mb4.csv", "reference/gpipe_pp4_mb4.csv", "reference/dualpipe_pp2_mb4.csv",
    "reference/dualpipe_pp4_mb8.csv", "pytorch/1f1b_pp4_mb8_comms.csv",
    "pytorch/dualpipev_pp4_mb8_compute.csv", "pytorch/zbvzerobubble_pp4_mb8_compute.csv",
  ]

  /// Bytes that mean something to the reader, chosen more often than chance would.
  private static let alphabet = Array("0123456789FBIWSENDRCV_();,\r\n \"-OLAP".utf8)

  @Test(arguments: 1...10)
  func mutatedFilesAreReadOrRefused(_ seed: Int) throws {
    var random = SplitMix64(state: UInt64(seed))
    let files = try Self.seeds.map { try Fixtures.bytes($0) }
    var accepted = 0
    for _ in 0..<10_000 {
      let bytes = mutated(files, &random)
      do throws(ScheduleError) {
        let plan = try ScheduleCSV.read(bytes, name: "fuzz")
        accepted += 1
        // What was accepted is written and read back as itself.
        #expect(try ScheduleCSV.read(ScheduleCSV.text(of: plan), name: "fuzz") == plan)
      } catch {
        if error.description.isEmpty { Issue.record("an error without words") }
      }
    }
    // Mutations that change nothing (a space, an idle cell) keep some files good.
    #expect(accepted > 0 && accepted < 5_000)
  }

  private func mutated(_ files: [[UInt8]], _ random: inout SplitMix64) -> [UInt8] {
    var bytes = files[Int.random(in: files.indices, using: &random)]
    for _ in 0..<Int.random(in: 1...4, using: &random) {
      let place = Int.random(in: 0...bytes.count, using: &random)
      let letter = Self.alphabet[Int.random(in: Self.alphabet.indices, using: &random)]
      switch Int.random(in: 0..<6, using: &random) {
      case 0 where place < bytes.count: bytes[place] = UInt8.random(in: 0...255, using: &random)
      case 1 where place < bytes.count: bytes[place] = letter
      case 2: bytes.insert(letter, at: place)
      case 3:
        bytes.removeSubrange(
          place..<min(bytes.count, place + Int.random(in: 0...9, using: &random)))
      case 4:
        let other = files[Int.random(in: files.indices, using: &random)]
        let start = Int.random(in: 0...other.count, using: &random)
        bytes.insert(contentsOf: other[start..<min(other.count, start + 20)], at: place)
      default:
        bytes.insert(contentsOf: repeatElement(letter, count: 30), at: place)
      }
    }
    return bytes
  }
}
