// What must hold among the sizes of a model so that every tensor has a shape and the router a
// choice. Errors use the names of config.json.

extension ModelSpec {
  /// Throws `ModelSpecError` for the first size that is out of range or contradicts another.
  /// `source` is the file or preset to name.
  ///
  /// The upper bounds are far above any model; they keep products of sizes within `Int`.
  package func validate(source: String = "model") throws(ModelSpecError) {
    let check = SpecCheck(source: source)
    try check.range("vocab_size", vocabularySize, 1...(1 << 24))
    try check.range("hidden_size", hiddenSize, 1...(1 << 18))
    try check.range("num_hidden_layers", layers, 1...1024)
    try check.range("first_k_dense_replace", denseLayers, 0...layers)
    try check.range("intermediate_size", denseIntermediateSize, 1...(1 << 18))
    try check.range("num_nextn_predict_layers", mtpDepth, 0...16)
    try check.range("max_position_embeddings", maxPositions, 1...(1 << 30))
    try validateAttention(check)
    if routedExperts > 0 {
      try validateExperts(check)
    } else {
      try check.range("n_routed_experts", routedExperts, 0...0)
      try check.that(
        "first_k_dense_replace", denseLayers == layers,
        "\(denseLayers) leaves layers without FFN: with no experts it must be \(layers)")
    }
    try check.positive("rms_norm_eps", rmsNormEpsilon)
    try check.positive("initializer_range", initializerRange)
    try check.positive("rope_theta", ropeTheta)
    if let yarn { try yarn.validate(check) }
  }

  private func validateAttention(_ check: SpecCheck) throws(ModelSpecError) {
    try check.range("num_attention_heads", heads, 1...4096)
    if let queryCompression { try check.range("q_lora_rank", queryCompression, 1...(1 << 18)) }
    try check.range("kv_lora_rank", keyValueCompression, 1...(1 << 18))
    try check.range("qk_nope_head_dim", nopeHeadDim, 1...4096)
    try check.range("qk_rope_head_dim", ropeHeadDim, 2...4096)
    try check.that(
      "qk_rope_head_dim", ropeHeadDim.isMultiple(of: 2),
      "\(ropeHeadDim) must be even: rotary embedding turns pairs")
    try check.range("v_head_dim", valueHeadDim, 1...4096)
  }

  private func validateExperts(_ check: SpecCheck) throws(ModelSpecError) {
    try check.range("n_routed_experts", routedExperts, 1...4096)
    try check.range("n_shared_experts", sharedExperts, 0...64)
    try check.range("moe_intermediate_size", expertIntermediateSize, 1...(1 << 18))
    try check.range("n_group", expertGroups, 1...routedExperts)
    try check.that(
      "n_group", routedExperts.isMultiple(of: expertGroups),
      "\(expertGroups) must divide n_routed_experts, \(routedExperts)")
    let perGroup = routedExperts / expertGroups
    try check.that(
      "n_group", expertGroups == 1 || perGroup >= 2,
      "\(expertGroups) leaves \(perGroup) expert a group; a group's score is the sum of its best "
        + "two, so at most \(routedExperts / 2) groups fit, or 1")
    try check.range("topk_group", groupsPerToken, 1...expertGroups)
    try check.range("num_experts_per_tok", expertsPerToken, 1...routedExperts)
    try check.that(
      "num_experts_per_tok", expertsPerToken <= groupsPerToken * perGroup,
      "\(expertsPerToken) experts do not fit in topk_group \(groupsPerToken) groups of "
        + "\(perGroup); at most \(groupsPerToken * perGroup) do")
    try check.positive("routed_scaling_factor", routedScalingFactor)
  }
}

extension YaRN {
  fileprivate func validate(_ check: SpecCheck) throws(ModelSpecError) {
    try check.that(
      "rope_scaling.factor", factor.isFinite && factor >= 1,
      "\(factor) must be 1 or more: YaRN stretches the context")
    try check.range(
      "rope_scaling.original_max_position_embeddings", originalMaxPositions, 1...(1 << 30))
    try check.positive("rope_scaling.beta_slow", betaSlow)
    try check.that(
      "rope_scaling.beta_fast", betaFast.isFinite && betaFast > betaSlow,
      "\(betaFast) must be above beta_slow, \(betaSlow)")
    for (key, value) in [("mscale", mscale), ("mscale_all_dim", mscaleAllDim)] {
      try check.that(
        "rope_scaling.\(key)", value.isFinite && value >= 0, "\(value) must not be negative")
    }
  }
}

/// Throws for what does not hold, naming source and key.
private struct SpecCheck {
  var source: String

  func that(_ key: String, _ holds: Bool, _ message: String) throws(ModelSpecError) {
    guard holds else {
      throw ModelSpecError(.badData, source: source, key: key, message: message)
    }
  }

  func range(_ key: String, _ value: Int, _ range: ClosedRange<Int>) throws(ModelSpecError) {
    let fits =
      range.lowerBound == range.upperBound
      ? "must be \(range.lowerBound)"
      : "must be from \(range.lowerBound) to \(range.upperBound)"
    try that(key, range.contains(value), "\(value) \(fits)")
  }

  func positive(_ key: String, _ value: Double) throws(ModelSpecError) {
    try that(key, value.isFinite && value > 0, "\(value) must be above 0")
  }
}
