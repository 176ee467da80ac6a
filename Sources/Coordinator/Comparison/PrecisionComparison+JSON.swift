// A comparison as JSON; docs/commands.md explains the keys.

package import JSON
internal import ModelSpec
internal import RunConfiguration

extension PrecisionComparison {
  /// - Parameter curves: with the smoothed losses and their relative errors by step.
  package func json(curves: Bool) -> JSONValue {
    let tokens = entries.first?.runs.first?.outcome
    let half = plan.steps / 2 + 1
    return .object([
      "baseline": .string(plan.baseline), "steps": .integer(plan.steps),
      "seeds": .array(plan.seeds.map(Self.seed)), "ranks": .integer(plan.ranks),
      "parameters": .integer(
        ParameterCensus(plan.spec, sequenceLength: plan.base.plan.sequenceLength)
          .total.parameters),
      "tokens_per_step": .integer(plan.tokensPerStep),
      "training_tokens": tokens.map { .integer($0.trainingTokens) } ?? .null,
      "held_out_tokens": tokens.map { .integer($0.heldOutTokens) } ?? .null,
      "smoothing": .number(LossCurve.coefficient),
      "last_half": .array([.integer(half), .integer(plan.steps)]),
      "cost_reference": .string(costReference),
      "precisions": .array(entries.map { json($0, curves: curves) }),
    ])
  }

  private func json(_ entry: Entry, curves: Bool) -> JSONValue {
    var members: [String: JSONValue] = [
      "precision": .string(entry.precision.name),
      "settings": .array(entry.precision.settings.map { .string($0) }),
      "diverged": .bool(entry.runs.contains { $0.outcome.divergedAt != nil }),
      "final_loss": Self.number(entry.mean(\.finalLoss)),
      "smoothed_final_loss": Self.number(entry.mean(\.smoothedFinalLoss)),
      "held_out_loss": Self.number(entry.mean(\.outcome.heldOutLoss)),
      "relative_error_last_half": Self.json(entry.summary),
      "seconds_per_step": Self.number(entry.mean(\.secondsPerStep)),
      "processor_seconds_per_step": Self.number(entry.mean(\.processorSecondsPerStep)),
      "relative_cost": Self.number(relativeCost(of: entry)),
      "runs": .array(
        entry.runs.indices.map { index in
          json(entry.runs[index], entry, index, curves: curves)
        }),
    ]
    if curves {
      members["mean_curve"] = Self.list(entry.meanCurve)
      members["mean_relative_error"] = Self.list(entry.meanError)
    }
    return .object(members)
  }

  private func json(
    _ run: ComparedRun, _ entry: Entry, _ index: Int, curves: Bool
  ) -> JSONValue {
    var members: [String: JSONValue] = [
      "seed": Self.seed(run.run.seed), "directory": .string(run.run.name),
      "steps": .integer(run.metrics.count),
      "diverged_at": run.outcome.divergedAt.map { .integer($0) } ?? .null,
      "final_loss": Self.number(run.finalLoss),
      "smoothed_final_loss": Self.number(run.smoothedFinalLoss),
      "held_out_loss": Self.number(run.outcome.heldOutLoss),
      "relative_error_last_half": Self.json(entry.runSummaries[index]),
      "seconds_per_step": Self.number(run.secondsPerStep),
      "processor_seconds_per_step": Self.number(run.processorSecondsPerStep),
    ]
    if curves {
      members["losses"] = Self.list(run.metrics.map(\.loss))
      members["relative_error"] = Self.list(entry.errors[index])
    }
    return .object(members)
  }

  private static func json(_ summary: ErrorSummary?) -> JSONValue {
    guard let summary else { return .null }
    return .object([
      "mean": number(summary.mean), "max": number(summary.maximum),
      "signed_mean": number(summary.signedMean),
    ])
  }

  private static func list(_ values: [Double]) -> JSONValue { .array(values.map(number)) }

  /// JSON has no number that isn't finite.
  private static func number(_ value: Double?) -> JSONValue {
    value.flatMap { $0.isFinite ? .number($0) : nil } ?? .null
  }

  /// Beyond Int, as text.
  private static func seed(_ seed: UInt64) -> JSONValue {
    Int(exactly: seed).map { .integer($0) } ?? .string("\(seed)")
  }
}
