// A comparison of precisions without training: what each run is told, where it goes, and the
// figures of made-up losses against hand-worked ones.

import Coordinator
import JSON
import ModelSpec
import RunConfiguration
import Testing

@Suite struct ComparisonTests {
  private func plan(
    _ names: [String] = ["bf16", "fp8"], baseline: String = "bf16", seeds: [UInt64]? = nil,
    layout: ComparisonLayout = .dataRanks(1), steps: Int = 4
  ) throws -> ComparisonPlan {
    var configuration = RunConfiguration()
    configuration.plan.steps = steps
    return try ComparisonPlan(
      configuration, precisions: names, baseline: baseline, seeds: seeds, layout: layout)
  }

  @Test func oneRankTrainsTheBatchOfAll() throws {
    let (one, own) = (try plan(), try plan(layout: .configured))
    #expect(one.ranks == 1 && own.ranks == 16)
    // 4 data ranks of 16 micro-batches of 128 tokens.
    #expect(one.tokensPerStep == 8192 && own.tokensPerStep == 8192)
    #expect(one.base.plan.microBatches == 64 && one.base.scheduleName == "1f1b")
    #expect(try plan(layout: .dataRanks(4)).base.plan.microBatches == 16)
    #expect(throws: ComparisonError.self) { try plan(layout: .dataRanks(3)) }
    // Experts are shared out over the data ranks; 16 don't divide 8 experts.
    #expect(throws: ConfigurationError.self) { try plan(layout: .dataRanks(16)) }
  }

  @Test func runsDifferInPrecisionAndSeedOnly() throws {
    let plan = try plan(["fp32", "bf16", "fp8", "fp8-blocks"], seeds: [7, 8])
    #expect(
      plan.runs.map(\.name) == [
        "fp32-seed7", "bf16-seed7", "fp8-seed7", "fp8-blocks-seed7", "fp32-seed8", "bf16-seed8",
        "fp8-seed8", "fp8-blocks-seed8",
      ])
    let numerics = try plan.runs[..<4].map { try plan.configuration(of: $0).plan.numerics }
    #expect(numerics.map(\.precision) == [.fp32, .bf16, .fp8, .fp8])
    #expect(numerics.map(\.gradientTiles) == [.tiles, .tiles, .tiles, .blocks])
    var last = try plan.configuration(of: plan.runs[7])
    #expect(last.plan.seed == 8 && last.checkpointEvery == 0 && last.recordEvery == 0)
    last.plan.numerics = plan.base.plan.numerics
    last.plan.seed = plan.base.plan.seed
    #expect(last == plan.base)
  }

  @Test(arguments: TrainingPrecision.all)
  func everyPrecisionIsOneThatAConfigurationCanHave(_ precision: TrainingPrecision) throws {
    let plan = try plan([precision.name], baseline: precision.name)
    _ = try plan.configuration(of: plan.runs[0]).resolve()
  }

  @Test(
    arguments: [
      (["fp32", "pf8"], "fp32", "did you mean 'fp8'?"),
      (["half"], "half", "there are fp32, bf16, fp8"),
      (["fp32", "fp8"], "bf16", "'bf16' is not among the precisions fp32, fp8"),
      (["fp32", "fp8"], "bf61", "did you mean 'bf16'?"),
      (["fp8", "fp8"], "fp8", "named twice"),
    ] as [([String], String, String)])
  func whatCantBeComparedIsNamed(
    _ names: [String], _ baseline: String, _ part: String
  ) throws {
    let error = #expect(throws: ComparisonError.self) { try plan(names, baseline: baseline) }
    #expect(error?.exitCode == 64 && error?.description.contains(part) == true)
  }

  @Test func aDirectoryIsForOneTraining() throws {
    let folder = try TestFolder()
    let directory = ComparisonDirectory(path: folder.path + "/new/comparison")
    try directory.open(for: plan())
    try directory.open(for: plan(["fp32", "fp8"], baseline: "fp8", seeds: [5]))
    let other = #expect(throws: ComparisonError.self) { try directory.open(for: plan(steps: 9)) }
    #expect(other?.description.contains("training.steps was 4 and is 9") == true)
    try folder.append("text", to: "notes.txt")
    let foreign = #expect(throws: ComparisonError.self) {
      try ComparisonDirectory(path: folder.path).open(for: plan())
    }
    #expect(foreign?.description.contains("holds something else (new, notes.txt)") == true)
  }

  /// Constant losses stay what they are when smoothed. Seed 1: FP8 is 1% above 2 in all steps, seed
  /// 2 is 3% below; the mean over both is −1%.
  @Test func figuresAreThoseWorkedOutByHand() throws {
    let plan = try plan(seeds: [1, 2])
    let losses = [
      [2.0, 2, 2, 2], [2.02, 2.02, 2.02, 2.02], [2, 2, 2, 2], [1.94, 1.94, 1.94, 1.94],
    ]
    let comparison = PrecisionComparison(plan, runs(of: plan, losses))
    let fp8 = comparison.entries[1]
    #expect(fp8.precision.name == "fp8")
    let summary = try #require(fp8.summary)
    #expect(abs(summary.mean - 0.01) < 1e-12 && abs(summary.maximum - 0.01) < 1e-12)
    #expect(abs(summary.signedMean + 0.01) < 1e-12)
    let second = try #require(fp8.runSummaries[1])
    #expect(abs(second.mean - 0.03) < 1e-12 && abs(second.signedMean + 0.03) < 1e-12)
    #expect(comparison.entries[0].summary?.maximum == 0)
    #expect(abs((fp8.mean(\.finalLoss) ?? 0) - 1.98) < 1e-12)
    // 3 processor seconds for 4 steps, of all runs.
    #expect(comparison.costReference == "bf16" && comparison.relativeCost(of: fp8) == 1)
    #expect(fp8.mean(\.processorSecondsPerStep) == 0.75)
  }

  @Test func aDivergedRunIsDataAndEndsTheMean() throws {
    let plan = try plan(seeds: [1, 2])
    let losses = [[2.0, 2, 2, 2], [2.02, 2.02, 2.02, 2.02], [2, 2, 2, 2], [2]]
    let comparison = PrecisionComparison(plan, runs(of: plan, losses))
    let fp8 = comparison.entries[1]
    #expect(fp8.meanError.count == 1 && fp8.summary == nil && fp8.runSummaries[1] == nil)
    #expect(fp8.runSummaries[0] != nil)
    guard case .object(let members) = comparison.json(curves: true),
      case .array(let precisions) = members["precisions"],
      case .object(let entry) = precisions[1], case .array(let all) = entry["runs"],
      case .object(let run) = all[1]
    else {
      Issue.record("not the JSON expected")
      return
    }
    #expect(entry["diverged"] == .bool(true) && entry["relative_error_last_half"] == .null)
    #expect(run["diverged_at"] == .integer(2) && run["losses"] == .array([.number(2)]))
    #expect(members["last_half"] == .array([.integer(3), .integer(4)]))
    let picture = LossChart(comparison).text
    #expect(picture.contains("fp8 (× diverged at step 2)"))
    #expect(picture.contains("±0.25%") && picture.contains("id=\"errors\""))
  }

  private func runs(of plan: ComparisonPlan, _ losses: [[Double]]) -> [ComparedRun] {
    zip(plan.runs, losses).map { run, losses in
      ComparedRun(
        run: run,
        outcome: RunOutcome(
          steps: losses.count, divergedAt: losses.count < plan.steps ? losses.count + 1 : nil,
          heldOutLoss: 2, processorSeconds: 3, trainingTokens: 100, heldOutTokens: 10),
        metrics: losses.enumerated().map {
          StepMetrics(step: $0.offset + 1, tokens: 64, loss: $0.element, wallSeconds: 0.5)
        }, wasThere: false)
    }
  }
}
