// The closed-form counts against a table computed elsewhere and against the list of tensors.

import ModelSpec
import Testing

/// Rows of flops.csv by their first column, the other columns by title.
private func flopTable() throws -> [String: [String: Int]] {
  let text = String(decoding: try readSmallFile(fixture("modelspec/flops.csv")), as: UTF8.self)
  let rows = text.split(whereSeparator: \.isNewline).map { line in
    // A quoted field may hold commas; quotes stand only around whole fields.
    line.split(separator: "\"", omittingEmptySubsequences: false).enumerated()
      .map { $0.offset.isMultiple(of: 2) ? String($0.element) : $0.element.replacingCommas }
      .joined().split(separator: ",", omittingEmptySubsequences: false).map(String.init)
  }
  var table: [String: [String: Int]] = [:]
  for row in rows.dropFirst() {
    let cells = zip(rows[0], row).dropFirst(2).compactMap { title, cell in
      Double(cell).map { (title, Int($0)) }
    }
    table[row[0]] = Dictionary(uniqueKeysWithValues: cells)
  }
  return table
}

extension Substring {
  fileprivate var replacingCommas: String { String(map { $0 == "," ? ";" : $0 }) }
}

private func row(_ each: ComponentCount, times count: Int) -> [String: Int] {
  let all = (0..<count).reduce(ComponentCount.zero) { sum, _ in sum + each }
  return [
    "count": count,
    "params_total_each": each.parameters,
    "params_activated_each": each.activatedParameters,
    "fwd_flops_per_token_linear_each": each.linearFLOPs,
    "fwd_flops_per_token_attn_noncausal_each": each.attentionFLOPs,
  ].merging(sums(all)) { $1 }
}

private func sums(_ all: ComponentCount) -> [String: Int] {
  [
    "params_total": all.parameters,
    "params_activated": all.activatedParameters,
    "fwd_flops_noncausal": all.forwardFLOPs(causal: false),
    "fwd_flops_causal": all.forwardFLOPs(causal: true),
    "fwdbwd_flops_noncausal": all.forwardBackwardFLOPs(causal: false),
    "fwdbwd_flops_causal": all.forwardBackwardFLOPs(causal: true),
  ]
}

@Suite struct CensusTests {
  let census = ParameterCensus(ModelPreset.deepseekV3.spec, sequenceLength: 4096)

  /// Every row of the table, in exact integers. The table's MTP rows leave out what has no
  /// matrix: the block's norms (2·7168 + 1536 + 512), enorm, hnorm and shared_head.norm (3·7168)
  /// and the gate's bias (256).
  @Test func theLargeModelsCountsEqualTheTableInEveryRow() throws {
    let c = census
    func each(_ component: ModelComponent) -> ComponentCount { c.count(component, layer: 60) }
    func mtp(_ component: ModelComponent) -> ComponentCount { c.count(component, layer: 61) }
    let bias = ComponentCount(parameters: 256, activatedParameters: 256)
    let mtpLinears = [ModelComponent.queryDown, .queryUp, .keyValueDown, .keyValueUp]
      .reduce(mtp(.outputProjection)) { $0 + mtp($1) }
    #expect(mtp(.norms).parameters == 2 * 7168 + 1536 + 512 + 3 * 7168)
    let mtpMatrices = c.mtp - mtp(.norms) - bias
    let expected: [String: [String: Int]] = [
      "embedding": row(c.embedding, times: 1),
      "MLA q_down 7168x1536": row(each(.queryDown), times: 61),
      "MLA q_up 1536x24576": row(each(.queryUp), times: 61),
      "MLA kv_down 7168x576": row(each(.keyValueDown), times: 61),
      "MLA kv_up 512x32768": row(each(.keyValueUp), times: 61),
      "MLA o_proj 16384x7168": row(each(.outputProjection), times: 61),
      "MLA attention core (QK^T; PV); S=4096": row(each(.attentionCore), times: 61),
      "norms (attn; ffn; q_lora; kv_lora)": row(each(.norms), times: 61),
      "dense MLP (inter 18432)": row(c.count(.denseMLP, layer: 2), times: 3),
      "MoE routed experts (256; top-8)": row(each(.routedExperts), times: 58),
      "MoE shared expert": row(each(.sharedExpert), times: 58),
      "router gate (+bias)": row(each(.router), times: 58),
      "final norm": row(c.finalNorm, times: 1),
      "output head": row(c.head, times: 1),
      "MTP: projection 14336x7168": row(mtp(.mtpProjection), times: 1),
      "MTP: MLA linears": row(mtpLinears, times: 1),
      "MTP: attention core": row(mtp(.attentionCore), times: 1),
      "MTP: routed experts": row(mtp(.routedExperts), times: 1),
      "MTP: shared expert + gate": row(mtp(.sharedExpert) + mtp(.router) - bias, times: 1),
      "MTP: output head (shared weights; not counted in params)": row(mtp(.head), times: 1),
      "TOTAL main model": sums(c.mainModel),
      "TOTAL MTP module (own weights only)": sums(mtpMatrices),
      "TOTAL main + MTP": sums(c.mainModel + mtpMatrices),
      "memo: executed recompute in trace (q_up+kv_up in backward)": [
        "count": 61,
        "fwdbwd_flops_noncausal": 61 * c.recomputedFLOPsPerLayer,
        "fwdbwd_flops_causal": 61 * c.recomputedFLOPsPerLayer,
      ],
      "memo: FlashAttention bwd executes 5 matmuls (832 vs 2x320 dims): extra": [
        "count": 61,
        "fwdbwd_flops_noncausal": 61 * c.fusedBackwardExtraFLOPsPerLayer(causal: false),
        "fwdbwd_flops_causal": 61 * c.fusedBackwardExtraFLOPsPerLayer(causal: true),
      ],
    ]
    let table = try flopTable()
    #expect(table.count == 25)
    #expect(Set(table.keys) == Set(expected.keys))
    for (name, cells) in table { #expect(cells == expected[name], "\(name)") }
  }

  @Test func theReportsRoundFiguresFollow() {
    #expect(census.mainModel.parameters / 1_000_000_000 == 671)
    #expect(census.mainModel.activatedParameters / 10_000_000 == 3755)
    #expect(census.mainModel.forwardBackwardFLOPs(causal: true) / 100_000_000 == 2504)
    #expect(census.total.forwardBackwardFLOPs(causal: true) / 100_000_000 == 2606)
  }

  /// The list of tensors is written from the checkpoint's names, the census from formulas.
  @Test(arguments: ["deepseek-v3", "dsv3-mini", "dsv3-mid", "plain query", "dense", "no shared"])
  func theCensusCountsWhatTheListOfTensorsHolds(name: String) throws {
    let spec = try variant(name)
    let census = ParameterCensus(spec, sequenceLength: 128)
    let parameters = spec.parameters()
    func sum(_ keep: (ParameterSpec) -> Bool) -> Int {
      parameters.filter(keep).reduce(0) { $0 + $1.elements }
    }
    #expect(census.total.parameters == sum { _ in true })
    #expect(census.mainModel.parameters == sum { ($0.layer ?? 0) < spec.layers })
    for layer in 0..<(spec.layers + spec.mtpDepth) {
      #expect(census.layer(layer).parameters == sum { $0.layer == layer })
    }
    // A token meets the first experts_per_token experts as well as any others of equal size.
    let activated = sum {
      if case .routedExpert(let index) = $0.role { index < spec.expertsPerToken } else { true }
    }
    #expect(census.total.activatedParameters == activated)
  }

  @Test func namesAreUniqueAndBuffersAreTheSelectionBiases() throws {
    let spec = ModelPreset.mini.spec
    let parameters = spec.parameters()
    #expect(Set(parameters.map(\.name)).count == parameters.count)
    let buffers = parameters.filter(\.isBuffer)
    // Layers 1...5 and the MTP block have experts.
    #expect(buffers.map(\.layer) == Array(1...6))
    #expect(buffers.allSatisfy { $0.shape == [8] && $0.name.hasSuffix("e_score_correction_bias") })
  }

  private func variant(_ name: String) throws -> ModelSpec {
    var spec = ModelPreset.mini.spec
    switch name {
    case "plain query": spec.queryCompression = nil
    case "dense":
      spec.routedExperts = 0
      spec.denseLayers = spec.layers
    case "no shared": spec.sharedExperts = 0
    default: spec = try ModelPreset.named(name).spec
    }
    try spec.validate()
    return spec
  }
}
