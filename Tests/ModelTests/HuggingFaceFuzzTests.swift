// Mutated safetensors files: each opens or is refused with an error, and what opens can be read.

import Model
import Testing

/// One to four random edits: of bits, digits, JSON punctuation, length field, slices and size.
func fuzzed(_ base: [UInt8], header: Range<Int>, seed: UInt64) -> [UInt8] {
  var random = SplitMix64(state: seed)
  var bytes = base
  for _ in 0..<Int.random(in: 1...4, using: &random) where bytes.count > 16 {
    let inHeader = header.clamped(to: 0..<bytes.count)
    let place = Int.random(in: inHeader, using: &random)
    switch Int.random(in: 0..<8, using: &random) {
    case 0: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
    case 1: bytes[place] = UInt8.random(in: .min ... .max, using: &random)
    case 2: bytes[place] = "{}[]:,\"\\-e.".utf8.randomElement(using: &random) ?? 0
    case 3:
      let digits = inHeader.filter { (0x30...0x39).contains(bytes[$0]) }
      guard let digit = digits.randomElement(using: &random) else { continue }
      bytes[digit] = UInt8.random(in: 0x30...0x39, using: &random)
    case 4:  // The length field: near the truth, or anything.
      let length =
        Bool.random(using: &random)
        ? UInt64(header.count) &+ UInt64.random(in: 0..<32, using: &random) &- 16
        : UInt64.random(in: .min ... .max, using: &random)
          >> UInt64.random(in: 0..<64, using: &random)
      withUnsafeBytes(of: length.littleEndian) { bytes.replaceSubrange(0..<8, with: $0) }
    case 5: bytes.removeLast(Int.random(in: 1..<bytes.count - 8, using: &random))
    case 6: bytes.remove(at: place)
    default:
      let end = min(bytes.count, place + Int.random(in: 1...80, using: &random))
      let target = Int.random(in: inHeader, using: &random)
      bytes.insert(contentsOf: bytes[place..<end], at: target)
    }
  }
  return bytes
}

@Suite struct HuggingFaceFuzzTests {
  private let base: (bytes: [UInt8], header: Range<Int>) = {
    let header = """
      {"__metadata__":{"format":"pt"},\
      "input_ids":{"dtype":"I64","shape":[2,4],"data_offsets":[0,64]},\
      "model.norm.weight":{"dtype":"F32","shape":[16],"data_offsets":[64,128]},\
      "lm_head.weight":{"dtype":"BF16","shape":[8,8],"data_offsets":[128,256]},\
      "half":{"dtype":"F16","shape":[3,1,4],"data_offsets":[256,280]},\
      "empty":{"dtype":"F64","shape":[0],"data_offsets":[280,280]}}
      """
    let data = (0..<280).map { UInt8(truncatingIfNeeded: $0 &* 37) }
    let bytes = safeTensorsFile(header: header, data: data)
    return (bytes, 0..<(8 + header.utf8.count))
  }()

  @Test func hundredThousandMutatedFilesOpenOrAreRefused() throws {
    #expect(try SafeTensors(bytes: base.bytes, source: "base").tensors.count == 5)
    var opened = 0
    for seed in 0..<100_000 {
      let bytes = fuzzed(base.bytes, header: base.header, seed: UInt64(seed))
      do throws(CheckpointError) {
        let file = try SafeTensors(bytes: bytes, source: "fuzz")
        opened += 1
        for tensor in file.tensors {
          let count =
            switch tensor.type {
            case .i64, .i32: try file.integers(tensor.name).count
            case .f64, .f32, .f16, .bf16: try file.floats(tensor.name).count
            default: tensor.elements
            }
          #expect(count == tensor.shape.reduce(1, *), "seed \(seed)")
        }
      } catch {
        guard error.problem == .badData, error.description.count > 20 else {
          Issue.record("seed \(seed): \(error)")
          return
        }
      }
    }
    // Some edits hit a name or the data and leave a sound file; most must be noticed.
    #expect((1_000...40_000).contains(opened), "\(opened) opened")
  }
}
