// From a configuration to the model and the schedule that it asks for, with every check that needs
// no ranks and no text: what a run does first, and all that `dsv3 config` does.

package import ModelSpec
package import Schedules

extension TokenizerKind {
  /// Tokens, special ones included: 256 bytes, and begin, end and padding.
  package var vocabularySize: Int {
    switch self {
    case .bytes: 259
    }
  }
}

extension RunConfiguration {
  /// The model: preset or config.json with the configuration's overrides.
  /// - Throws: `ConfigurationError` when there is no such preset or file, when the sizes
  ///   contradict each other, or when the tokenizer has tokens that the model has not.
  package func resolvedModel() throws(ConfigurationError) -> ModelSpec {
    let (key, base) = try namedModel()
    let spec = applyOverrides(to: base)
    do {
      try spec.validate(source: "model")
    } catch {
      // The model was right before the overrides, so what is wrong is one of them, or needs one.
      throw self.error(
        at: error.key.flatMap { Self.dimensionKeys[$0] } ?? key, error.description)
    }
    guard spec.vocabularySize >= tokenizer.vocabularySize else {
      throw error(
        at: "model.vocabulary",
        "the model has \(spec.vocabularySize) tokens, but the tokenizer '\(tokenizer.rawValue)' "
          + "needs \(tokenizer.vocabularySize)")
    }
    return spec
  }

  private func namedModel() throws(ConfigurationError) -> (key: String, ModelSpec) {
    switch modelSource {
    case .preset(let name):
      try check("model.preset", names: "model", known: ModelPreset.names)
      do {
        return ("model.preset", try ModelPreset.named(name).spec)
      } catch { throw self.error(at: "model.preset", error.description) }
    case .path(let path):
      do {
        return ("model.path", try ModelSpec(configFile: path + "/config.json"))
      } catch {
        throw located(error.description, at: "model.path", exitCode: error.exitCode)
      }
    }
  }

  /// The schedule: made by name, or read from its file.
  /// - Parameter microbatches: micro-batches of a step; nil for those of the configuration.
  /// - Throws: `ConfigurationError` when there is none of that name, it cannot do the pipeline's
  ///   ranks and micro-batches, or the file cannot be read or does not hold such a schedule.
  package func resolvedSchedule(
    microbatches: Int? = nil
  ) throws(ConfigurationError) -> Schedule {
    let count = microbatches ?? plan.microBatches
    switch schedule {
    case .named(let name):
      try check("schedule.name", names: "schedule", known: ScheduleCatalog.names)
      do {
        return try ScheduleCatalog.make(
          name: name, ranks: layout.pipeline, microbatches: count, chunks: scheduleChunks)
      } catch {
        throw self.error(
          at: "schedule.name",
          error.message + "; choose schedule.microbatches, layout.pipeline or another schedule")
      }
    case .file(let path):
      let bytes: [UInt8]
      do {
        bytes = try readSmallFile(path)
      } catch {
        throw located(error.description, at: "schedule.file", exitCode: error.exitCode)
      }
      do {
        return try ScheduleCSV.read(
          bytes, name: path,
          expecting: .init(ranks: layout.pipeline, microbatches: count)
        ).schedule
      } catch {
        let remedy =
          error.rule == .shape
          ? "; choose layout.pipeline and schedule.microbatches as in the file" : ""
        throw self.error(at: "schedule.file", "\(path): \(error.description)\(remedy)")
      }
    }
  }

  /// The numbers of micro-batches that the schedule can do: a file only its own.
  /// - Throws: `ConfigurationError` when there is no schedule of that name.
  package func microbatchRule() throws(ConfigurationError) -> MicrobatchRule {
    guard case .named(let name) = schedule else {
      return MicrobatchRule(minimum: plan.microBatches, multiple: 1)
    }
    do {
      return try ScheduleCatalog.microbatchRule(name: name, ranks: layout.pipeline)
    } catch { throw self.error(at: "schedule.name", error.message) }
  }

  /// Model and schedule, each checked and then checked against the other.
  /// The virtual clock's cluster and model are checked, too.
  /// - Throws: `ConfigurationError` also when layers, stages and experts do not fit the layout.
  package func resolve() throws(ConfigurationError) -> (model: ModelSpec, schedule: Schedule) {
    try check("schedule.name", names: "schedule", known: ScheduleCatalog.names)
    _ = try clusterSpec()
    _ = try chargedModel()
    let model = try resolvedModel()
    let schedule = try resolvedSchedule()
    try validate(spec: model, stages: schedule.stages)
    return (model, schedule)
  }

  /// The keys that replace sizes of config.json, by the names that errors about sizes have.
  private static let dimensionKeys = [
    "vocab_size": "model.vocabulary", "initializer_range": "model.initializer_range",
    "num_nextn_predict_layers": "model.mtp.depth", "hidden_size": "model.dimensions.hidden",
    "num_hidden_layers": "model.dimensions.layers",
    "first_k_dense_replace": "model.dimensions.dense_layers",
    "intermediate_size": "model.dimensions.dense_width",
    "num_attention_heads": "model.dimensions.heads",
    "q_lora_rank": "model.dimensions.query_compression",
    "kv_lora_rank": "model.dimensions.kv_compression",
    "qk_nope_head_dim": "model.dimensions.nope_head_dim",
    "qk_rope_head_dim": "model.dimensions.rope_head_dim",
    "v_head_dim": "model.dimensions.value_head_dim", "n_routed_experts": "model.dimensions.experts",
    "n_shared_experts": "model.dimensions.shared_experts",
    "moe_intermediate_size": "model.dimensions.expert_width",
    "num_experts_per_tok": "model.dimensions.experts_per_token",
    "n_group": "model.dimensions.groups", "topk_group": "model.dimensions.groups_per_token",
    "routed_scaling_factor": "model.dimensions.routed_scaling_factor",
  ]

  private func located(
    _ problem: String, at key: String, exitCode: Int32
  ) -> ConfigurationError {
    var error = error(at: key, problem)
    if exitCode == 66 { error.kind = .missingInput }
    if exitCode == 65 { error.kind = .badData }
    return error
  }
}
