// What changes of plan and layout do to the memory model, and what it says when a GPU is too small.

import ModelSpec
import Schedules
import Simulation
import Testing
import Units

@Suite struct MemoryPlanTests {
  @Test(arguments: MemorySaving.allCases)
  func everySavingTakesActivationsAwayFromEveryRank(_ saving: MemorySaving) throws {
    let none = MemoryPlan(precision: .fp8, moments: .bf16)
    let before = try MemoryModelTests.deepSeekV3(data: 128, plan: none)
    var plan = none
    plan.savings = [saving]
    let after = before.with(plan)
    let all = before.with(.report)
    for rank in 0..<16 {
      let bytes = after.bytes(ofPipelineRank: rank)
      #expect(bytes.activations < before.bytes(ofPipelineRank: rank).activations)
      #expect(all.bytes(ofPipelineRank: rank).activations < bytes.activations)
      #expect(bytes.parameters == before.bytes(ofPipelineRank: rank).parameters)
    }
  }

  @Test func savingsKeepUnderHalfOfTheActivations() throws {
    let none = MemoryPlan(precision: .fp8, moments: .bf16)
    let before = try MemoryModelTests.deepSeekV3(data: 128, plan: none)
    let (without, with) = (before.fullest.bytes, before.with(.report).fullest.bytes)
    #expect(with.activations.bytes * 2 < without.activations.bytes)
  }

  @Test func twiceTheDataRanksHalveTheOptimizerAndNothingElse() throws {
    let once = try MemoryModelTests.deepSeekV3(data: 128)
    let twice = try MemoryModelTests.deepSeekV3(data: 256)
    for rank in 0..<16 {
      let (a, b) = (once.bytes(ofPipelineRank: rank), twice.bytes(ofPipelineRank: rank))
      // To the rounding of shards to 16 weights, in at most five groups.
      let difference = a.optimizer.bytes - 2 * b.optimizer.bytes
      #expect(abs(difference) <= 5 * 16 * 8 * 2)
      #expect(a.parameters == b.parameters && a.gradients == b.gradients)
      #expect(a.activations == b.activations && a.buffers == b.buffers)
    }
  }

  /// 1 byte and a scale for 16,384 codes; 1 byte and a scale for each tile of a row; 12 bits.
  @Test func formatsCountTheirScales() {
    #expect(StorageFormat.fp32.bytes(rows: 3, columns: 5) == 60)
    #expect(StorageFormat.bf16.bytes(rows: 3, columns: 5) == 30)
    #expect(StorageFormat.fp8.bytes(rows: 3, columns: 129) == 3 * 129 + 3 * 2 * 4)
    #expect(StorageFormat.e5m6.bytes(rows: 2, columns: 256) == 2 * 384 + 2 * 2 * 4)
    #expect(StorageFormat.fp8.bytes(weights: 128 * 129) == 128 * 129 + 8)
    #expect(StorageFormat.bf16.bytes(weights: 10) == 20)
  }

  @Test func overCommitmentSaysWhoNeedsWhatAndWhatWouldHelp() throws {
    let plan = MemoryPlan(precision: .fp8, moments: .fp32)
    let model = try MemoryModelTests.deepSeekV3(data: 128, plan: plan)
    let (rank, bytes) = model.fullest
    let said = try #require(model.overcommitment(of: ByteCount(80_000_000_000)))
    #expect(said.hasPrefix("pipeline rank \(rank) needs "), "\(said)")
    #expect(said.contains(" GB of 80.0 GB: activations "), "\(said)")
    #expect(said.contains(" of stage \(rank) and "), "\(said)")
    #expect(said.contains("recompute MLA up-projections saves "), "\(said)")
    #expect(said.contains("BF16 moments saves "), "\(said)")
    #expect(!said.contains("precision fp8"), "\(said)")
    #expect(model.overcommitment(of: bytes.total) == nil)
    let short = try #require(model.overcommitment(of: ByteCount(bytes.total.bytes - 1)))
    #expect(short.contains(" of 16 pipeline ranks are too small"), "\(short)")
  }

  @Test func theTableHasARowForEachRank() throws {
    let model = try MemoryModelTests.deepSeekV3(data: 128)
    let table = model.table
    #expect(table.count == 17)
    #expect(table.allSatisfy { $0.count == table[0].count })
    #expect(table[1][1] == "0,15")
    #expect(table[9][2] == "3.273 B")
  }
}
