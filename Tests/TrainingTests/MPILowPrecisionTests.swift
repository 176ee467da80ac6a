// FP8 and BF16 over many ranks: the same training as in one process, fewer bytes on the wire, and
// what the ranks keep.
//
// Ranks and one process do not round alike to the last bit: sums of experts' outputs are rounded to
// BF16 on each rank and node, and the 128 × 1 tiles of an expert's weight gradient lie over the
// tokens of all ranks of its group. So losses agree to a tolerance, not to reordering.

import Kernels
import MPITestSupport
import MessagePassing
import ModelSpec
import Testing
import Training

@MainActor @Suite(.serialized) struct MPILowPrecisionTests {
  nonisolated static let layouts: [Layout] = [
    Layout(pipeline: 1, data: 4, expert: 4, gpusPerNode: 2),
    Layout(pipeline: 2, data: 2, expert: 2, gpusPerNode: 1),
  ].filter { $0.worldSize <= MPITestWorld.size }

  /// A trainer's first steps on the ranks of a layout; nil on ranks it doesn't need.
  private func records(
    _ layout: Layout, _ schedule: String, _ numerics: Numerics, steps: Int, balanced: Bool = false,
    tag: Int
  ) throws -> [StepRecord]? {
    let world = try MPITestWorld.world()
    guard layout.worldSize == 1 || world.rank < layout.worldSize else { return nil }
    let ranks = layout.worldSize == 1 ? [world.rank] : Array(0..<layout.worldSize)
    let group = try world.subgroup(
      worldRanks: ranks, tag: layout.worldSize == 1 ? tag + world.rank : tag)
    var setup = try SmallTraining.setup(layout, schedule: schedule) {
      $0.numerics = numerics
      $0.learningRate = 1e-3
    }
    setup.balancedRouting = balanced
    let trainer = try Trainer(setup, world: group)
    let records = try (0..<steps).map { _ in try trainer.step() }
    try trainer.checkHolders()
    return records
  }

  private static let alone = Layout(pipeline: 1, data: 1, expert: 1, gpusPerNode: 1)

  /// With experts chosen by turns nothing magnifies a rounding. Where a router chooses, a tie that
  /// goes the other way is a jump, and a batch of 768 tokens shows each.
  @Test(arguments: [(true, 1e-3), (false, 5e-3)])
  func lossesInFP8AreThoseOfOneProcess(_ balanced: Bool, _ tolerance: Double) throws {
    let numerics = Numerics(.fp8)
    // Every rank is its own oracle.
    guard
      let expected = try records(
        Self.alone, "gpipe", numerics, steps: 8, balanced: balanced, tag: 7000)
    else { return }
    for layout in Self.layouts {
      let schedule = layout.pipeline > 1 ? "dualpipe" : "1f1b"
      guard
        let own = try records(
          layout, schedule, numerics, steps: 8, balanced: balanced, tag: 41)
      else { continue }
      let errors = zip(own, expected).map { abs($0.loss - $1.loss) / $1.loss }
      #expect(errors.allSatisfy { $0 <= tolerance }, "\(layout): \(errors)")
      #expect(errors.contains { $0 > 1e-9 }, "rounded in other places")
    }
  }

  /// hidden = 32: a row of FP8 has 32 codes and a byte for its one scale, of BF16 64 bytes.
  @Test func dispatchInFP8SendsHalfTheBytes() throws {
    for layout in Self.layouts {
      var bytes: [Precision: StepRecord] = [:]
      for precision in Precision.allCases {
        // The same experts under every precision: by turns.
        guard
          let record = try records(
            layout, "1f1b", Numerics(precision), steps: 1, balanced: true, tag: 43)?.first
        else { return }
        bytes[precision] = record
      }
      guard let fp32 = bytes[.fp32], let bf16 = bytes[.bf16], let fp8 = bytes[.fp8] else { return }
      #expect(fp8.dispatchBytes > 0)
      #expect(fp8.dispatchBytes * 64 == bf16.dispatchBytes * 33)
      #expect(bf16.dispatchBytes * 2 == fp32.dispatchBytes)
      func back(_ record: StepRecord) -> Int {
        record.nvlinkBytes + record.infinibandBytes - record.dispatchBytes
      }
      #expect(back(fp8) == back(bf16) && back(bf16) * 2 == back(fp32))
    }
  }

  /// What is computed again on many ranks has the same bits as what is kept.
  @Test func computingAgainChangesNoBit() throws {
    guard let layout = Self.layouts.last else { return }
    let savings: Set<MemorySaving> = [.recomputeNorms, .recomputeUpProjections, .recomputeSwiGLU]
    for precision in [Precision.fp32, .fp8] {
      let plain = try records(layout, "dualpipe", Numerics(precision), steps: 3, tag: 44)
      let again = try records(
        layout, "dualpipe", Numerics(precision, savings: savings), steps: 3, tag: 44)
      #expect(plain?.map(\.loss) == again?.map(\.loss))
      #expect(plain?.map(\.gradientNorm) == again?.map(\.gradientNorm))
      if let plain = plain?.last, let again = again?.last {
        #expect(again.memory.mostActivations < plain.memory.mostActivations)
      }
    }
  }
}
