// Values that are accepted: each key reaches its property, defaults fill the rest, `--set` wins
// over the file.

import Fabric
import ModelSpec
import RunConfiguration
import Testing
import Units

@Suite struct ReadingTests {
  @Test func everyKeyReachesItsProperty() throws {
    let read = try configuration(repositoryFile("Tests/Fixtures/configuration/every-key.yaml"))
    #expect(read.modelSource == .path("models/tiny model"))
    #expect(read.chargeAs == "dsv3-mini" && read.routing == .balanced)
    #expect(read.chargeSequence == 2048 && read.chargePrecision == .bf16)
    #expect(read.routingSkew == 0.25 && read.routingSeed == 9)
    #expect(read.foldsSimulation && read.recordEvery == 10)
    #expect(read.mtpDepth == 2 && read.vocabularySize == 300 && read.initializerRange == 0.02)
    #expect(read.clusterPreset == "h20")
    #expect(read.layout == Layout(pipeline: 3, data: 6, expert: 2, gpusPerNode: 3))
    #expect(read.stageLayers == [2, 4, 1] && read.exchange == .direct)
    #expect(read.schedule == .file("my.csv"))
    #expect(read.dataSources == ["a.txt", "b: c", "dir/sub"])
    #expect(read.tokenizer == .bytes && read.heldOutShare == 0.125)
    #expect(read.checkpointEvery == 0 && read.checkpointKeep == 5)
    #expect(read.runDirectory == "runs/fixed")
    #expect(read.supervision.timeout == 2.5 && read.supervision.maxRestarts == 0)
    #expect(read.supervision.backoff == 0.25 && read.supervision.compareHolders == 4)
    let faults = ["kill 3 at 10", "slow 2 at 4 by 1.5 for 7", "corrupt at 50"]
    #expect(read.faults.map(\.text) == faults)

    var plan = TrainingPlan()
    plan.steps = 99
    plan.sequenceLength = 64
    plan.microBatch = 2
    plan.microBatches = 12
    plan.seed = .max
    plan.learningRate = 0.0001
    plan.learningRateSchedule = .constant
    plan.warmupSteps = 0
    plan.batchSchedule = .report
    plan.beta1 = 0.8
    plan.beta2 = 0.99
    plan.epsilon = 0.000001
    plan.weightDecay = 0
    plan.weightDecayScope = .all
    plan.emaDecay = 0.999
    plan.clipNorm = 5
    plan.biasUpdateSpeed = 0.01
    plan.biasUpdateUntil = 1
    plan.balanceLossWeight = 0
    plan.mtpWeight = 0.25
    plan.mtpWeightLate = 0.2
    plan.mtpWeightSwitch = 0.5
    plan.mtpConvention = .report
    plan.numerics.precision = .fp8
    plan.numerics.accumulation = .promoted
    plan.numerics.scaling = .delayed
    plan.numerics.givenMoments = .fp32
    plan.numerics.savings = Set(MemorySaving.allCases)
    #expect(read.plan == plan)
  }

  @Test(arguments: [
    ("recompute_norms", MemorySaving.recomputeNorms),
    ("recompute_up_projections", .recomputeUpProjections),
    ("recompute_swiglu", .recomputeSwiGLU), ("e5m6_attention_output", .e5m6AttentionOutput),
    ("fp8_swiglu_inputs", .fp8SwiGLUInputs),
  ])
  func everySavingHasItsKey(name: String, saving: MemorySaving) throws {
    let read = try configuration("precision: bf16\nmemory: {\(name): true}")
    #expect(read.plan.numerics == Numerics(.bf16, savings: [saving]))
  }

  @Test func blocksOfGradientsGoWithTiles() throws {
    let read = try configuration(
      "precision: fp8", set: ["low_precision={gradient: blocks, moments: bf16, scaling: tiles}"])
    #expect(read.plan.numerics.gradientTiles == .blocks && read.plan.numerics.scaling == .tiles)
    #expect(read.plan.numerics.givenMoments == .bf16)
  }

  /// Recomputation rounds nothing, and moments have their format in any precision.
  @Test func recomputationAndMomentsGoWithAnyPrecision() throws {
    let text =
      "memory: {recompute_norms: true, recompute_up_projections: true, recompute_swiglu: true}\n"
      + "low_precision: {moments: bf16}"
    let read = try configuration(text)
    #expect(read.plan.numerics.precision == .fp32 && read.plan.numerics.moments == .bf16)
  }

  @Test func everyConstantOfTheClusterReachesItsProperty() throws {
    let read = try configuration(repositoryFile("Tests/Fixtures/configuration/every-key.yaml"))
    var expected = ClusterOverrides()
    expected.sms = 78
    expected.memory = ByteCount(96 << 30)
    expected.memoryBandwidth = Bandwidth(bytesPerSecond: 4e12)
    expected.peakBF16 = ComputeRate(flopsPerSecond: 148e12)
    expected.peakFP8 = ComputeRate(flopsPerSecond: 296e12)
    expected.speed = 0.9
    expected.nvlink = Bandwidth(bytesPerSecond: 450e9)
    expected.nvlinkLatency = VirtualDuration(picoseconds: 1_500_000)
    expected.nic = Bandwidth(bytesPerSecond: 50e9)
    expected.nodesPerLeaf = 4
    expected.oversubscription = 2
    expected.spines = 16
    expected.paths = .ecmp
    expected.planes = 2
    expected.sameLeafLatency = VirtualDuration(picoseconds: 2_000_000)
    expected.crossLeafLatency = VirtualDuration(picoseconds: 1_000_000)
    expected.exchangeSMs = 24
    expected.nicEfficiency = 0.9
    expected.nvlinkEfficiency = 0.7
    expected.overlapEfficiency = 0.6
    expected.notify = .zero
    expected.unified = true
    expected.faults = Faults(slowGPUs: [5: 0.8], deadNICs: [3, 4])
    #expect(read.cluster == expected)
  }

  @Test func dimensionsReplaceThoseOfTheModel() throws {
    let read = try configuration(repositoryFile("Tests/Fixtures/configuration/every-key.yaml"))
    var expected = ModelSpec(
      vocabularySize: 300, hiddenSize: 48, layers: 7, denseLayers: 2, denseIntermediateSize: 100,
      heads: 3, queryCompression: nil, keyValueCompression: 20, nopeHeadDim: 12, ropeHeadDim: 6,
      valueHeadDim: 10, routedExperts: 6, sharedExperts: 2, expertIntermediateSize: 24,
      expertsPerToken: 3, expertGroups: 3, groupsPerToken: 2)
    expected.routedScalingFactor = 2.5
    expected.mtpDepth = 2
    expected.initializerRange = 0.02
    #expect(read.applyOverrides(to: .example) == expected)
  }

  @Test func withoutDimensionsTheModelKeepsItsOwn() throws {
    var spec = ModelSpec.example
    spec.mtpDepth = 3
    let untouched = try configuration("model: {mtp: {depth: default}}")
    #expect(untouched.applyOverrides(to: spec) == spec)
    let compressed = try configuration("model: {dimensions: {query_compression: 9}}")
    #expect(compressed.applyOverrides(to: spec).queryCompression == 9)
  }

  @Test(arguments: ["", "# only a comment\n", "---\n", "layout:\n", "model: {dimensions: ~}"])
  func emptyFilesAndSectionsGiveTheDefaults(text: String) throws {
    #expect(try configuration(text) == RunConfiguration())
  }

  @Test func filesOfOtherSystemsAreRead() throws {
    let text = "\u{FEFF}training:\r\n  steps: 7\r\n  seed: 2\r\n"
    let read = try configuration(text)
    #expect(read.plan.steps == 7 && read.plan.seed == 2)
  }

  @Test func overridesWinOverTheFileAndTheLastOneWins() throws {
    let read = try configuration(
      "training: {steps: 10, sequence: 32}",
      set: ["training.steps=20", "training.steps=30", "training.lr_schedule=constant"])
    #expect(read.plan.steps == 30)
    #expect(read.plan.sequenceLength == 32)
    #expect(read.plan.learningRateSchedule == .constant)
  }

  @Test func anOverrideMayBeAMappingThatLeavesOtherKeysAlone() throws {
    let read = try configuration(
      "layout: {pipeline: 8, exchange: direct}",
      set: ["layout={pipeline: 2, data: 1, expert: 1}", "data.sources=[docs, 'a b']"])
    #expect(read.layout == Layout(pipeline: 2, data: 1, expert: 1, gpusPerNode: 2))
    #expect(read.exchange == .direct)
    #expect(read.dataSources == ["docs", "a b"])
  }

  @Test func anOverrideReplacesTheKeyThatExcludesIt() throws {
    let file = "model: {preset: dsv3-mini}\nschedule: {name: dualpipe}"
    let read = try configuration(file, set: ["model.path=m/x=1", "schedule.file=s.csv"])
    #expect(read.modelSource == .path("m/x=1"))
    #expect(read.schedule == .file("s.csv"))
    let back = try configuration("schedule: {file: s.csv}", set: ["schedule.name=1f1b"])
    #expect(back.schedule == .named("1f1b"))
  }

  @Test func aSingleValueStandsForAListOfOne() throws {
    #expect(try configuration("data: {sources: book.txt}").dataSources == ["book.txt"])
    #expect(try configuration("layout: {stages: 8}").stageLayers == [8])
    #expect(try configuration("layout: {stages: balanced}").stageLayers == nil)
  }

  @Test func loadReadsTheNamedFileOrTheDefaultOneIfItExists() throws {
    let missing = "no-such-directory/cluster.yaml"
    let all = try RunConfiguration.load(path: nil, overrides: [], defaultPath: missing)
    #expect(all == RunConfiguration())
    let error = #expect(throws: ConfigurationError.self) {
      try RunConfiguration.load(path: missing)
    }
    #expect(error?.exitCode == 66)
    #expect(
      error?.description
        == "no-such-directory/cluster.yaml: cannot read the configuration: "
        + "No such file or directory")
    let directory = #expect(throws: ConfigurationError.self) {
      try RunConfiguration.load(path: "/")
    }
    #expect(directory?.description == "/: cannot read the configuration: Is a directory")
  }
}

extension ModelSpec {
  /// A model with every dimension another number.
  static var example: ModelSpec {
    ModelSpec(
      vocabularySize: 257, hiddenSize: 64, layers: 8, denseLayers: 1, denseIntermediateSize: 128,
      heads: 4, queryCompression: 32, keyValueCompression: 16, nopeHeadDim: 11, ropeHeadDim: 8,
      valueHeadDim: 13, routedExperts: 12, sharedExperts: 1, expertIntermediateSize: 40,
      expertsPerToken: 2, expertGroups: 4, groupsPerToken: 2)
  }
}
