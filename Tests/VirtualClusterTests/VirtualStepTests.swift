// From a configuration to a report: what-ifs on the report's own step move it the right way, and no
// configuration makes figures that cannot be.

import Fabric
import JSON
import ModelSpec
import RunConfiguration
import Schedules
import Simulation
import Testing
import Units
import VirtualCluster
import Workload

/// The report's step, folded and balanced, with overrides.
func reportStep(_ overrides: String...) throws -> StepReport {
  try simulated(
    preset: "deepseek-v3-h800-2048", overrides: ["model.routing=balanced"] + overrides,
    isFolded: true)
}

func simulated(preset: String, overrides: [String], isFolded: Bool) throws -> StepReport {
  let step = try VirtualStep(RunConfiguration.load(preset: preset, overrides: overrides))
  let simulation = try step.simulation(of: step.build())
  return simulation.run(isFolded: isFolded && simulation.obstacleToFolding == nil).report
}

/// What every report must have, whatever the step.
func checkSense(_ report: StepReport, _ name: String) {
  let parts = report.breakdown.parts
  #expect(parts.allSatisfy { $0.time.picoseconds >= 0 }, "\(name): \(parts)")
  #expect(parts.reduce(.zero) { $0 + $1.time } == report.step, "\(name): parts of the step")
  #expect(report.exposed.picoseconds >= 0 && report.exposed <= report.step, "\(name): exposed")
  #expect(report.step.picoseconds > 0 && report.tokens > 0, "\(name): step and tokens")
  #expect((0...1).contains(report.bubbleFraction), "\(name): bubble")
  #expect((0...1).contains(report.utilisation(causal: true)), "\(name): MFU")
  #expect((0...1).contains(report.links.infinibandUtilisation), "\(name): InfiniBand")
  #expect((0...1).contains(report.links.nvlinkUtilisation), "\(name): NVLink")
  let bytes = report.json().text()
  let text = String(decoding: bytes, as: UTF8.self)
  #expect(!text.contains("nan") && !text.contains("inf\""), "\(name): \(text)")
  #expect((try? JSONValue(parsing: bytes)) != nil, "\(name): readable JSON")
}

@Suite struct VirtualStepTests {
  @Test func theReportsStepMakesSense() throws {
    let report = try reportStep()
    checkSense(report, "report")
    #expect(report.ranks == 2048 && report.tokens == 15360 * 4096)
  }

  @Test(arguments: [
    ["cluster.exchange.sms=0"], ["cluster.network.nic=800Gbps"],
    ["cluster.nvlink.bandwidth=320GB/s"],
    ["cluster.exchange.unified=true"],
  ])
  func betterHardwareIsFaster(overrides: [String]) throws {
    let better = try simulated(
      preset: "deepseek-v3-h800-2048", overrides: ["model.routing=balanced"] + overrides,
      isFolded: true)
    #expect(better.step <= (try reportStep().step), "\(overrides)")
    checkSense(better, "\(overrides)")
  }

  @Test func twiceTheMicrobatchesHalveTheBubbleShare() throws {
    // The bubble stays, the step doubles: 1 / (2 − bubble share) of the share, a little over half.
    let (once, twice) = (try reportStep(), try reportStep("schedule.microbatches=240"))
    let ratio = twice.bubbleFraction / once.bubbleFraction
    #expect(ratio > 0.45 && ratio < 0.6, "\(ratio)")
  }

  @Test func oversubscribedLeavesAreSlower() throws {
    let narrow = try reportStep(
      "cluster.network.nodes_per_leaf=2", "cluster.network.oversubscription=4")
    #expect(narrow.step > (try reportStep().step))
    checkSense(narrow, "oversubscribed")
  }

  @Test(arguments: [
    ["layout.data=64", "layout.expert=32", "layout.pipeline=2"],
    ["layout.data=128", "layout.expert=128", "layout.pipeline=2"],
    ["layout.expert=1"], ["layout.expert=2"],
    ["layout.pipeline=1", "layout.data=64", "schedule.name=1f1b"],
    ["layout.pipeline=2", "layout.data=64"], ["cluster.gpus_per_node=72"],
    ["cluster.gpus_per_node=64"], ["cluster.gpus_per_node=1"], ["model.mtp.depth=0"],
    ["layout.pipeline=1", "layout.data=1", "layout.expert=1", "schedule.name=1f1b"],
    ["layout.data=6", "layout.expert=2", "cluster.gpus_per_node=4"],
    ["layout.data=6", "layout.expert=1", "cluster.gpus_per_node=4"],
  ])
  func oddLayoutsMakeSense(overrides: [String]) throws {
    for routing in ["balanced", "sampled"] {
      let small = ["schedule.microbatches=32", "training.sequence=64"]
      let report = try simulated(
        preset: "deepseek-v3-h800-2048",
        overrides: small + ["layout.data=8", "layout.expert=8"] + overrides
          + ["model.routing=\(routing)"],
        isFolded: true)
      checkSense(report, "\(overrides) \(routing)")
    }
  }

  @Test func sampledRoutingWantsGroupsThatLieAlike() throws {
    let odd = [
      "cluster.gpus_per_node=3", "layout.expert=2", "layout.data=4", "training.sequence=512",
    ]
    checkSense(
      try simulated(
        preset: "deepseek-v3-h800-2048", overrides: ["model.routing=balanced"] + odd,
        isFolded: true), "balanced")
    let error = #expect(throws: ConfigurationError.self) {
      try simulated(preset: "deepseek-v3-h800-2048", overrides: odd, isFolded: false)
    }
    #expect(error?.description.contains("cluster.gpus_per_node 3") == true)
  }

  @Test(arguments: [
    ["layout.expert=8"], ["layout.expert=16"], ["schedule.name=1f1b"], ["schedule.name=zb-v"],
    ["cluster.gpus_per_node=4"], ["model.mtp.depth=0", "layout.expert=1"],
  ])
  func oneDataRankStandsForAll(overrides: [String]) throws {
    let step = try VirtualStep(
      RunConfiguration.load(
        preset: "deepseek-v3-h800-2048",
        overrides: [
          "model.routing=balanced", "layout.data=16", "layout.expert=16", "layout.pipeline=4",
          "schedule.microbatches=16", "training.sequence=512",
        ] + overrides))
    let simulation = try step.simulation(of: step.build())
    #expect(simulation.obstacleToFolding == nil)
    let (folded, full) = (simulation.run(isFolded: true).report, simulation.run().report)
    #expect(folded.step == full.step && folded.breakdown == full.breakdown)
    #expect(folded.links == full.links)
    // The folded rank has the rows of the busiest place, and an MTP block sees T − 1 tokens, which
    // no number of places divides: means over a pipeline differ by what a row more or less costs.
    for (one, all) in zip(folded.chunks.parts, full.chunks.parts) {
      #expect((one.time == nil) == (all.time == nil))
      guard let one = one.time, let all = all.time else { continue }
      #expect(abs(one.seconds - all.seconds) <= 1e-3 * all.seconds)
    }
    #expect(folded.exposed == full.exposed && folded.criticalRank == full.criticalRank)
  }

  @Test func oneDataRankDoesNotStandForOthersThatLieElsewhere() throws {
    // Ranks 0 … 2 are the first pipeline rank, 3 … 5 the second: only 0 → 3 stays within a node.
    let step = try VirtualStep(
      RunConfiguration.load(
        preset: "deepseek-v3-h800-2048",
        overrides: [
          "layout.data=3", "layout.expert=1", "cluster.gpus_per_node=4", "layout.pipeline=4",
          "schedule.microbatches=16", "training.sequence=512",
        ]))
    let obstacle = try step.simulation(of: step.build()).obstacleToFolding
    #expect(obstacle?.contains("within a node") == true)
  }

  @Test(arguments: ScheduleCatalog.names) func everyScheduleRunsOrIsRefused(name: String) throws {
    do {
      let report = try reportStep("schedule.name=\(name)", "layout.data=64")
      checkSense(report, name)
    } catch let error as ConfigurationError {
      #expect(error.description.contains("schedule"), "\(error)")
    }
  }

  @Test(arguments: ["balanced", "sampled"]) func replayGivesTheSameReport(routing: String) throws {
    let configuration = try RunConfiguration.load(
      preset: "deepseek-v3-h800-2048",
      overrides: [
        "model.routing=\(routing)", "layout.data=8", "layout.expert=8", "schedule.microbatches=32",
        "training.sequence=512", "layout.pipeline=4",
      ])
    let step = try VirtualStep(configuration)
    let workload = try step.build()
    let first = try step.simulation(of: workload).run().report
    let read = try Workload(decoding: workload.encoded(), source: "memory")
    let again = try VirtualStep(
      RunConfiguration.read(
        bytes: Array(read.configuration.utf8), file: "workload", overrides: []))
    let second = try again.simulation(of: read).run().report
    #expect(first.json(withWall: false).text() == second.json(withWall: false).text())
  }

  @Test func faultsMakeTheStepSlower() throws {
    let small = [
      "model.routing=balanced", "layout.data=16", "layout.expert=16", "schedule.microbatches=32",
      "training.sequence=512", "layout.pipeline=4",
    ]
    func step(_ fault: String...) throws -> StepReport {
      try simulated(preset: "deepseek-v3-h800-2048", overrides: small + fault, isFolded: false)
    }
    let sound = try step()
    for fault in [
      "cluster.faults.slow_gpus=[\"5:0.8\"]", "cluster.faults.dead_nics=[3]",
      "cluster.faults.dead_nics=[3,4,11]",
    ] {
      let broken = try step(fault)
      checkSense(broken, fault)
      #expect(broken.step > sound.step, "\(fault)")
    }
  }
}
