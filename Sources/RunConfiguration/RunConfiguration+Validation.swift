// Checks across keys: those that need nothing else, those against a model, against names that
// other rooms know, and against the number of MPI ranks.

package import ModelSpec

extension RunConfiguration {
  /// An error about a key of this configuration, with the place where it was given, for checks
  /// that only other rooms can make.
  package func error(at keyPath: String, _ problem: String) -> ConfigurationError {
    let key = Self.schema.first { $0.path == keyPath }
    return ConfigurationError(
      problem, origin: origins[keyPath], keyPath: keyPath, value: key?.value(self)?.yaml)
  }

  /// Refuses the value of a key that names something when it is not among the known names.
  /// - Parameter kind: what the names are of, such as "schedule".
  package func check(
    _ keyPath: String, names kind: String, known: [String]
  ) throws(ConfigurationError) {
    guard let key = Self.schema.first(where: { $0.path == keyPath }) else {
      preconditionFailure("\(keyPath) is no key of the schema")
    }
    guard case .text(let name)? = key.value(self), !known.contains(name) else { return }
    let near = nearestName(to: name, among: known).map { "; did you mean '\($0)'?" } ?? "."
    let list = known.joined(separator: ", ")
    throw error(at: keyPath, "unknown \(kind) '\(printable(name))'\(near) Known are: \(list).")
  }

  /// Checks that need nothing but the configuration. `load` makes them.
  package func validate() throws(ConfigurationError) {
    guard layout.data.isMultiple(of: layout.expert) else {
      throw error(
        at: "layout.expert",
        "\(shown("layout.expert")) does not divide layout.data = \(shown("layout.data")); "
          + "it may be \(divisors(of: layout.data))")
    }
    try validateFaults()
    try validateRunFaults()
    try validateNumerics()
    let factors = [
      plan.steps, plan.sequenceLength, plan.microBatch, plan.microBatches, layout.data,
    ]
    var tokens = 1
    for factor in factors {
      let product = tokens.multipliedReportingOverflow(by: factor)
      guard !product.overflow else {
        throw error(
          at: "training.steps",
          "steps × sequence × micro_batch × microbatches × layout.data, the tokens of the run, "
            + "does not fit 64 bits")
      }
      tokens = product.partialValue
    }
  }

  /// Refuses settings of low precision that the run's precision would not follow.
  private func validateNumerics() throws(ConfigurationError) {
    let numerics = plan.numerics
    let chosen = numerics.precision.rawValue + (origins["precision"] == nil ? " (the default)" : "")
    let standard = Numerics()
    let onlyFP8: [(key: String, isGiven: Bool)] = [
      ("low_precision.accumulation", numerics.accumulation != standard.accumulation),
      ("low_precision.scaling", numerics.scaling != standard.scaling),
      ("low_precision.gradient", numerics.gradientTiles != standard.gradientTiles),
    ]
    for (key, isGiven) in onlyFP8 where isGiven && numerics.precision != .fp8 {
      throw error(
        at: key,
        "\(shown(key)) concerns FP8 products, but precision is \(chosen); choose precision: fp8, "
          + "or leave this key out")
    }
    if numerics.gradientTiles == .blocks, numerics.scaling != .tiles {
      throw error(
        at: "low_precision.gradient",
        "blocks of gradients share scales only with low_precision.scaling: tiles, not "
          + "\(shown("low_precision.scaling")), which has one scale for a tensor; leave one of the "
          + "two keys out")
    }
    let rounded: [(key: String, saving: MemorySaving)] = [
      ("memory.e5m6_attention_output", .e5m6AttentionOutput),
      ("memory.fp8_swiglu_inputs", .fp8SwiGLUInputs),
    ]
    for (key, saving) in rounded where numerics[saves: saving] && numerics.precision == .fp32 {
      throw error(
        at: key,
        "keeps rounded numbers, but precision is \(chosen), which rounds nothing; choose "
          + "precision: bf16 or fp8, or leave this key out")
    }
  }

  /// Checks against the model, after `applyOverrides(to:)`.
  /// - Parameter stages: stages of the schedule; nil counts one for each pipeline rank.
  package func validate(
    spec: ModelSpec, stages: Int? = nil
  ) throws(ConfigurationError) {
    if !spec.routedExperts.isMultiple(of: layout.expert) {
      throw error(
        at: "layout.expert",
        "\(shown("layout.expert")) does not divide the model's \(spec.routedExperts) routed "
          + "experts; with layout.data = \(layout.data) it may be "
          + divisors(of: layout.data, and: spec.routedExperts))
    }
    let stageCount = stages ?? layout.pipeline
    guard layout.pipeline <= spec.layers else {
      throw error(
        at: "layout.pipeline",
        "\(layout.pipeline) pipeline ranks for a model of \(spec.layers) layers leave ranks "
          + "without a layer; there may be at most \(spec.layers)")
    }
    guard spec.layers >= min(stageCount, 2) else {
      throw error(
        at: "layout.pipeline",
        "the schedule has \(stageCount) stages; the first and the last need a layer each, but "
          + "the model has \(spec.layers)")
    }
    guard let stageLayers else { return }
    guard stageLayers.count == stageCount else {
      throw error(
        at: "layout.stages",
        "\(stageLayers.count) stages are listed, but the pipeline has \(stageCount)")
    }
    let sum = stageLayers.reduce(0, +)
    guard sum == spec.layers else {
      throw error(
        at: "layout.stages",
        "the listed stages have \(sum) layers together, but the model has \(spec.layers)")
    }
    guard stageLayers.first != 0, stageLayers.last != 0 else {
      throw error(at: "layout.stages", "the first and the last stage need a layer each")
    }
  }

  /// The value of a key for a message, marked when nobody gave it.
  private func shown(_ keyPath: String) -> String {
    let value = Self.schema.first { $0.path == keyPath }?.value(self)?.yaml ?? ""
    return origins[keyPath] == nil ? value + " (the default)" : value
  }

  /// The numbers that divide both, as "1, 2, 4".
  private func divisors(of a: Int, and b: Int = 0) -> String {
    (1...a).filter { a.isMultiple(of: $0) && b.isMultiple(of: $0) }.map(String.init)
      .joined(separator: ", ")
  }
}
