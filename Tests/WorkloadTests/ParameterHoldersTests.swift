// Who holds which weights: together they are the model, each weight once for each set of holders.
import ModelSpec
import Schedules
import Testing
import Workload

@Suite struct ParameterHoldersTests {
  /// Sums every group once over its holders: weights of all expert places together.
  private func total(_ workload: Workload) -> Int {
    var seen: Set<[Int]> = []
    var sum = 0
    for program in workload.programs {
      for group in program.groups {
        let key = group.pipelineRanks + [group.sameExpertPlace ? 1 : 0]
        if seen.insert(key).inserted {
          sum += group.elements * (group.sameExpertPlace ? workload.layout.expert : 1)
        }
      }
    }
    return sum
  }

  /// The census counts the routers' selection biases, which no optimizer updates.
  private func trained(_ spec: ModelSpec) -> Int {
    let blocks = (0..<spec.layers + spec.mtpDepth).filter { spec.hasExperts(layer: $0) }.count
    return ParameterCensus(spec, sequenceLength: 1).total.parameters
      - blocks * spec.routedExperts
  }

  @Test(arguments: ["1f1b", "interleaved", "zb-v", "dualpipe", "dualpipev", "chimera"])
  func allGroupsTogetherAreDeepSeekV3(name: String) throws {
    let spec = ModelPreset.deepseekV3.spec
    let workload = try Workload.built(
      spec, Layout(pipeline: 8, data: 64, expert: 32, gpusPerNode: 8),
      ScheduleCatalog.make(name: name, ranks: 8, microbatches: 16))
    #expect(total(workload) == trained(spec))
  }

  /// Report, section 3.1: PP 16, EP 64, DualPipe. Per GPU: a stage of four layers at each end of
  /// the pipes. Layer with experts: attention 187.11 M, 256/64 experts and the shared one of
  /// 44.04 M, router 1.8 M → 409.1 M; eight of them 3.27 B.
  @Test func aGPUOfTheReportsLayoutHoldsThreeBillionWeights() throws {
    let spec = ModelPreset.deepseekV3.spec
    let schedule = try ScheduleCatalog.make(name: "dualpipe", ranks: 16, microbatches: 32)
    let workload = try Workload.built(
      spec, Layout(pipeline: 16, data: 128, expert: 64, gpusPerNode: 8), schedule, tokens: 4096)
    let stages = try StagePartition(spec, stages: 16, sequenceLength: 4096).stages
    let census = ParameterCensus(spec, sequenceLength: 4096)
    for (rank, program) in workload.programs.enumerated() {
      var expected = 0
      for stage in [rank, 15 - rank] {
        var layers = Array(stages[stage])
        if stage == 15 { layers.append(61) }
        for layer in layers {
          let all = census.layer(layer).parameters
          let experts = census.count(.routedExperts, layer: layer).parameters
          expected += all - experts + experts / 64
          expected -= spec.hasExperts(layer: layer) ? 256 : 0
        }
        if stage == 15 { expected += (census.head + census.finalNorm).parameters }
        if stage == 0 { expected += census.embedding.parameters }
      }
      #expect(program.groups.reduce(0) { $0 + $1.elements } == expected)
      // All data ranks hold dense weights, 2 × 128; experts are shared by 2 × 2.
      #expect(
        program.groups.allSatisfy {
          $0.holders(data: 128, expert: 64) == ($0.sameExpertPlace ? 4 : 256)
            && $0.pipelineRanks == [min(rank, 15 - rank), max(rank, 15 - rank)]
        })
    }
    let middle = workload.programs[5].groups.reduce(0) { $0 + $1.elements }
    #expect((3_265_000_000...3_280_000_000).contains(middle))
  }

  /// The embedding of 1f1b with MTP is on the first rank and the last.
  @Test func theEmbeddingIsAGroupOfItsOwnWhereMTPLooksUpToo() throws {
    let spec = ModelSpec.tiny(layers: 3, mtp: 1, experts: 0)
    let workload = try Workload.built(
      spec, Layout(pipeline: 3, data: 2, expert: 1, gpusPerNode: 8),
      ScheduleCatalog.make(name: "1f1b", ranks: 3, microbatches: 3))
    let embedding = ParameterGroup(
      pipelineRanks: [0, 2], sameExpertPlace: false, elements: 11 * 8)
    #expect(workload.programs.map { $0.groups.contains(embedding) } == [true, false, true])
    #expect(workload.programs.map(\.groups.count) == [2, 1, 2])
    #expect(total(workload) == trained(spec))
  }
}
