// What comes out of a comparison: smoothed curves, errors relative to the baseline's run of the
// same seed, losses and costs, for each precision.

/// The figures of a comparison.
package struct PrecisionComparison: Sendable {
  /// One precision with its runs, in the order of the seeds.
  package struct Entry: Sendable {
    package let precision: TrainingPrecision
    package let runs: [ComparedRun]
    /// Losses by run and step, smoothed.
    package let curves: [[Double]]
    /// Relative errors of `curves` by run and step.
    package let errors: [[Double]]
    /// Means over the seeds, at the steps that all have.
    package let meanCurve: [Double]
    package let meanError: [Double]
    /// Over the last half of the steps: of each run, and of the mean over the seeds.
    package let runSummaries: [ErrorSummary?]
    package let summary: ErrorSummary?

    /// Mean over seeds of a figure that all runs have.
    package func mean(_ figure: (ComparedRun) -> Double?) -> Double? {
      let values = runs.compactMap(figure)
      return values.count == runs.count ? LossCurve.mean(of: values.map { [$0] }).first : nil
    }
  }

  package let plan: ComparisonPlan
  package let entries: [Entry]

  /// - Parameter runs: all runs of the plan.
  package init(_ plan: ComparisonPlan, _ runs: [ComparedRun]) {
    self.plan = plan
    func smoothed(_ run: ComparedRun) -> [Double] { LossCurve.smoothed(run.metrics.map(\.loss)) }
    let baselines = runs.filter { $0.run.precision.name == plan.baseline }.map(smoothed)
    entries = plan.precisions.map { precision in
      let own = runs.filter { $0.run.precision == precision }
      let curves = own.map(smoothed)
      let errors = zip(curves, baselines).map { LossCurve.relativeErrors(of: $0, to: $1) }
      let meanError = LossCurve.mean(of: errors)
      return Entry(
        precision: precision, runs: own, curves: curves, errors: errors,
        meanCurve: LossCurve.mean(of: curves), meanError: meanError,
        runSummaries: errors.map { ErrorSummary(lastHalfOf: plan.steps, $0) },
        summary: ErrorSummary(lastHalfOf: plan.steps, meanError))
    }
  }

  /// The precision that costs are relative to: FP32 if it is there.
  package var costReference: String {
    entries.contains { $0.precision.name == "fp32" } ? "fp32" : plan.baseline
  }

  /// Processor seconds of a step over those of the reference's.
  package func relativeCost(of entry: Entry) -> Double? {
    guard let reference = entries.first(where: { $0.precision.name == costReference }),
      let cost = entry.mean(\.processorSecondsPerStep),
      let least = reference.mean(\.processorSecondsPerStep), least > 0
    else { return nil }
    return cost / least
  }
}

extension ComparedRun {
  /// Loss of the last step; nil when there was none.
  package var finalLoss: Double? { metrics.last?.loss }
  /// The smoothed loss at the last step.
  package var smoothedFinalLoss: Double? { LossCurve.smoothed(metrics.map(\.loss)).last }
  /// Median over the steps of the wall clock, which stands for an undisturbed step.
  package var secondsPerStep: Double? { LossCurve.median(metrics.map(\.wallSeconds)) }
  /// Of all ranks, from start to end, held-out losses included.
  package var processorSecondsPerStep: Double? {
    metrics.isEmpty ? nil : outcome.processorSeconds / Double(metrics.count)
  }
}
