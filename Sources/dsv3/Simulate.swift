// `dsv3 simulate` and `dsv3 replay`: what a step costs on the simulated cluster, from a
// configuration alone or from a run's workload file.

import CSystem
import Glibc
import JSON
import ModelSpec
import RunConfiguration
import Schedules
import Simulation
import Units
import VirtualCluster
import Workload

let simulateCommand = Command(
  "dsv3 simulate",
  usage: "[--preset NAME | --config FILE] [--set KEY=VALUE]... [OPTION]...",
  summary: "what a step costs on the simulated cluster",
  help: """
    Writes the step of a configuration without running it, simulates it on the configuration's
    cluster, every GPU on its own, and reports where its time goes. What-ifs are overrides, such as
    --set schedule.name=zb-v, --set cluster.network.nic=800Gbps, --set routing.skew=0.1 or
    --set 'cluster.faults.slow_gpus=["5:0.8"]'.
    """,
  options: configurationOptions + simulationOptions + [
    CommandOption("fold", help: "simulate one data rank for all; wants routing balanced"),
    CommandOption("workload", value: "FILE", help: "also write the step as a workload file"),
  ],
  run: simulate)

let replayCommand = Command(
  "dsv3 replay",
  usage: "WORKLOAD [--config FILE] [--set KEY=VALUE]... [OPTION]...",
  summary: "what a recorded step costs, on this or another cluster",
  help: """
    Simulates a workload file of a run (its workloads/) or of 'dsv3 simulate --workload'. The
    configuration is the one it was recorded under, unless --config names another; --set changes
    the cluster, or what is charged. What was run (layout, schedule, sizes) can't be changed.
    """,
  options: configurationOptions.filter { $0.name != "preset" } + simulationOptions,
  run: replay)

private let simulationOptions = [
  CommandOption("json", help: "the step report as JSON"),
  CommandOption(
    "trace", value: "FILE", help: "write a trace for Perfetto: .json (Chrome), or .pftrace"),
  CommandOption("svg", value: "FILE", help: "draw the streams over time"),
  CommandOption("links", value: "FILE", help: "draw the use of the links over time, as SVG"),
  CommandOption(
    "window", value: "FROM-TO", help: "milliseconds that --svg draws (the whole step)"),
  CommandOption(
    "ranks", value: "LIST", help: "ranks to trace and draw, as 0,16-31 (the first pipeline)"),
]

private func simulate(_ options: ParsedOptions) throws {
  _ = try options.operands()
  let step = try VirtualStep(try options.configuration())
  let start = wallClock()
  let workload = try step.build()
  if let path = options.value("workload") { try workload.write(to: path) }
  let simulation = try step.simulation(of: workload)
  let isFolded = options.has("fold") || step.configuration.foldsSimulation
  if isFolded, let obstacle = simulation.obstacleToFolding {
    throw options.usageError(
      "one data rank can't stand for all: \(obstacle); leave --fold out, or set "
        + "model.routing=balanced and no faults")
  }
  try perform(simulation, step, isFolded: isFolded, since: start, options)
}

private func replay(_ options: ParsedOptions) throws {
  let path = try options.operands("WORKLOAD")[0]
  let start = wallClock()
  let workload = try Workload(contentsOf: path)
  let configuration =
    if let file = options.value("config") {
      try RunConfiguration.load(path: file, overrides: options.values("set"))
    } else {
      try RunConfiguration.read(
        bytes: Array(workload.configuration.utf8), file: "configuration in " + path,
        overrides: options.values("set"))
    }
  let step = try VirtualStep(configuration)
  try perform(
    try step.simulation(of: workload), step, isFolded: false, since: start, options)
}

private func perform(
  _ simulation: StepSimulation, _ step: VirtualStep, isFolded: Bool, since start: Double,
  _ options: ParsedOptions
) throws {
  // A name that says no format is refused before the work, not after it.
  if let path = options.value("trace") { _ = try TraceFormat(path: path) }
  let wantsTimeline = ["trace", "svg", "links"].contains { options.has($0) }
  let ranks = wantsTimeline ? try tracedRanks(options, step) : []
  let isTerminal = isatty(STDERR_FILENO) == 1
  var isShown = false
  var (report, outcome) = simulation.run(isFolded: isFolded, tracedRanks: ranks) { share in
    guard isTerminal, wallClock() - start > 2 else { return }
    isShown = true
    fputs("\rsimulated \(Int(share * 100))% ", dsv3_stderr())
    fflush(dsv3_stderr())
  }
  if isShown { fputs("\r\u{1B}[K", dsv3_stderr()) }
  report.wall = wallClock() - start
  if let path = options.value("trace") { try writeTrace(of: outcome, to: path) }
  if let path = options.value("svg") {
    try write(TimelineSVG(outcome, try timelineOptions(options)).text, to: path)
  }
  if let path = options.value("links") { try write(LinkUseSVG(outcome).text, to: path) }
  if options.has("json") {
    print(String(decoding: report.json().text(), as: UTF8.self), terminator: "")
  } else {
    print(reportText(report, step, outcome.workload.routing), terminator: "")
  }
}

/// World ranks to look at: those asked for, or one of each pipeline rank.
private func tracedRanks(_ options: ParsedOptions, _ step: VirtualStep) throws -> Set<Int> {
  let layout = step.configuration.layout
  guard let list = options.value("ranks") else {
    let all = layout.worldSize <= 64 ? layout.data : 1
    return Set(
      (0..<layout.pipeline).flatMap { pipeline in
        (0..<all).map { layout.worldRank(pipeline: pipeline, data: $0) }
      })
  }
  var ranks: Set<Int> = []
  for part in list.split(separator: ",") {
    let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
    guard let first = ends.first ?? nil, let last = ends.last ?? nil, ends.count <= 2,
      first >= 0, first <= last, last < layout.worldSize
    else {
      throw options.usageError(
        "option '--ranks' wants ranks 0 to \(layout.worldSize - 1), such as 0,16-31, not "
          + "'\(printable(list))'")
    }
    ranks.formUnion(first...last)
  }
  return ranks
}

/// What the picture shows.
private func timelineOptions(_ options: ParsedOptions) throws -> TimelineOptions {
  var shown = TimelineOptions()
  guard let window = options.value("window") else { return shown }
  let ends = window.split(separator: "-").map { Double($0) }
  guard ends.count == 2, let from = ends[0], let to = ends[1], from >= 0, from < to, to < 1e9
  else {
    throw options.usageError(
      "option '--window' wants milliseconds, such as 100-250, not '\(printable(window))'")
  }
  func instant(_ milliseconds: Double) -> VirtualInstant {
    .start + VirtualDuration(seconds: milliseconds / 1e3)
  }
  shown.window = instant(from)..<instant(to)
  return shown
}

private func wallClock() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}
