// Mutated and mutilated workload files: an error or the very same workload, never a trap; with the
// checksum put right, an error or a workload that holds together.
import ModelSpec
import Schedules
import Testing
import Workload

@Suite struct FileFuzzTests {
  /// CRC-32C bit by bit, apart from the table of the room.
  static func crc(_ bytes: some Sequence<UInt8>) -> UInt32 {
    var sum: UInt32 = 0xFFFF_FFFF
    for byte in bytes {
      sum ^= UInt32(byte)
      for _ in 0..<8 { sum = sum & 1 == 1 ? sum >> 1 ^ 0x82F6_3B78 : sum >> 1 }
    }
    return sum ^ 0xFFFF_FFFF
  }

  /// Length and checksum put right, so that what stands between is what is tested.
  static func sealed(_ bytes: [UInt8]) -> [UInt8] {
    guard bytes.count >= 24 else { return bytes }
    var bytes = bytes
    for index in 0..<8 { bytes[12 + index] = UInt8(truncatingIfNeeded: bytes.count >> (8 * index)) }
    let sum = crc(bytes.dropLast(4))
    for index in 0..<4 {
      bytes[bytes.count - 4 + index] = UInt8(truncatingIfNeeded: sum >> UInt32(8 * index))
    }
    return bytes
  }

  private static func mutated(_ bytes: [UInt8], _ random: inout TestRandom) -> [UInt8] {
    var bytes = bytes
    for _ in 0...random.below(3) {
      let place = random.below(bytes.count)
      switch random.below(7) {
      case 0: bytes[place] = UInt8(random.below(256))
      case 1: bytes[place] ^= 1 << UInt8(random.below(8))
      case 2: bytes[place] = [0, 1, 0x7F, 0x80, 0xFF][random.below(5)]
      case 3: bytes.removeSubrange(place..<min(place + 1 + random.below(4), bytes.count))
      case 4: bytes.insert(UInt8(random.below(256)), at: place)
      case 5:
        let end = min(place + 1 + random.below(9), bytes.count)
        for index in place..<end { bytes[index] = 0xFF }
      default: bytes = Array(bytes[..<max(1, place)])
      }
    }
    return bytes
  }

  private static func seeds() throws -> [Workload] {
    let small = try Workload.onePipelineRank(
      .tiny(layers: 2, dense: 1, mtp: 1), data: 2, microbatches: 2,
      [
        .forward(cell(0)), .overlapped(forward: cell(1), backward: cell(0)),
        .backwardInput(cell(1)), .backwardWeight(cell(1)),
      ])
    return [
      small, try FileTests.step(microbatches: 8),
      try FileTests.step(FileTests.recorded(microbatches: 8), microbatches: 8),
      try FileTests.step(FileTests.sampled(microbatches: 8), microbatches: 8),
    ]
  }

  @Test func damageIsFoundByTheChecksum() throws {
    var random = TestRandom(state: 11)
    for workload in try Self.seeds() {
      let bytes = workload.encoded()
      for _ in 0..<2_500 {
        let damaged = Self.mutated(bytes, &random)
        guard let read = try? Workload(decoding: damaged, source: "fuzz") else { continue }
        #expect(damaged == bytes && read == workload)
      }
    }
  }

  @Test func whatPassesTheChecksumIsAWholeWorkloadOrAnError() throws {
    var random = TestRandom(state: 12)
    var accepted = 0
    for workload in try Self.seeds() {
      let bytes = workload.encoded()
      for _ in 0..<2_500 {
        let damaged = Self.sealed(Self.mutated(bytes, &random))
        guard let read = try? Workload(decoding: damaged, source: "fuzz") else { continue }
        accepted += 1
        // What was accepted is written and read as itself, so it passes the same checks.
        #expect(try Workload(decoding: read.encoded(), source: "fuzz") == read)
      }
    }
    // A letter of the configuration or the number of weights may change; hardly anything else.
    #expect(accepted < 3_000)
  }

  @Test func everyTruncationIsAnError() throws {
    let bytes = try Self.seeds()[0].encoded()
    for count in 0..<bytes.count {
      let cut = Array(bytes[..<count])
      #expect(throws: WorkloadError.self) { try Workload(decoding: cut, source: "cut") }
      #expect(throws: WorkloadError.self) {
        try Workload(decoding: Self.sealed(cut), source: "cut")
      }
    }
  }
}
