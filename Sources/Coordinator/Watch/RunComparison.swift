// Two runs or more, step by step: how far a figure is from the first run's, and how they compare in
// speed, virtual time and memory. No smoothing: two trainings of one seed are expected to agree.

package import JSON
internal import RunConfiguration
package import RunFiles

/// A figure of metrics.jsonl that can be compared.
package struct ComparedMetric: Sendable {
  package let name: String
  package let value: @Sendable (StepMetrics) -> Double?

  package static let all = [
    ComparedMetric(name: "loss", value: { $0.loss }),
    ComparedMetric(name: "mtp_loss", value: { $0.mtpLoss }),
    ComparedMetric(name: "balance_loss", value: { $0.balanceLoss }),
    ComparedMetric(name: "grad_norm", value: { $0.gradientNorm }),
    ComparedMetric(name: "learning_rate", value: { $0.learningRate }),
    ComparedMetric(name: "max_expert_load_ratio", value: { $0.maxExpertLoadRatio }),
    ComparedMetric(name: "virtual_step_seconds", value: { $0.virtual?.stepSeconds }),
    ComparedMetric(name: "bubble_fraction", value: { $0.virtual?.bubbleFraction }),
    ComparedMetric(name: "peak_memory_bytes", value: { $0.peakMemoryBytes.map(Double.init) }),
  ]

  package static func named(_ name: String) -> ComparedMetric? { all.first { $0.name == name } }
}

/// A run with all that is compared.
package struct RecordedRun: Sendable {
  package let name: String
  package let steps: [StepMetrics]
  /// Keys of config.yaml with their values as YAML; nil when it can't be read.
  package let settings: [String: String]?

  package init(name: String, steps: [StepMetrics], settings: [String: String]? = nil) {
    self.name = name
    self.steps = steps
    self.settings = settings
  }

  /// Reads a run.
  package init(_ directory: RunDirectory) {
    var view = RunView(directory)
    view.update()
    name = directory.name
    steps = view.steps
    settings = view.configuration.map { configuration in
      Dictionary(
        uniqueKeysWithValues: configuration.settings.map { ($0.key.path, $0.value.yaml) })
    }
  }

  /// In the middle of the steps but the first, which warms up.
  package var tokensPerSecond: Double? {
    LossCurve.median((steps.count > 1 ? steps.dropFirst() : steps[...]).map(\.tokensPerSecond))
  }

  package var virtualStep: Double? {
    LossCurve.median(steps.compactMap { $0.virtual?.stepSeconds })
  }

  /// The fullest rank's tensors at the fullest step.
  package var peakMemory: Int? { steps.compactMap(\.peakMemoryBytes).max() }
}

/// A run beside the first.
package struct RunComparison: Sendable {
  /// A step that both runs have.
  package struct Difference: Equatable, Sendable {
    package var step: Int
    package var baseline: Double
    package var value: Double
    /// |value − baseline| / |baseline|; 0 where both are the same, also both not a number, and
    /// infinite where only one is a number, or the baseline is 0.
    package var relative: Double

    init(step: Int, baseline: Double, value: Double) {
      (self.step, self.baseline, self.value) = (step, baseline, value)
      let isSame = baseline == value || (baseline.isNaN && value.isNaN)
      let difference = abs(value - baseline) / abs(baseline)
      relative = isSame ? 0 : difference.isNaN ? .infinity : difference
    }
  }

  /// A key of the configuration with both values; nil where a run doesn't have it.
  package struct ChangedKey: Equatable, Sendable {
    package var key: String
    package var baseline: String?
    package var value: String?
  }

  package let baseline: RecordedRun
  package let run: RecordedRun
  package let metric: ComparedMetric
  package let tolerance: Double
  package let differences: [Difference]

  package init(
    _ run: RecordedRun, to baseline: RecordedRun, metric: ComparedMetric, tolerance: Double
  ) {
    self.baseline = baseline
    self.run = run
    self.metric = metric
    self.tolerance = tolerance
    let others = Dictionary(run.steps.map { ($0.step, $0) }, uniquingKeysWith: { $1 })
    differences = baseline.steps.compactMap { step in
      guard let other = others[step.step], let first = metric.value(step),
        let second = metric.value(other)
      else { return nil }
      return Difference(step: step.step, baseline: first, value: second)
    }
  }

  /// The largest difference, the first of equals.
  package var largest: Difference? {
    differences.reduce(nil) { most, next in
      most.map { $0.relative >= next.relative ? $0 : next } ?? next
    }
  }

  package var mean: Double? {
    differences.isEmpty
      ? nil : differences.reduce(0) { $0 + $1.relative } / Double(differences.count)
  }

  package var firstBeyond: Difference? { differences.first { $0.relative > tolerance } }

  package var isIdentical: Bool { differences.allSatisfy { $0.relative == 0 } }

  /// Over the baseline's: above 1 is faster.
  package var speedRatio: Double? { Self.ratio(run.tokensPerSecond, baseline.tokensPerSecond) }
  package var virtualStepRatio: Double? { Self.ratio(run.virtualStep, baseline.virtualStep) }
  package var memoryRatio: Double? {
    Self.ratio(run.peakMemory.map(Double.init), baseline.peakMemory.map(Double.init))
  }

  private static func ratio(_ value: Double?, _ baseline: Double?) -> Double? {
    guard let value, let baseline, baseline > 0 else { return nil }
    return value / baseline
  }

  /// Keys whose values differ, but for where a run is; nil when a configuration can't be read.
  package var changedKeys: [ChangedKey]? {
    guard let before = baseline.settings, let after = run.settings else { return nil }
    return Set(before.keys).union(after.keys).sorted().compactMap { key in
      guard !key.hasPrefix("run."), before[key] != after[key] else { return nil }
      return ChangedKey(key: key, baseline: before[key], value: after[key])
    }
  }

  /// Under the keys of `dsv3 compare --json`; what isn't known, or isn't finite, is null.
  package var json: JSONValue {
    func number(_ value: Double?) -> JSONValue {
      value.flatMap { $0.isFinite ? .number($0) : nil } ?? .null
    }
    func step(_ value: Difference?) -> JSONValue {
      guard let value else { return .null }
      return .object([
        "step": .integer(value.step), "baseline": number(value.baseline),
        "value": number(value.value), "relative": number(value.relative),
      ])
    }
    let keys = changedKeys?.map { change in
      JSONValue.object([
        "key": .string(change.key), "baseline": change.baseline.map { .string($0) } ?? .null,
        "value": change.value.map { .string($0) } ?? .null,
      ])
    }
    return .object([
      "baseline": .string(baseline.name), "run": .string(run.name),
      "metric": .string(metric.name), "tolerance": .number(tolerance),
      "steps": .integer(differences.count), "baseline_steps": .integer(baseline.steps.count),
      "run_steps": .integer(run.steps.count), "identical": .bool(isIdentical),
      "within_tolerance": .bool(firstBeyond == nil), "mean_relative": number(mean),
      "largest": step(largest), "first_beyond": step(firstBeyond),
      "tokens_per_second": number(run.tokensPerSecond), "speed_ratio": number(speedRatio),
      "virtual_step_seconds": number(run.virtualStep),
      "virtual_step_ratio": number(virtualStepRatio),
      "peak_memory_bytes": run.peakMemory.map { .integer($0) } ?? .null,
      "memory_ratio": number(memoryRatio), "changed_keys": keys.map { .array($0) } ?? .null,
    ])
  }
}
