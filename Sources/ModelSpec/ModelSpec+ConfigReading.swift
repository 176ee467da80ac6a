// ModelSpec from Hugging Face's config.json, in the spelling of the released checkpoint
// (`rope_scaling`, top-level `rope_theta`, `torch_dtype`) and in that of transformers 5
// (`rope_parameters`, `dtype`). What the model here would not compute is refused, not ignored.

internal import JSON

extension ModelSpec {
  /// Reads the sizes from the config.json at `path`.
  ///
  /// Throws `ModelSpecError` as `init(configJSON:source:)` does, or when there is no such file.
  package init(configFile path: String) throws(ModelSpecError) {
    try self.init(configJSON: try readSmallFile(path, limit: 1 << 20), source: path)
  }

  /// Reads the sizes from the text of a config.json; `source` names it in errors.
  ///
  /// Throws `ModelSpecError` when it is not JSON, a key is missing or of the wrong type, a value
  /// asks for something that is not computed here, or `validate()` finds a contradiction.
  package init(configJSON bytes: [UInt8], source: String) throws(ModelSpecError) {
    let json: JSONValue
    do {
      json = try JSONValue(parsing: bytes)
    } catch {
      throw ModelSpecError(.badData, source: source, message: error.reason)
    }
    guard case .object(let members) = json else {
      throw ModelSpecError(
        .badData, source: source, message: "found \(json) where an object is needed")
    }
    try self.init(ConfigObject(source: source, path: "", members: members))
  }

  private init(_ config: ConfigObject) throws(ModelSpecError) {
    try ModelSpec.refuseUnsupported(config)
    let layers = try config.integer("num_hidden_layers")
    guard config.has("q_lora_rank") else {
      throw config.error(
        "q_lora_rank", "missing; an integer is needed, or null for a query without compression")
    }
    let experts = try config.integerIfPresent("n_routed_experts")
    try self.init(
      vocabularySize: config.integer("vocab_size"),
      hiddenSize: config.integer("hidden_size"),
      layers: layers,
      denseLayers: experts == nil ? layers : config.integer("first_k_dense_replace"),
      denseIntermediateSize: config.integer("intermediate_size"),
      heads: config.integer("num_attention_heads"),
      queryCompression: config.integerIfPresent("q_lora_rank"),
      keyValueCompression: config.integer("kv_lora_rank"),
      nopeHeadDim: config.integer("qk_nope_head_dim"),
      ropeHeadDim: config.integer("qk_rope_head_dim"),
      valueHeadDim: config.integer("v_head_dim"),
      routedExperts: experts ?? 0,
      sharedExperts: experts == nil ? 0 : config.integer("n_shared_experts", default: 0),
      expertIntermediateSize: experts == nil ? 0 : config.integer("moe_intermediate_size"),
      expertsPerToken: experts == nil ? 0 : config.integer("num_experts_per_tok"),
      expertGroups: experts == nil ? 1 : config.integer("n_group"),
      groupsPerToken: experts == nil ? 1 : config.integer("topk_group"))
    if experts != nil {
      normalisesGates = try config.bool("norm_topk_prob", default: true)
      routedScalingFactor = try config.double("routed_scaling_factor")
    }
    mtpDepth = try config.integer("num_nextn_predict_layers", default: 0)
    rmsNormEpsilon = try config.double("rms_norm_eps", default: 1e-6)
    maxPositions = try config.integer("max_position_embeddings", default: 4096)
    initializerRange = try config.double("initializer_range", default: 0.02)
    try readRotary(config)
    try validate(source: config.source)
    try checkDerivedKeys(config)
  }

  /// Refuses what the released model does not have and this one does not compute. Keys that
  /// transformers ignores for DeepSeek-V3 (`ep_size`, `seq_aux`, …) are ignored here too.
  private static func refuseUnsupported(_ config: ConfigObject) throws(ModelSpecError) {
    try config.require("model_type", .string("deepseek_v3"), "other models have other layers")
    try config.require("attention_bias", .bool(false), "projections have no bias here")
    try config.require(
      "tie_word_embeddings", .bool(false), "embedding and head are two tensors here")
    try config.require("hidden_act", .string("silu"), "FFNs are SwiGLU here")
    try config.require("scoring_func", .string("sigmoid"), "affinities are sigmoids here")
    try config.require(
      "topk_method", .string("noaux_tc"), "experts are chosen with the selection-only bias here")
    try config.require("moe_layer_freq", .integer(1), "every layer after the dense has experts")
    try config.require(
      "rope_interleave", .bool(true), "rotary pairs are neighbours (2i, 2i+1) here")
    if let dropout = try config.doubleIfPresent("attention_dropout"), dropout != 0 {
      throw config.error("attention_dropout", "\(dropout) is not supported; 0 is")
    }
  }

  /// Rotary constants from `rope_parameters`, or from `rope_scaling` and `rope_theta`; when both
  /// spellings stand in the file they must agree.
  private mutating func readRotary(_ config: ConfigObject) throws(ModelSpecError) {
    let outer = try config.doubleIfPresent("rope_theta")
    let old = try config.object("rope_scaling")
    let new = try config.object("rope_parameters")
    let inner = try (new ?? old)?.doubleIfPresent("rope_theta")
    if let inner, let outer, inner != outer {
      throw config.error("rope_theta", "\(outer) contradicts \(inner) in the rotary parameters")
    }
    ropeTheta = inner ?? outer ?? 10000
    let oldYaRN = try old.flatMap { (object) throws(ModelSpecError) in
      try YaRN(object, maxPositions: maxPositions)
    }
    let newYaRN = try new.flatMap { (object) throws(ModelSpecError) in
      try YaRN(object, maxPositions: maxPositions)
    }
    if old != nil, new != nil, oldYaRN != newYaRN {
      throw config.error("rope_scaling", "contradicts rope_parameters; one of them is enough")
    }
    yarn = newYaRN ?? oldYaRN
  }

  /// Keys that follow from others and may stand beside them.
  private func checkDerivedKeys(_ config: ConfigObject) throws(ModelSpecError) {
    let derived = [
      ("num_key_value_heads", heads, "num_attention_heads, since keys are not grouped"),
      ("qk_head_dim", queryHeadDim, "qk_nope_head_dim + qk_rope_head_dim"),
    ]
    for (key, expected, why) in derived {
      guard let found = try config.integerIfPresent(key), found != expected else { continue }
      throw config.error(key, "\(found) must be \(expected): \(why)")
    }
  }
}

extension YaRN {
  /// YaRN's constants from a `rope_scaling` or `rope_parameters` object, nil for plain rotary.
  fileprivate init?(_ rope: ConfigObject, maxPositions: Int) throws(ModelSpecError) {
    let key = rope.value("rope_type") == nil ? "type" : "rope_type"
    let kind = try rope.string(key)
    switch kind {
    case nil, "default": return nil
    case "yarn": break
    case let kind?:
      throw rope.error(key, "\"\(kind)\" is not supported; \"yarn\" and \"default\" are")
    }
    if let factor = rope.value("attention_factor") {
      throw rope.error(
        "attention_factor", "\(factor) is not supported; mscale and mscale_all_dim are")
    }
    try rope.require("truncate", .bool(true), "the ramp's ends are rounded here")
    self.init(
      factor: try rope.double("factor"),
      originalMaxPositions: try rope.integer(
        "original_max_position_embeddings", default: maxPositions),
      betaFast: try rope.double("beta_fast", default: 32),
      betaSlow: try rope.double("beta_slow", default: 1),
      mscale: try rope.double("mscale", default: 1),
      mscaleAllDim: try rope.double("mscale_all_dim", default: 0))
    // Where only one of the two is given, DeepSeek's and Hugging Face's code compute differently.
    let hasMscale = try rope.double("mscale", default: 0) != 0
    guard mscaleAllDim == 0 ? mscale == 1 : hasMscale else {
      throw rope.error(
        hasMscale ? "mscale_all_dim" : "mscale",
        "must be given beside mscale \(mscale) and mscale_all_dim \(mscaleAllDim): released code "
          + "disagrees on one without the other")
    }
  }
}
