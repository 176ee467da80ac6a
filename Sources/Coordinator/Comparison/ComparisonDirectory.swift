// The directory of a comparison: comparison.yaml, what all its runs share; a run directory for each
// precision and seed, with outcome.json when the run is over; and what comes out of it all.

internal import JSON
internal import ModelSpec
internal import RunConfiguration

/// How a run ended, as outcome.json keeps it.
package struct RunOutcome: Equatable, Sendable, Codable {
  /// Steps whose loss and gradient were finite.
  package var steps: Int
  /// The step that was not; nil when the run went to its end.
  package var divergedAt: Int?
  package var heldOutLoss: Double?
  /// User and system time of all ranks, with the start and the held-out losses.
  package var processorSeconds: Double
  package var trainingTokens: Int
  package var heldOutTokens: Int

  package init(
    steps: Int, divergedAt: Int?, heldOutLoss: Double?, processorSeconds: Double,
    trainingTokens: Int, heldOutTokens: Int
  ) {
    self.steps = steps
    self.divergedAt = divergedAt
    self.heldOutLoss = heldOutLoss
    self.processorSeconds = processorSeconds
    self.trainingTokens = trainingTokens
    self.heldOutTokens = heldOutTokens
  }

  private enum CodingKeys: String, CodingKey {
    case steps
    case divergedAt = "diverged_at"
    case heldOutLoss = "held_out_loss"
    case processorSeconds = "processor_seconds"
    case trainingTokens = "training_tokens"
    case heldOutTokens = "held_out_tokens"
  }

  var json: String {
    func text<Value>(_ value: Value?) -> String { value.map { "\($0)" } ?? "null" }
    return """
      {
        "steps": \(steps),
        "diverged_at": \(text(divergedAt)),
        "held_out_loss": \(text(heldOutLoss)),
        "processor_seconds": \(processorSeconds),
        "training_tokens": \(trainingTokens),
        "held_out_tokens": \(heldOutTokens)
      }

      """
  }
}

package struct ComparisonDirectory: Sendable {
  package let path: String

  package init(path: String) { self.path = path }

  /// With the curves, always.
  package var json: String { path + "/comparison.json" }
  package var picture: String { path + "/comparison.svg" }
  private var shared: String { path + "/comparison.yaml" }

  package func directory(of run: ComparisonPlan.Run) -> String { path + "/" + run.name }
  func configuration(of run: ComparisonPlan.Run) -> String { directory(of: run) + "/asked.yaml" }
  func metrics(of run: ComparisonPlan.Run) -> String { directory(of: run) + "/metrics.jsonl" }
  func output(of run: ComparisonPlan.Run) -> String { directory(of: run) + "/output.log" }
  private func outcome(of run: ComparisonPlan.Run) -> String {
    directory(of: run) + "/outcome.json"
  }

  /// Makes the directory, or takes that of an earlier comparison of the same training.
  /// - Throws: `ComparisonError.usage` when something else is there.
  package func open(for plan: ComparisonPlan) throws(ComparisonError) {
    let names = TextFiles.names(in: path)
    let text = plan.base.resolvedYAML()
    if let bytes = TextFiles.contents(of: shared) {
      let there = String(decoding: bytes, as: UTF8.self)
      guard there != text else { return }
      throw .usage(
        "\(path) holds a comparison of another training (\(Self.difference(there, text))); choose "
          + "another --output")
    }
    guard names.isEmpty else {
      throw .usage(
        "\(path) holds something else (\(names.prefix(3).joined(separator: ", "))"
          + (names.count > 3 ? ", …" : "") + "); choose another --output")
    }
    try TextFiles.makeDirectory(path)
    try TextFiles.write(text, to: shared)
  }

  /// Makes a run's directory, with the configuration it is started with.
  func prepare(
    _ run: ComparisonPlan.Run, _ configuration: RunConfiguration
  ) throws(ComparisonError) {
    try TextFiles.makeDirectory(directory(of: run))
    try TextFiles.write(configuration.resolvedYAML(), to: self.configuration(of: run))
  }

  func save(_ outcome: RunOutcome, of run: ComparisonPlan.Run) throws(ComparisonError) {
    try TextFiles.write(outcome.json, to: self.outcome(of: run))
  }

  /// The outcome of a run that is over and was told `configuration`, with all its steps there.
  func finished(
    _ run: ComparisonPlan.Run, _ configuration: RunConfiguration
  ) -> (outcome: RunOutcome, metrics: [StepMetrics])? {
    guard let bytes = TextFiles.contents(of: outcome(of: run)),
      let outcome = try? JSONValue.decode(RunOutcome.self, from: bytes),
      let asked = TextFiles.contents(of: self.configuration(of: run)),
      String(decoding: asked, as: UTF8.self) == configuration.resolvedYAML()
    else { return nil }
    var reader = MetricsReader(path: metrics(of: run))
    guard (try? reader.update()) != nil, reader.steps.count == outcome.steps,
      outcome.steps == configuration.plan.steps || outcome.divergedAt == outcome.steps + 1
    else { return nil }
    return (outcome, reader.steps)
  }

  /// The first setting that differs, in words.
  private static func difference(_ there: String, _ wanted: String) -> String {
    guard let old = try? RunConfiguration.read(bytes: Array(there.utf8), file: "comparison.yaml"),
      let new = try? RunConfiguration.read(bytes: Array(wanted.utf8), file: "comparison.yaml")
    else { return "its comparison.yaml can't be read" }
    for key in RunConfiguration.schema where key.value(old) != key.value(new) {
      let (was, isNow) = (key.value(old)?.yaml ?? "none", key.value(new)?.yaml ?? "none")
      return "\(key.path) was \(was) and is \(isNow)"
    }
    return "made by another version"
  }
}
