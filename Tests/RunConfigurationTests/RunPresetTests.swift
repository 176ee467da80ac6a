// Whole configurations known by name, and what the virtual clock is told to charge.

import Fabric
import ModelSpec
import RunConfiguration
import Schedules
import Testing
import Units

@Suite struct RunPresetTests {
  @Test(arguments: RunPreset.names)
  func everyPresetIsWhatARunWouldAccept(name: String) throws {
    let run = try RunConfiguration.load(preset: name)
    _ = try run.resolve()
    #expect(try run.clusterSpec().node.gpus == run.layout.gpusPerNode)
    #expect(run.layout.worldSize.isMultiple(of: run.layout.gpusPerNode))
    // The written configuration is the same one.
    #expect(try configuration(run.resolvedYAML()) == run)
  }

  /// Report, sections 3.1, 3.2 and 4.2: 16-way pipeline, 64-way experts over 8 nodes, 2048 GPUs,
  /// a batch of 15360 sequences of 4096 tokens, one MTP module, FP8. The eight row counts of the
  /// published profile (31104, 30976, 36864, 31104, 34688, 32512, 32896, 28416) have a standard
  /// deviation of 2581 around 32320, 8.0%; a rank's four experts, alike and independent, then
  /// have 8.0% × √4 = 16% each.
  @Test func theReportsStepIsTheReports() throws {
    let run = try RunConfiguration.load(preset: "deepseek-v3-h800-2048")
    #expect(run.layout == Layout(pipeline: 16, data: 128, expert: 64, gpusPerNode: 8))
    #expect(run.layout.worldSize == 2048)
    #expect(run.scheduleName == "dualpipe" && run.clusterPreset == "h800")
    #expect(run.plan.microBatch == 1 && run.plan.sequenceLength == 4096)
    #expect(run.plan.microBatches * run.plan.microBatch * run.layout.data == 15360)
    #expect(try run.resolvedModel() == ModelPreset.deepseekV3.spec)
    #expect(try run.chargedModel() == ModelPreset.deepseekV3.spec)
    #expect(run.chargedSequenceLength == 4096 && run.chargePrecision == .fp8)
    #expect(run.routing == .sampled && run.routingSkew == 0.16)
  }

  @Test(arguments: [1024, 512])
  func theSmallerSiblingsHaveTheSameBatch(gpus: Int) throws {
    let run = try RunConfiguration.load(preset: "deepseek-v3-h800-\(gpus)")
    #expect(run.layout.worldSize == gpus)
    #expect(run.plan.microBatches * run.plan.microBatch * run.layout.data == 15360)
  }

  @Test func expertsOfTheDomainsPresetStayInTheirDomain() throws {
    let run = try RunConfiguration.load(preset: "deepseek-v3-nvl72")
    for rank in 0..<run.layout.worldSize {
      let nodes = Set(run.layout.expertGroup(of: rank).map { run.layout.node(of: $0) })
      #expect(nodes.count == 1)
    }
    #expect(run.plan.microBatches * run.plan.microBatch * run.layout.data == 15360)
  }

  /// 61 layers on 16 stages: four each and one on the last, which also has head and MTP. Five
  /// on any other would weigh more than that.
  @Test func theStagesOfTheReportsModelAreFourLayersEachAndOneOnTheLast() throws {
    let run = try RunConfiguration.load(preset: "deepseek-v3-h800-2048")
    let (model, schedule) = try run.resolve()
    let stages = try StagePartition(
      model, stages: schedule.stages, sequenceLength: run.plan.sequenceLength)
    #expect(stages.stages.map(\.count) == Array(repeating: 4, count: 15) + [1])
  }

  @Test func theMiniPresetIsTheShippedFile() throws {
    let run = try RunConfiguration.load(preset: "dsv3-mini-16")
    #expect(try run == configuration(repositoryFile("cluster.yaml")))
  }

  @Test func overridesGoOnTopOfAPreset() throws {
    let run = try RunConfiguration.load(
      preset: "deepseek-v3-h800-2048",
      overrides: ["layout.expert=32", "cluster.network.nic=800 Gbps"])
    #expect(run.layout.expert == 32 && run.layout.data == 128)
    #expect(try run.clusterSpec().network.nic.bytesPerSecond == 100e9)
  }

  @Test func mistakesNameThePresetOrTheOverride() {
    let unknown = #expect(throws: ConfigurationError.self) {
      try RunConfiguration.load(preset: "deepseek-v3-h800-2084")
    }
    #expect(unknown?.exitCode == 64)
    #expect(
      unknown?.description.hasPrefix(
        "unknown preset 'deepseek-v3-h800-2084'; did you mean 'deepseek-v3-h800-2048'? Known are: ")
        == true)
    let wrong = #expect(throws: ConfigurationError.self) {
      try RunConfiguration.load(
        preset: "deepseek-v3-h800-2048", overrides: ["layout.data=100"])
    }
    #expect(
      wrong?.description
        == "preset deepseek-v3-h800-2048:9:43: layout.expert: 64 does not divide layout.data = "
        + "100; it may be 1, 2, 4, 5, 10, 20, 25, 50, 100")
  }

  @Test func theChargedModelIsTheNamedOneAtTheReportsLength() throws {
    let defaults = RunConfiguration()
    #expect(try defaults.chargedModel() == ModelPreset.deepseekV3.spec)
    #expect(defaults.chargedSequenceLength == 4096)
    let own = try configuration("model: {charge_as: none, dimensions: {hidden: 96}}")
    #expect(try own.chargedModel() == own.resolvedModel())
    #expect(try own.chargedModel().hiddenSize == 96)
    #expect(own.chargedSequenceLength == 128)
    let given = try configuration("model: {charge_as: none, charge_sequence: 512}")
    #expect(given.chargedSequenceLength == 512)
    let unknown = try configuration("model: {charge_as: deepseek-v4}")
    let error = #expect(throws: ConfigurationError.self) { try unknown.resolve() }
    #expect(
      error?.description.hasPrefix(
        "cluster.yaml:1:20: model.charge_as: unknown model 'deepseek-v4'; did you mean "
          + "'deepseek-v3'?") == true)
  }

  @Test func whatCannotTrainIsRefusedWhereRanksAreCounted() throws {
    let sampled = try configuration("model: {routing: sampled}")
    let error = #expect(throws: ConfigurationError.self) { try sampled.checkWorld(size: 16) }
    #expect(
      error?.description
        == "cluster.yaml:1:18: model.routing: 'sampled' is for simulations; a run can train with "
        + "learned or balanced")
    #expect(error?.exitCode == 78)
  }
}
