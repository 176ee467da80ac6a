// A comparison of precisions as a table.

import Coordinator
import ModelSpec
import RunConfiguration

/// Title, table, and what its columns are.
func comparisonText(_ comparison: PrecisionComparison) -> String {
  let plan = comparison.plan
  let count = ParameterCensus(plan.spec, sequenceLength: plan.base.plan.sequenceLength)
    .total.parameters
  let title =
    "\(rounded(count)) parameters on \(plan.ranks) \(plan.ranks == 1 ? "rank" : "ranks"), "
    + "\(plan.steps) steps of \(plan.tokensPerStep) tokens"
  let head = [
    "precision", "seed", "loss", "held out", "|error| mean", "max", "signed mean", "s/step", "cost",
  ]
  let rows = comparison.entries.flatMap { entryRows($0, comparison) }
  let notes = """
    error: relative to \(plan.baseline) of the same seed, curves smoothed by \
    \(LossCurve.coefficient), steps \(plan.steps / 2 + 1) to \(plan.steps)
    s/step: median by the wall clock; cost: processor time of a step over \
    \(comparison.costReference)'s
    """
  return [title, table([head] + rows, right: Set(head.indices.dropFirst())), notes]
    .joined(separator: "\n\n") + "\n"
}

/// The mean over seeds, and each seed if there are several.
private func entryRows(
  _ entry: PrecisionComparison.Entry, _ comparison: PrecisionComparison
) -> [[String]] {
  let name = entry.precision.name
  let isBaseline = name == comparison.plan.baseline
  let seeds = entry.runs.indices.map { index in
    let run = entry.runs[index]
    return [
      run.outcome.divergedAt.map { "  diverged at step \($0)" } ?? "", "\(run.run.seed)",
      number(run.smoothedFinalLoss, 4), number(run.outcome.heldOutLoss, 4),
    ] + errors(entry.runSummaries[index], isBaseline: isBaseline) + [
      number(run.secondsPerStep, 3), "",
    ]
  }
  let cost = comparison.relativeCost(of: entry).map { fixed($0, 2) + "×" } ?? "-"
  let mean =
    [name, "mean", number(entry.mean(\.smoothedFinalLoss), 4)]
    + [number(entry.mean(\.outcome.heldOutLoss), 4)]
    + errors(entry.summary, isBaseline: isBaseline)
    + [number(entry.mean(\.secondsPerStep), 3), cost]
  guard seeds.count == 1, var only = seeds.first else { return [mean] + seeds }
  only[0] = name + only[0]
  only[only.count - 1] = cost
  return [only]
}

private func errors(_ summary: ErrorSummary?, isBaseline: Bool) -> [String] {
  guard !isBaseline else { return ["", "", ""] }
  guard let summary else { return ["-", "-", "-"] }
  return [
    fixed(100 * summary.mean, 3) + "%", fixed(100 * summary.maximum, 3) + "%",
    (summary.signedMean >= 0 ? "+" : "") + fixed(100 * summary.signedMean, 3) + "%",
  ]
}

private func number(_ value: Double?, _ digits: Int) -> String {
  value.map { fixed($0, digits) } ?? "-"
}
