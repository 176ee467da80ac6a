// The memory model against figures worked out by hand: a tiny model tensor by tensor, DeepSeek-V3
// on 2048 GPUs by its weights.

import ModelSpec
import Schedules
import Simulation
import Testing
import Units

@Suite struct MemoryModelTests {
  /// Two layers, the second with two experts.
  static let tiny = ModelSpec(
    vocabularySize: 7, hiddenSize: 4, layers: 2, denseLayers: 1, denseIntermediateSize: 5,
    heads: 1, queryCompression: 3, keyValueCompression: 2, nopeHeadDim: 2, ropeHeadDim: 2,
    valueHeadDim: 2, routedExperts: 2, sharedExperts: 1, expertIntermediateSize: 2,
    expertsPerToken: 1, expertGroups: 1, groupsPerToken: 1)

  // Floats of one token in FP32:
  //   attention  input 4, three 1/rms, normed 4, latents 3+2+2, query latent 3, query 4,
  //              key-value latent 2, keys and values 4, keys 4, output 2, log-sum-exp 1   = 38
  //   dense MLP  residual 4, 1/rms, normed 4, SwiGLU inputs 10, output 5                  = 24
  //   experts    residual 4, 1/rms, normed 4, affinities 2, expert and gate 2,
  //              shared 4 + 2, routes 2 + 3, routed 4 + 2                                 = 30
  //   head       input 4, 1/rms, normed 4, logits 7                                       = 16
  @Test func aTinyModelUnder1F1BNeedsWhatItsTensorsAddUpTo() throws {
    let model = MemoryModel(
      model: Self.tiny, layout: Layout(pipeline: 2, data: 2, expert: 1, gpusPerNode: 1),
      schedule: try .oneForwardOneBackward(ranks: 2, microbatches: 2), stages: [0..<1, 1..<2],
      tokens: 4, sequenceLength: 4, plan: .plain)
    let (first, last) = (model.bytes(ofPipelineRank: 0), model.bytes(ofPipelineRank: 1))
    // Rank 0 runs F0 F1 B0 B1 and holds both, rank 1 one at a time; 4 tokens of 4 bytes.
    #expect(first.activations == ByteCount(2 * (38 + 24) * 16))
    #expect(last.activations == ByteCount((38 + 30 + 16) * 16))
    #expect(model.peak(ofPipelineRank: 0).microbatches == [0: 2])
    // Layer 0: norms 4+4+3+2, projections 12+12+16+8+8, dense 60; the embedding 28: 157.
    // Layer 1: 13+56, router 8, shared 24, experts 48; final norm 4, head 28: 181.
    #expect(first.parameters == ByteCount(4 * 157))
    #expect(last.parameters == ByteCount(4 * 181))
    #expect(last.gradients == last.parameters)
    // Halves in multiples of 16: 157 → 80; 133 dense → 80 and 48 experts → 32. Two FP32 moments.
    #expect(first.optimizer == ByteCount(8 * 80))
    #expect(last.optimizer == ByteCount(8 * (80 + 32)))
    // Messages: one hidden state and one gradient. Working space: of the dense MLP, which runs
    // backward first: gradients of output 4, SwiGLU output 5, input 4. Cosines and sines: 2.
    #expect(first.buffers == ByteCount(16 * (2 * 4 + 13 + 2)))
    // Rank 1 works in experts and head (26, as below) and has two selection biases of 4 bytes.
    #expect(last.buffers == ByteCount(16 * (2 * 4 + 26 + 2) + 8))
    #expect(model.fullest.rank == 1)
    #expect(model.fullest.bytes.total == ByteCount(1344 + 724 + 724 + 896 + 584))
    #expect("\(first.json)" == "an object of 6")
  }

  // Of the floats above, after the input half: attention keeps normed 4, latents 3 and 2, output 2
  // and adds gradients 4+4+7+4: 30; dense keeps 19, adds 4: 23; experts keep 4+6+5+6, add the
  // router's logits 2 and the output 4, which the experts share: 27; the head keeps 11. A
  // micro-batch is 146 whole and 121 between its halves.
  @Test func aWeightHalfKeepsItsOperandsUntilItIsDone() throws {
    func cell(_ microbatch: Int) -> Cell { Cell(stage: 0, microbatch: microbatch) }
    let schedule = try Schedule(
      name: "split", stages: 1, microbatches: 2,
      actions: [
        [
          .forward(cell(0)), .backwardInput(cell(0)), .forward(cell(1)),
          .backwardInput(cell(1)), .backwardWeight(cell(0)), .backwardWeight(cell(1)),
        ]
      ])
    let model = MemoryModel(
      model: Self.tiny, layout: Layout(pipeline: 1, data: 1, expert: 1, gpusPerNode: 1),
      schedule: schedule, stages: [0..<2], tokens: 4, sequenceLength: 4, plan: .plain)
    // The peak is where the second input half begins: 121 + 146, and in experts and head the
    // gradients above, of SwiGLU outputs 2 + 2, rows 4, normed residual 4, of the head's input 8.
    let bytes = model.bytes(ofPipelineRank: 0)
    #expect(bytes.activations == ByteCount(16 * 267))
    // With cosines and sines of 2, and two FP32 selection biases.
    #expect(bytes.buffers == ByteCount(16 * (26 + 2) + 8))
    #expect(model.peak(ofPipelineRank: 0).microbatches == [0: 2])
  }

  @Test func deepSeekV3On2048GPUsHolds3Point27BillionWeightsWhereStagesAreAlike() throws {
    let model = try Self.deepSeekV3(data: 128)
    let rank = try #require(
      (0..<16).first { rank in
        model.schedule.stages(onRank: rank).allSatisfy { stage in
          model.stages[stage].count == 4 && model.stages[stage].lowerBound >= 3
            && model.stages[stage].upperBound < 61
        }
      })
    // A layer: projections 187,105,280, norms 16,384, router 1,835,008, shared 44,040,192; of
    // the experts 4 × 44,040,192.
    let dense = 8 * 232_996_864
    let experts = 8 * 176_160_768
    #expect(model.parameters(ofPipelineRank: rank) == dense + experts)
    #expect(dense + experts == 3_273_261_056)
    let bytes = model.bytes(ofPipelineRank: rank)
    #expect(bytes.gradients == ByteCount(4 * (dense + experts)))
    // Both holders of a stage and all data ranks share the dense weights: 256. Experts: 2 × 128 /
    // 64 = 4. Master weight FP32 and two BF16 moments.
    #expect(bytes.optimizer == ByteCount(8 * (dense / 256 + experts / 4)))
    // FP8 codes with a scale for 16,384 weights; norms and router BF16.
    let high = 8 * (16_384 + 1_835_008)
    let linear = dense + experts - high
    #expect(bytes.parameters == ByteCount(2 * high + linear + linear / 16_384 * 4))
  }

  // A layer's tensors for 4096 tokens in MB: input and residual 2 × 58.72, latents 17.30, 1/rms
  // and log-sum-exp 2.2, output in E5M6 102.8, affinities and choice 4.5, routes 2.3, rows 222.8
  // (7.359 ranks a token), SwiGLU inputs 138.4 + 17.3.
  @Test func deepSeekV3KeepsAbout625MegabytesOfALayer() throws {
    let model = try Self.deepSeekV3(data: 128)
    let block = BlockActivations(
      spec: model.spec, layout: model.layout, plan: .report, tokens: 4096, rows: model.rows)
    let megabytes = Double(block.attention().kept + block.mlp(hasExperts: true).kept) / 1e6
    #expect(abs(megabytes - 625) < 1, "\(megabytes)")
  }

  static func deepSeekV3(data: Int, plan: MemoryPlan = .report) throws -> MemoryModel {
    let spec = try ModelPreset.named("deepseek-v3").spec
    return MemoryModel(
      model: spec, layout: Layout(pipeline: 16, data: data, expert: 64, gpusPerNode: 8),
      schedule: try .dualpipe(ranks: 16, microbatches: 120),
      stages: try StagePartition(
        spec, stages: 16, layerCounts: [4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 3, 2]
      ).stages,
      tokens: 4096, sequenceLength: 4096, plan: plan)
  }
}
