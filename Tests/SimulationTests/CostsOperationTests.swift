// The kernel inventory against the trace of a training step, operation by operation, and the
// closed form of the routed experts against their kernels.

import Fabric
import ModelSpec
import Simulation
import Testing
import Units
import Workload

/// Which operations of ops.csv stand for which kernels of the inventory, in the inventory's order.
/// "": counted with others in the trace (small kernels of both kinds of experts).
private let traceNames: [(OperationKind, Pass, phase: String, names: String)] = [
  (
    .attention, .forward, "attn(F)",
    """
    attn_rmsnorm scale_transpose cast_x_for_q_down q_down_gemm cast_x_for_kv_down kv_down_gemm \
    misc_small q_lora_rmsnorm kv_slice_copies kv_lora_rmsnorm cast_q_lora q_up_gemm cast_kv_lora \
    kv_up_gemm rope_k copy_k_nope_into_k broadcast_k_pe rope_q flash_attn_fwd \
    cast_attn_out_e5m6_save cast_attn_out o_proj_gemm residual_scale_mul ffn_rmsnorm(+residual)
    """
  ),
  (
    .router, .forward, "attn(F)",
    "router_gemm topk_gating_small topk_gatherTopK cast_x_for_moe"
  ),
  (
    .sharedExperts, .forward, "mlp(F)",
    "- shared_up_gemm shared_swiglu_quant shared_down_gemm shared_cast_swiglu_input_save"
  ),
  (
    .routedExperts, .forward, "mlp(F)",
    """
    - expert_count fused_mapping misc_small permute_expand weight_transpose_up grouped_up_gemm \
    swiglu_weight_quant weight_transpose_down grouped_down_gemm unpermute_reduce \
    cast_swiglu_input_save
    """
  ),
  (
    .sharedExperts, .input, "mlp(B)",
    """
    shared_castback_swiglu_in shared_weight_transpose_down - shared_down_dgrad \
    shared_dy_cast_transpose shared_swiglu_cast_transpose shared_swiglu_bwd ffn_rmsnorm_recompute \
    cast_x_recompute shared_castback_x shared_weight_transpose_up shared_cast_dswiglu \
    shared_up_dgrad shared_dswiglu_cast_transpose shared_x_cast_transpose
    """
  ),
  (
    .routedExperts, .input, "mlp(B)",
    """
    - misc_small castback_swiglu_in permute_expand_dy grouped_down_dgrad swiglu_fwd_bwd_weight \
    swiglu_weight_grad act_cast_transpose cast_dswiglu grouped_up_dgrad unpermute_reduce_dx \
    dswiglu_cast_transpose
    """
  ),
  (
    .router, .input, "attn(B)", "gating_bwd_small router_dgrad router_wgrad residual_add"
  ),
  (
    .attention, .input, "attn(B)",
    """
    ffn_rmsnorm_bwd norm_small residual_scale_mul castback_attn_out_e5m6 cast_dy_o \
    weight_transpose_o scale_transpose o_proj_dgrad attn_out_cast_transpose dy_o_cast_transpose \
    q_lora_rmsnorm_recompute kv_slice_copies kv_lora_rmsnorm_recompute cast_q_lora_recompute \
    q_up_gemm_recompute cast_kv_lora_recompute kv_up_gemm_recompute rope_k copy_k_nope_recompute \
    broadcast_k_pe_recompute rope_q_recompute fa_bwd_preprocess flash_attn_bwd \
    fa_bwd_postprocess_dq rope_q_bwd weight_transpose_q_up cast_dq q_up_dgrad sum_dk_pe_heads \
    copy_dk_nope copy_dv weight_transpose_kv_up cast_dkv kv_up_dgrad dkv_cast_transpose \
    kv_lora_cast_transpose dq_cast_transpose q_lora_cast_transpose lora_norm_bwd_small \
    attn_rmsnorm_recompute cast_dkv_down weight_transpose_kv_down kv_down_dgrad \
    x_cast_transpose_kv dkv_down_cast_transpose cast_dq_down weight_transpose_q_down q_down_dgrad \
    x_cast_transpose_q dq_down_cast_transpose dx_add attn_rmsnorm_bwd
    """
  ),
  (.sharedExperts, .weight, "mlp(W)", "shared_down_wgrad shared_up_wgrad"),
  (
    .routedExperts, .weight, "mlp(W)",
    "dy_cast_transpose grouped_down_wgrad x_cast_transpose grouped_up_wgrad"
  ),
  (
    .attention, .weight, "attn(W)",
    "o_proj_wgrad kv_up_wgrad q_up_wgrad kv_down_wgrad q_down_wgrad"
  ),
]

/// Padded rows of the experts in the traced layers, of the forward's and the backward's batch.
private let forwardRows = [31104, 30976, 36864, 31104]
private let backwardRows = [34688, 32512, 32896, 28416]

@Suite struct CostsOperationTests {
  /// Every layer at its own rows and share of overlap; mean over the layers against the mean
  /// measured. Weighted by time within 5 %; the inventory has every kernel of the trace but the
  /// profiling run's random numbers.
  @Test func operationsTakeWhatWasMeasured() throws {
    let costs = try traceCosts()
    let rows = try calibrationTable("ops.csv")
    var seen: Set<String> = []
    var sums = (error: 0.0, measured: 0.0, model: 0.0)
    for (kind, pass, phase, names) in traceNames {
      let names = names.split(separator: " ").map(String.init)
      let layers = try (0..<4).map { layer in
        // Padded rows are pairs and half a tile for each of the 4 experts.
        let padded = pass == .forward ? forwardRows[layer] : backwardRows[layer]
        let kernels = costs.kernels(kind, pass, tokens: 4096, expertRows: padded - 256)
        try #require(kernels.count == names.count, "\(kind) \(pass)")
        return kernels
      }
      for (index, name) in names.enumerated() where name != "-" {
        let row = try #require(rows.first { $0["op"] == name && $0["phase"] == phase }, "\(name)")
        seen.insert(phase + name)
        let overlaps = (row["xfer_overlap"] ?? "").split(separator: " ").map { Double($0) ?? 0 }
        var (measured, model) = (0.0, 0.0)
        for layer in 0..<4 {
          let time = costs.time(of: layers[layer][index], sms: 112)
          let (alone, beside) = (time.alone.seconds, time.besideTransfer.seconds)
          model += (alone + (beside - alone) * overlaps[layer]) * 1e6 / 4
          measured += try #require(Double(row["l\(layer)"] ?? "")) / 4
        }
        sums.error += abs(model - measured)
        sums.measured += measured
        sums.model += model
      }
    }
    let compute = rows.filter { row in
      ["attn", "mlp("].contains { (row["phase"] ?? "").hasPrefix($0) }
    }
    let missing = compute.map { ($0["phase"] ?? "") + ($0["op"] ?? "") }.filter {
      !seen.contains($0)
    }
    #expect(
      missing == [
        "attn(F)randn_sim_routing(profile only)", "mlp(F)scale_transpose", "mlp(B)scale_transpose",
      ])
    #expect(sums.error / sums.measured < 0.05, "\(sums)")
    #expect(abs(sums.model / sums.measured - 1) < 0.02)
  }

  /// The closed form adds up what the kernels add up to; a weight gradient's depth is whole rows
  /// there, a fraction here.
  @Test(arguments: [Pass.forward, .input, .weight], [64, 8, 1])
  func theClosedFormOfRoutedExpertsIsTheSumOfTheirKernels(pass: Pass, ranks: Int) throws {
    let h800 = try #require(ClusterPreset.named("h800")).spec
    let costs = OperationCosts(
      cluster: h800, model: ModelPreset.deepseekV3.spec, expertParallel: ranks,
      sequenceLength: 4096, precision: .fp8)
    for sms in [112, 132, 66] {
      for rows in [0, 1, 77, 5000, 32768, 32769, 40000, 262_144] {
        let cost = costs.compute(
          .routedExperts, pass, layer: 3, tokens: 4096, expertRows: rows, sms: sms)
        let kernels = costs.kernels(.routedExperts, pass, tokens: 4096, expertRows: rows)
        let launches = kernels.reduce(0) { $0 + $1.launches }
        let times = kernels.map { costs.time(of: $0, sms: sms) }
        let gaps = 2e-6 * Double(launches)
        let alone = times.reduce(gaps) { $0 + $1.alone.seconds }
        let beside = times.reduce(gaps) { $0 + $1.besideTransfer.seconds }
        #expect(cost.kernels == launches)
        #expect(abs(cost.alone.seconds / alone - 1) < 2e-3, "\(rows) rows on \(sms) SMs")
        #expect(abs(cost.besideTransfer.seconds / beside - 1) < 2e-3)
        #expect(cost.alone <= cost.besideTransfer)
      }
    }
  }

  /// Rows known by expert cost what the sum does when they are what the sum supposes, and more the
  /// more tiles stand half empty.
  @Test func rowsByExpertArePaddedEach() throws {
    let costs = try traceCosts()
    let even = costs.routedExperts(.forward, rowsByExpert: [8192, 8192, 8192, 8192], sms: 132)
    let chance = costs.compute(
      .routedExperts, .forward, layer: 3, tokens: 4096, expertRows: 32768, sms: 132)
    let odd = costs.routedExperts(.forward, rowsByExpert: [8193, 8193, 8193, 8189], sms: 132)
    #expect(even.alone <= chance.alone && chance.alone <= odd.alone)
    #expect(abs(even.alone.seconds / odd.alone.seconds - 1) < 0.03)
  }

  /// Products of the inventory against the census: forward as the model's, backward twice that
  /// with the recomputed up-projections and the scores that attention computes again.
  @Test(arguments: ["deepseek-v3", "dsv3-mini"])
  func executedFLOPsAreTheCensusAndWhatIsRecomputed(name: String) throws {
    let model = try ModelPreset.named(name).spec
    let h800 = try #require(ClusterPreset.named("h800")).spec
    let costs = OperationCosts(
      cluster: h800, model: model, expertParallel: 2, sequenceLength: 4096, precision: .fp8)
    let census = ParameterCensus(model, sequenceLength: 4096)
    func flops(_ kinds: [OperationKind], _ passes: [Pass], rows: Int) -> Int {
      kinds.flatMap { kind in
        passes.map { costs.executedFLOPs(kind, $0, tokens: 4096, expertRows: rows) }
      }.reduce(0, +)
    }
    let rows = 4096 * model.expertsPerToken
    let again =
      census.recomputedFLOPsPerLayer
      + census.fusedBackwardExtraFLOPsPerLayer(causal: true)
    let blocks: [(Int, [OperationKind])] = [
      (0, [.attention, .denseFeedForward]),
      (model.layers - 1, [.attention, .router, .sharedExperts, .routedExperts]),
      (model.layers, [.mtpJoin, .attention, .router, .sharedExperts, .routedExperts, .head]),
    ]
    for (layer, kinds) in blocks {
      let forward = 4096 * census.layer(layer).forwardFLOPs(causal: true)
      #expect(flops(kinds, [.forward], rows: rows) == forward)
      #expect(
        flops(kinds, [.input, .weight], rows: rows) == 2 * forward + 4096 * again, "layer \(layer)")
    }
  }

  @Test func whatLaunchesNothingCostsNothing() throws {
    let costs = try traceCosts()
    func cost(_ kind: OperationKind, _ pass: Pass) -> ComputeCost {
      costs.compute(kind, pass, layer: 3, tokens: 4096, expertRows: 0, sms: 132)
    }
    #expect(cost(.router, .weight) == .zero)
    #expect(cost(.embedding, .input) == .zero)
    #expect(cost(.routedExperts, .forward).alone < cost(.sharedExperts, .forward).alone)
  }

  /// 30 bytes a parameter at 2.916 TB/s: 3.27 billion take 33.6 ms.
  @Test func theOptimizerMovesItsState() throws {
    let cost = try traceCosts().optimizer(parameters: 3_270_000_000)
    #expect(abs(cost.alone.seconds * 1e3 - 33.65) < 0.1)
  }

  /// BF16 has no casts: fewer kernels, but products twice as long.
  @Test func bf16HasFewerKernelsAndTakesLonger() throws {
    let h800 = try #require(ClusterPreset.named("h800")).spec
    func cost(_ precision: ProductPrecision) -> ComputeCost {
      let costs = OperationCosts(
        cluster: h800, model: ModelPreset.deepseekV3.spec, expertParallel: 64,
        sequenceLength: 4096, precision: precision)
      return costs.compute(
        .routedExperts, .input, layer: 3, tokens: 4096, expertRows: balancedRows, sms: 132)
    }
    #expect(cost(.bf16).kernels < cost(.fp8).kernels)
    #expect(cost(.fp8).alone < cost(.bf16).alone)
    #expect(cost(.fp32) == cost(.bf16))
  }

  /// In front of a combine's gradient a cast: 40 us alone; hundreds on the exchange's 20 SMs alone
  /// (52 and 340 us were measured).
  @Test func theExchangeStreamCastsItsGradient() throws {
    let time = try traceCosts().exchangePreparation(.combine, .input, tokens: 4096)
    #expect((40...52).contains(time.alone.seconds * 1e6))
    #expect((200...340).contains(time.besideCompute.seconds * 1e6))
  }
}
