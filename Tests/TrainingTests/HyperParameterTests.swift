// The schedules of section 4.2 against the report's own figures and runs worked by hand.
import ModelSpec
import Testing
import Training

struct HyperParameterTests {
  private func plan(_ change: (inout TrainingPlan) -> Void = { _ in }) -> TrainingPlan {
    var plan = TrainingPlan()
    plan.steps = 148
    change(&plan)
    return plan
  }

  private func isClose(_ a: Double, _ b: Double) -> Bool { abs(a - b) <= 1e-12 * abs(b) }

  /// The report's run: peak 2.2e-4, tokens in trillions. Halfway down the cosine the rate is the
  /// mean of its ends, (2.2e-4 + 2.2e-5) / 2 = 1.21e-4; a third down, where cos(π/3) = 1/2, it is
  /// 2.2e-5 + 1.98e-4 × 3/4 = 1.705e-4.
  @Test(arguments: [
    (1, 2.2e-4), (9.99, 2.2e-4), (10 + 4.3 / 3, 1.705e-4), (12.15, 1.21e-4), (14.31, 2.2e-5),
    (14.63, 2.2e-5), (14.64, 7.3e-6), (14.799, 7.3e-6),
  ])
  func learningRateFollowsTheReport(trillions: Double, expected: Double) {
    let plan = plan { $0.learningRate = 2.2e-4 }
    #expect(isClose(plan.learningRate(step: 1_000_000, share: trillions / 14.8), expected))
  }

  /// 148 steps of equal size: step t starts at t/10 trillion of the report's tokens. Warm-up of
  /// ten steps; the cosine begins at step 100 and its end, 0.1, is reached at step 143; 146 starts
  /// at 14.6T, before 14.633T, and 147 behind it. γ stops at 0.966 × 148 = 142.97, λ changes at
  /// 0.676 × 148 = 100.05.
  @Test func aRunOf148StepsGoesThroughAllPhases() {
    let plan = plan {
      $0.learningRate = 1
      $0.warmupSteps = 10
    }
    let progress = TrainingProgress(plan: plan, dataRanks: 4)
    for (step, rate) in [
      (0, 0.1), (4, 0.5), (9, 1), (50, 1), (99, 1), (143, 0.1), (146, 0.1), (147, 7.3 / 220),
    ] {
      #expect(isClose(progress[step].learningRate, rate))
    }
    let rates = progress.steps.map(\.learningRate)
    #expect(rates[100...143].elementsEqual(rates[100...143].sorted(by: >)))
    #expect(progress.steps.map(\.biasUpdateSpeed) == (0..<148).map { $0 <= 142 ? 0.005 : 0 })
    #expect(progress.steps.map(\.mtpWeight) == (0..<148).map { $0 <= 100 ? 0.3 : 0.1 })
    // 16 micro-batches of one sequence on each of four data ranks.
    #expect(progress.steps.map(\.firstSequenceIndex) == (0..<148).map { $0 * 64 })
    #expect(progress.steps.allSatisfy { $0.sequences == 64 && $0.microBatches == 16 })
    #expect(progress.totalSequences == 148 * 64 && progress.totalTokens == 148 * 64 * 128)
  }

  @Test func aConstantRateWarmsUpAndStays() {
    let plan = plan {
      $0.learningRate = 3
      $0.learningRateSchedule = .constant
      $0.warmupSteps = 3
    }
    let rates = TrainingProgress(plan: plan, dataRanks: 1).steps.map(\.learningRate)
    #expect(rates == [1, 2] + [Double](repeating: 3, count: 146))
    var cold = plan
    cold.warmupSteps = 0
    #expect(TrainingProgress(plan: cold, dataRanks: 1)[0].learningRate == 3)
  }

  /// From 20/5 = 4 micro-batches to 20 over a share of 469/14800 of the run. 100 steps, and the
  /// fixed point is 1922 micro-batches in all, so the ramp is R = 60.907 long and a step that
  /// starts at c takes 4 + 16 c/R, rounded: c = 0: 4; 4: 5.05; 9: 6.36; 15: 7.94; 23: 10.04;
  /// 33: 12.67; 46: 16.08; 62: beyond R. These seven make 62, and 93 × 20 = 1860 follow.
  @Test func theBatchGrowsAsWorkedByHand() {
    let plan = plan {
      $0.steps = 100
      $0.microBatches = 20
      $0.batchSchedule = .report
      $0.microBatch = 2
    }
    let progress = TrainingProgress(plan: plan, dataRanks: 3)
    let ramp = [4, 5, 6, 8, 10, 13, 16]
    #expect(progress.steps.map(\.microBatches) == ramp + [Int](repeating: 20, count: 93))
    #expect(
      progress.steps.prefix(8).map(\.firstSequenceIndex)
        == [0, 4, 9, 15, 23, 33, 46, 62].map { $0 * 6 })
    #expect(progress.totalSequences == 1922 * 6)
  }

  /// The same with pairs of micro-batches, at least 8 of them: 1942 in all, R = 61.54, and
  /// c = 0: 4 and 8: 6.08, both raised to 8; 16: 8.16; 24: 10.24; 34: 12.84, whose nearest even
  /// number is 12; 46: 15.96; 62: beyond R. These six make 62, and 94 × 20 = 1880 follow.
  @Test func theBatchKeepsToTheSchedulesGranularityAndMinimum() {
    let plan = plan {
      $0.steps = 100
      $0.microBatches = 20
      $0.batchSchedule = .report
    }
    let progress = TrainingProgress(plan: plan, dataRanks: 1, granularity: 2, minimum: 8)
    #expect(
      progress.steps.map(\.microBatches)
        == [8, 8, 8, 10, 12, 16] + [Int](repeating: 20, count: 94))
  }

  /// With a ramp, a share of the run is a share of its tokens, not of its steps: the hundred steps
  /// above pass 10T/14.8T of 1922 micro-batches, 1298.6, in step 7 + (1298.6 − 62)/20 = 68.8, so
  /// step 69 is the first on the cosine; by steps it would be 68.
  @Test func sharesAreCountedInTokens() {
    let plan = plan {
      $0.steps = 100
      $0.microBatches = 20
      $0.batchSchedule = .report
      $0.learningRate = 1
    }
    let progress = TrainingProgress(plan: plan, dataRanks: 1)
    #expect(progress[68].learningRate == 1)
    #expect(progress[69].learningRate < 1)
  }

  @Test(arguments: [0, 1, 2, 7, 31, 1000], [1, 2, 5, 16, 64])
  func everyRunConsumesItsSequencesInOneUnbrokenRow(steps: Int, microBatches: Int) {
    let plan = plan {
      $0.steps = steps
      $0.microBatches = microBatches
      $0.batchSchedule = .report
    }
    let progress = TrainingProgress(plan: plan, dataRanks: 2)
    #expect(progress.steps.count == steps)
    var next = 0
    for (number, step) in progress.steps.enumerated() {
      #expect(step.step == number && step.firstSequenceIndex == next)
      #expect((1...microBatches).contains(step.microBatches))
      next += step.sequences
    }
    #expect(next == progress.totalSequences)
    #expect(progress.steps.map(\.microBatches) == progress.steps.map(\.microBatches).sorted())
  }

  /// A billion steps are refused by nothing, so they must not be held in memory: at 100 bytes a
  /// step they were 100 GB.
  @Test func aRunMayBeLongerThanMemory() {
    let plan = plan { $0.steps = 1_000_000_000 }
    let progress = TrainingProgress(plan: plan, dataRanks: 4)
    #expect(progress.count == 1_000_000_000)
    #expect(progress.totalSequences == 64_000_000_000)
    #expect(progress[999_999_999].firstSequenceIndex == 64_000_000_000 - 64)
    #expect(progress.sequences(before: 2_000_000_000) == progress.totalSequences)
  }
}
