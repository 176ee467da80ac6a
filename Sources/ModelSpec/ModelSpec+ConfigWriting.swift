// ModelSpec as Hugging Face's config.json, so that what is trained here loads there.

internal import JSON

/// Which generation of Hugging Face's keys to write.
package enum ConfigSpelling: String, Sendable, CaseIterable {
  /// `rope_scaling`, top-level `rope_theta`, `torch_dtype`: the released checkpoint's.
  case released
  /// `rope_parameters` with the base inside, `dtype`: transformers 5.
  case transformers5
}

extension ModelSpec {
  /// The model as a config.json that `init(configJSON:source:)` reads back to an equal value.
  /// `dtype` names the type the weights are stored in.
  package func configJSON(
    spelling: ConfigSpelling = .released, dtype: String = "float32"
  ) -> [UInt8] {
    var config = sizes.merging(routing) { $1 }
    switch spelling {
    case .released:
      config["rope_scaling"] = yarn.map { .object($0.members(typeKey: "type")) } ?? .null
      config["rope_theta"] = .number(ropeTheta)
      config["torch_dtype"] = .string(dtype)
      config["scoring_func"] = .string("sigmoid")
      config["topk_method"] = .string("noaux_tc")
      config["moe_layer_freq"] = .integer(1)
    case .transformers5:
      var rope = yarn?.members(typeKey: "rope_type") ?? ["rope_type": .string("default")]
      rope["rope_theta"] = .number(ropeTheta)
      config["rope_parameters"] = .object(rope)
      config["rope_interleave"] = .bool(true)
      config["dtype"] = .string(dtype)
    }
    return JSONValue.object(config).text()
  }

  private var sizes: [String: JSONValue] {
    [
      "architectures": .array([.string("DeepseekV3ForCausalLM")]),
      "model_type": .string("deepseek_v3"),
      "attention_bias": .bool(false),
      "attention_dropout": .number(0),
      "hidden_act": .string("silu"),
      "tie_word_embeddings": .bool(false),
      "use_cache": .bool(true),
      "vocab_size": .integer(vocabularySize),
      "hidden_size": .integer(hiddenSize),
      "num_hidden_layers": .integer(layers),
      "first_k_dense_replace": .integer(denseLayers),
      "intermediate_size": .integer(denseIntermediateSize),
      "num_attention_heads": .integer(heads),
      "num_key_value_heads": .integer(heads),
      "q_lora_rank": queryCompression.map { .integer($0) } ?? .null,
      "kv_lora_rank": .integer(keyValueCompression),
      "qk_nope_head_dim": .integer(nopeHeadDim),
      "qk_rope_head_dim": .integer(ropeHeadDim),
      "v_head_dim": .integer(valueHeadDim),
      "num_nextn_predict_layers": .integer(mtpDepth),
      "rms_norm_eps": .number(rmsNormEpsilon),
      "max_position_embeddings": .integer(maxPositions),
      "initializer_range": .number(initializerRange),
    ]
  }

  private var routing: [String: JSONValue] {
    guard routedExperts > 0 else { return ["n_routed_experts": .null] }
    return [
      "n_routed_experts": .integer(routedExperts),
      "n_shared_experts": .integer(sharedExperts),
      "moe_intermediate_size": .integer(expertIntermediateSize),
      "num_experts_per_tok": .integer(expertsPerToken),
      "n_group": .integer(expertGroups),
      "topk_group": .integer(groupsPerToken),
      "norm_topk_prob": .bool(normalisesGates),
      "routed_scaling_factor": .number(routedScalingFactor),
    ]
  }
}

extension YaRN {
  fileprivate func members(typeKey: String) -> [String: JSONValue] {
    var members: [String: JSONValue] = [
      typeKey: .string("yarn"),
      "factor": .number(factor),
      "original_max_position_embeddings": .integer(originalMaxPositions),
      "beta_fast": .number(betaFast),
      "beta_slow": .number(betaSlow),
      "mscale": .number(mscale),
    ]
    if mscaleAllDim != 0 { members["mscale_all_dim"] = .number(mscaleAllDim) }
    return members
  }
}
