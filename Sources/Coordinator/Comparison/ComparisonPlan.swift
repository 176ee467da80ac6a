// What a comparison trains: one configuration under several precisions and seeds, all else equal.

package import ModelSpec
package import RunConfiguration

/// Where the ranks of a comparison stand.
package enum ComparisonLayout: Equatable, Sendable {
  /// So many data ranks without pipeline; each step trains the sequences that the configuration's
  /// own layout would.
  case dataRanks(Int)
  /// The configuration's own.
  case configured
}

package struct ComparisonPlan: Sendable {
  /// One training of the plan.
  package struct Run: Equatable, Sendable {
    package let precision: TrainingPrecision
    package let seed: UInt64

    /// As messages and directories call it.
    package var name: String { "\(precision.name)-seed\(seed)" }
  }

  /// What all runs share; its precision and seed are not used.
  package let base: RunConfiguration
  package let spec: ModelSpec
  package let precisions: [TrainingPrecision]
  /// Name of the precision that errors are relative to.
  package let baseline: String
  package let seeds: [UInt64]

  package var steps: Int { base.plan.steps }
  package var ranks: Int { base.layout.worldSize }

  /// Trained tokens of a step after any growth of the batch.
  package var tokensPerStep: Int {
    base.plan.sequenceLength * base.plan.microBatch * base.plan.microBatches * base.layout.data
  }

  /// All runs, seed by seed, so that an early look at a comparison has all precisions.
  package var runs: [Run] {
    seeds.flatMap { seed in precisions.map { Run(precision: $0, seed: seed) } }
  }

  /// - Parameters:
  ///   - precisions: names, at least one.
  ///   - seeds: at least one; nil for the configuration's.
  /// - Throws: `ComparisonError.usage` for a name or layout that can't be, `ConfigurationError` for
  ///   a configuration that can't be trained.
  package init(
    _ configuration: RunConfiguration, precisions names: [String], baseline: String,
    seeds: [UInt64]?, layout: ComparisonLayout
  ) throws {
    var precisions: [TrainingPrecision] = []
    for name in names {
      let precision = try TrainingPrecision.named(name)
      guard !precisions.contains(precision) else {
        throw ComparisonError.usage("the precision '\(name)' is named twice")
      }
      precisions.append(precision)
    }
    guard precisions.contains(where: { $0.name == baseline }) else {
      _ = try TrainingPrecision.named(baseline)
      throw ComparisonError.usage(
        "the baseline '\(baseline)' is not among the precisions \(names.joined(separator: ", "))")
    }
    let seeds = seeds ?? [configuration.plan.seed]
    guard Set(seeds).count == seeds.count else {
      throw ComparisonError.usage("a seed is named twice")
    }
    var base = try configuration.laidOut(as: layout)
    // Nothing that a comparison doesn't read.
    base.checkpointEvery = 0
    base.recordEvery = 0
    base.runDirectory = nil
    spec = try base.resolve().model
    // What each run sets is the default here, so that the plans of other precisions are the same.
    base.plan.seed = RunConfiguration().plan.seed
    self.base = base
    self.precisions = precisions
    self.baseline = baseline
    self.seeds = seeds
  }

  /// What a run is told.
  package func configuration(of run: Run) throws(ConfigurationError) -> RunConfiguration {
    try RunConfiguration.read(
      bytes: Array(base.resolvedYAML().utf8), file: "the comparison's configuration",
      overrides: run.precision.settings + ["training.seed=\(run.seed)"])
  }
}

extension RunConfiguration {
  /// The same training on other ranks.
  fileprivate func laidOut(as layout: ComparisonLayout) throws(ComparisonError) -> RunConfiguration
  {
    guard case .dataRanks(let ranks) = layout else { return self }
    let microBatches = plan.microBatches * self.layout.data
    guard microBatches.isMultiple(of: ranks) else {
      throw .usage(
        "\(ranks) ranks can't share out the \(microBatches) micro-batches of a step equally")
    }
    var changed = self
    changed.layout = Layout(pipeline: 1, data: ranks, expert: ranks, gpusPerNode: ranks)
    changed.stageLayers = nil
    changed.schedule = .named("1f1b")
    changed.plan.microBatches = microBatches / ranks
    return changed
  }
}
