// config.json in both spellings, what is refused and how the refusal reads.

import JSON
import ModelSpec
import Testing

/// Path of a file in Tests/Fixtures.
func fixture(_ path: String, here: String = #filePath) -> String {
  let tests = here.split(separator: "/", omittingEmptySubsequences: false).dropLast(2)
  return (tests + ["Fixtures", path[...]]).joined(separator: "/")
}

private func config(_ change: (inout [String: JSONValue]) -> Void) throws -> [UInt8] {
  let bytes = try readSmallFile(fixture("golden/tiny-yarn/config.json"))
  guard case .object(var members) = try JSONValue(parsing: bytes) else { return [] }
  change(&members)
  return JSONValue.object(members).text()
}

private func yarn(_ change: (inout [String: JSONValue]) -> Void) throws -> [UInt8] {
  try config { members in
    guard case .object(var rope) = members["rope_scaling"] else { return }
    change(&rope)
    members["rope_scaling"] = .object(rope)
  }
}

@Suite struct ConfigTests {
  @Test(arguments: ["tiny", "tiny-yarn"])
  func bothSpellingsOfAConfigGiveTheSameModel(directory: String) throws {
    let released = try ModelSpec(configFile: fixture("golden/\(directory)/config.json"))
    let current = try ModelSpec(configFile: fixture("golden/\(directory)/config.hf.json"))
    #expect(released == current)
  }

  @Test func tinyHasTheSizesOfItsConfig() throws {
    let spec = try ModelSpec(configFile: fixture("golden/tiny/config.json"))
    var expected = ModelSpec(
      vocabularySize: 256, hiddenSize: 64, layers: 4, denseLayers: 1, denseIntermediateSize: 128,
      heads: 4, queryCompression: 32, keyValueCompression: 16, nopeHeadDim: 16, ropeHeadDim: 8,
      valueHeadDim: 16, routedExperts: 8, sharedExperts: 1, expertIntermediateSize: 32,
      expertsPerToken: 2, expertGroups: 4, groupsPerToken: 2)
    expected.routedScalingFactor = 2.5
    expected.maxPositions = 256
    expected.initializerRange = 0.02
    #expect(spec == expected)
  }

  @Test func yarnConstantsAreRead() throws {
    let spec = try ModelSpec(configFile: fixture("golden/tiny-yarn/config.json"))
    #expect(
      spec.yarn
        == YaRN(factor: 40, originalMaxPositions: 64, mscale: 1, mscaleAllDim: 1))
    #expect(try ModelSpec(configFile: fixture("golden/tiny/config.json")).yarn == nil)
    #expect(try ModelSpec(configFile: fixture("golden/tiny-mtp/config.json")).mtpDepth == 1)
  }

  @Test(arguments: ["tiny", "tiny-yarn", "tiny-mtp"], ConfigSpelling.allCases)
  func whatIsWrittenReadsBackEqual(directory: String, spelling: ConfigSpelling) throws {
    let spec = try ModelSpec(configFile: fixture("golden/\(directory)/config.json"))
    let written = spec.configJSON(spelling: spelling)
    #expect(try ModelSpec(configJSON: written, source: "written") == spec)
  }

  @Test func nullQueryCompressionMeansADirectQuery() throws {
    let bytes = try config { $0["q_lora_rank"] = .null }
    #expect(try ModelSpec(configJSON: bytes, source: "c").queryCompression == nil)
  }

  @Test func withoutRoutedExpertsEveryLayerIsDense() throws {
    for absent in [true, false] {
      let bytes = try config {
        $0["n_routed_experts"] = absent ? nil : .null
        $0["moe_intermediate_size"] = nil
      }
      let spec = try ModelSpec(configJSON: bytes, source: "c")
      #expect(spec.denseLayers == 4)
      #expect((0..<4).allSatisfy { !spec.hasExperts(layer: $0) })
      let again = try ModelSpec(configJSON: spec.configJSON(), source: "c")
      #expect(again == spec)
    }
  }

  @Test(arguments: [
    "vocab_size", "hidden_size", "num_hidden_layers", "intermediate_size", "num_attention_heads",
    "q_lora_rank", "kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim",
    "first_k_dense_replace", "moe_intermediate_size", "num_experts_per_tok", "n_group",
    "topk_group", "routed_scaling_factor",
  ])
  func aMissingKeyIsNamed(key: String) throws {
    let bytes = try config { $0[key] = nil }
    let error = #expect(throws: ModelSpecError.self) {
      try ModelSpec(configJSON: bytes, source: "there/config.json")
    }
    #expect(error?.key == key)
    #expect(error?.description.hasPrefix("there/config.json: \(key): missing") == true)
    #expect(error?.exitCode == 65)
  }

  @Test(arguments: [
    ("model_type", JSONValue.string("llama")), ("attention_bias", .bool(true)),
    ("tie_word_embeddings", .bool(true)), ("hidden_act", .string("gelu")),
    ("scoring_func", .string("softmax")), ("topk_method", .string("greedy")),
    ("moe_layer_freq", .integer(2)), ("rope_interleave", .bool(false)),
    ("attention_dropout", .number(0.5)), ("num_key_value_heads", .integer(2)),
    ("qk_head_dim", .integer(32)), ("qk_rope_head_dim", .integer(7)),
    ("n_group", .integer(3)), ("n_group", .integer(8)), ("topk_group", .integer(5)),
    ("num_experts_per_tok", .integer(5)), ("first_k_dense_replace", .integer(5)),
    ("hidden_size", .integer(-1)), ("hidden_size", .string("64")),
    ("vocab_size", .integer(1 << 40)),
    ("rms_norm_eps", .number(0)), ("norm_topk_prob", .integer(1)),
  ])
  func whatDoesNotFitIsRefusedWithKeyAndValue(key: String, value: JSONValue) throws {
    let bytes = try config { $0[key] = value }
    let error = #expect(throws: ModelSpecError.self) {
      try ModelSpec(configJSON: bytes, source: "c")
    }
    #expect(error?.key == key)
    #expect(error?.message.contains(value.description) == true)
  }

  @Test(arguments: [
    ("type", JSONValue.string("linear")), ("factor", .number(0.5)), ("beta_fast", .integer(1)),
    ("attention_factor", .number(1.5)), ("truncate", .bool(false)),
    ("mscale_all_dim", .integer(-1)),
  ])
  func yarnThatIsNotComputedIsRefused(key: String, value: JSONValue) throws {
    let bytes = try yarn { $0[key] = value }
    let error = #expect(throws: ModelSpecError.self) {
      try ModelSpec(configJSON: bytes, source: "c")
    }
    #expect(error?.key == "rope_scaling.\(key)")
  }

  @Test func mscaleAndMscaleAllDimComeTogether() throws {
    let without = try yarn {
      $0["mscale"] = nil
      $0["mscale_all_dim"] = nil
    }
    #expect(
      try ModelSpec(configJSON: without, source: "c").yarn
        == YaRN(factor: 40, originalMaxPositions: 64))
    for (mscale, allDim) in [(nil, 1.0), (0.7, nil), (0, 1)] as [(Double?, Double?)] {
      let bytes = try yarn {
        $0["mscale"] = mscale.map { .number($0) }
        $0["mscale_all_dim"] = allDim.map { .number($0) }
      }
      #expect(throws: ModelSpecError.self) { try ModelSpec(configJSON: bytes, source: "c") }
    }
  }

  @Test(arguments: [
    "", "[]", "{", "{\"a\": 1, \"a\": 2}", "{\"vocab_size\": 1e999}", "\u{FEFF}\u{0}", "nul",
  ])
  func whatIsNotAConfigIsAnErrorAndNoMore(text: String) {
    #expect(throws: ModelSpecError.self) {
      try ModelSpec(configJSON: Array(text.utf8), source: "c")
    }
  }

  @Test func aMissingFileSaysSo() {
    let error = #expect(throws: ModelSpecError.self) {
      try ModelSpec(configFile: fixture("golden/none/config.json"))
    }
    #expect(error?.exitCode == 66)
  }
}
