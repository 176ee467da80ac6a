// The layout against the model, the known names and the number of MPI ranks.

import ModelSpec
import RunConfiguration
import Testing

@Suite struct LayoutTests {
  /// The message of a check, or "accepted".
  private func message(_ check: () throws(ConfigurationError) -> Void) -> String {
    do {
      try check()
      return "accepted"
    } catch {
      return error.description
    }
  }

  @Test func theDefaultsFitTheExampleAndSixteenRanks() throws {
    let defaults = RunConfiguration()
    try defaults.validate(spec: .example)  // 12 experts over 4 ranks, 8 layers in 4 stages
    try defaults.checkWorld(size: 16)
  }

  @Test func expertGroupDividesTheRoutedExperts() throws {
    let eight = try configuration("layout: {data: 8, expert: 8}")
    // Divisors of both 8 and 12.
    #expect(
      message { () throws(ConfigurationError) in try eight.validate(spec: .example) }
        == "cluster.yaml:1:27: layout.expert: 8 does not divide the model's 12 routed experts; "
        + "with layout.data = 8 it may be 1, 2, 4")
  }

  @Test func everyRankOfThePipelineMayHaveALayer() throws {
    let long = try configuration("", set: ["layout.pipeline=16"])
    #expect(
      message { () throws(ConfigurationError) in try long.validate(spec: .example) }
        == "--set layout.pipeline=16: 16 pipeline ranks for a model of 8 layers leave ranks "
        + "without a layer; there may be at most 8")
    // Two stages on each of 8 ranks: some have no layer, which is no mistake.
    try configuration("", set: ["layout.pipeline=8"]).validate(spec: .example, stages: 16)
  }

  @Test func firstAndLastStageHaveALayer() throws {
    let listed = try configuration("layout: {stages: [2, 0, 6, 0]}")
    #expect(
      message { () throws(ConfigurationError) in try listed.validate(spec: .example) }
        == "cluster.yaml:1:18: layout.stages: the first and the last stage need a layer each")
    try configuration("layout: {stages: [2, 0, 5, 1]}").validate(spec: .example)
  }

  @Test func listedStagesAreAsManyAsThePipelineHasAndHoldAllLayers() throws {
    let short = try configuration("layout: {stages: [4, 4]}")
    #expect(
      message { () throws(ConfigurationError) in try short.validate(spec: .example) }
        == "cluster.yaml:1:18: layout.stages: 2 stages are listed, but the pipeline has 4")
    try short.validate(spec: .example, stages: 2)
    let few = try configuration("layout: {stages: [2, 2, 2, 1]}")
    #expect(
      message { () throws(ConfigurationError) in try few.validate(spec: .example) }
        == "cluster.yaml:1:18: layout.stages: the listed stages have 7 layers together, but the "
        + "model has 8")
    try configuration("layout: {stages: [1, 2, 2, 3]}").validate(spec: .example)
  }

  /// 8 ranks with DualPipe: pipelines 2, 4 and 8 are even and 2·P ≤ 16 micro-batches; nearest to
  /// 4 first, and of 2 and 8, as far away, the shorter. Expert groups divide data and 12 experts.
  @Test func wrongNumberOfRanksListsLayoutsThatFit() throws {
    let defaults = try configuration("layout: {pipeline: 4, data: 4}")
    #expect(
      message { () throws(ConfigurationError) in
        try defaults.checkWorld(size: 8, spec: .example)
      }
        == """
        cluster.yaml:1:20: layout: 8 MPI ranks were started, but layout.pipeline × layout.data = \
        4 × 4 needs 16; start 16 (mpirun -n 16) or choose a layout for 8:
          --set layout.pipeline=4 --set layout.data=2 --set layout.expert=2
          --set layout.pipeline=2 --set layout.data=4 --set layout.expert=4
          --set layout.pipeline=8 --set layout.data=1 --set layout.expert=1
        """)
  }

  /// One rank is no even pipeline, so another schedule is proposed with it.
  @Test func oneRankNeedsAnotherScheduleThanDualPipe() {
    #expect(
      message { () throws(ConfigurationError) in try RunConfiguration().checkWorld(size: 1) }
        == """
        layout: 1 MPI rank was started, but layout.pipeline × layout.data = 4 × 4 needs 16; \
        start 16 (mpirun -n 16) or choose a layout for 1:
          --set schedule.name=1f1b --set layout.pipeline=1 --set layout.data=1 \
        --set layout.expert=1
        """)
  }

  /// 7 ranks: pipelines 1 and 7, neither even; with 1F1B both fit 8 layers.
  @Test func everyProposedLayoutFits() throws {
    for schedule in ["dualpipe", "1f1b"] {
      for size in 1...48 {
        var wanted = try configuration("", set: ["schedule.name=\(schedule)"])
        for layout in wanted.layouts(for: size, spec: .example) {
          #expect(layout.worldSize == size)
          wanted.layout = layout
          try wanted.validate()
          try wanted.validate(spec: .example)
          try wanted.checkWorld(size: size)
          if schedule == "dualpipe" { #expect(layout.pipeline % 2 == 0) }
        }
      }
    }
  }

  @Test func aPipelineLongerThanTheModelIsNotProposed() throws {
    let file = try configuration("schedule: {name: 1f1b}")
    let pipelines = file.layouts(for: 16, spec: .example).map(\.pipeline)
    #expect(pipelines == [4, 2, 8, 1])  // not 16: the example has 8 layers
    #expect(file.layouts(for: 0).isEmpty)
  }

  @Test func unknownNamesAreRefusedWithTheNearestKnownOne() throws {
    let file = try configuration("schedule: {name: dualpip}\nmodel: {preset: dsv3mini}")
    #expect(
      message { () throws(ConfigurationError) in
        try file.check("schedule.name", names: "schedule", known: ["gpipe", "1f1b", "dualpipe"])
      }
        == "cluster.yaml:1:18: schedule.name: unknown schedule 'dualpip'; did you mean "
        + "'dualpipe'? Known are: gpipe, 1f1b, dualpipe.")
    #expect(
      message { () throws(ConfigurationError) in
        try file.check("model.preset", names: "model", known: ["dsv3-mini", "deepseek-v3"])
      }
        == "cluster.yaml:2:17: model.preset: unknown model 'dsv3mini'; did you mean 'dsv3-mini'? "
        + "Known are: dsv3-mini, deepseek-v3.")
    // A key that is not in force has no name to check.
    try file.check("model.path", names: "model", known: [])
  }
}
