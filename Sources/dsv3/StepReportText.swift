// A step report for people: the figures that one looks for first, then where the time goes.

import Fabric
import ModelSpec
import RunConfiguration
import Schedules
import Simulation
import Units
import VirtualCluster
import Workload

/// The report as lines.
func reportText(_ report: StepReport, _ step: VirtualStep, _ routing: RoutingSource) -> String {
  let configuration = step.configuration
  let layout = configuration.layout
  var lines = [
    "\(report.ranks) GPUs (\(step.cluster.name)): pipeline \(layout.pipeline), data "
      + "\(layout.data), expert \(layout.expert), \(layout.gpusPerNode) to a node; "
      + "\(step.schedule.name), \(step.schedule.microbatches) micro-batches, routing "
      + name(of: routing, configuration),
    "",
    "step            \(time(report.step))   \(rounded(report.tokens)) tokens, "
      + "\(rounded(Int(report.tokensPerDay))) a day, "
      + "\(fixed(report.gpuHoursPerTrillionTokens / 1000, 1)) K GPU hours a trillion",
    "MFU             \(percent(report.utilisation(causal: true))) causal "
      + "(\(fixed(report.rate(causal: true).flopsPerSecond / 1e12, 0)) TFLOP/s a GPU), "
      + "\(percent(report.utilisation(causal: false))) non-causal",
    "",
    "rank \(report.criticalRank), which waits least",
  ]
  for (name, part) in report.breakdown.parts where part > .zero {
    let share = part.seconds / max(report.step.seconds, .leastNonzeroMagnitude)
    lines.append(
      "  " + name.padded(to: 14) + time(part) + "   " + percent(share).aligned(to: 6))
  }
  lines.append(
    "  of which exposed communication " + time(report.exposed))
  let chunks = report.chunks.parts.compactMap { name, part in
    part.map { "\(name) \(time($0))" }
  }
  lines.append("  chunks: " + chunks.joined(separator: ", "))
  lines.append("")
  lines.append(
    "InfiniBand      \(percent(report.links.infinibandUtilisation)) used, "
      + "\(bytes(report.links.infinibandBytes)); NVLink "
      + "\(percent(report.links.nvlinkUtilisation)), \(bytes(report.links.nvlinkBytes))")
  lines.append(
    "memory          " + bytes(Int64(report.memory.total.bytes)) + " on the fullest GPU: "
      + report.memory.categories.map { "\($0.name) \(bytes(Int64($0.bytes.bytes)))" }
      .joined(separator: ", "))
  lines += report.warnings.map { "warning         " + $0 }
  if !report.exposures.isEmpty {
    lines += ["", "longest waits for an exchange"]
    lines += report.exposures.map { "  " + $0.sentence }
  }
  lines.append("")
  if let folding = report.folding { lines.append("folded: " + folding) }
  lines.append(
    "\(rounded(report.operations)) operations simulated in \(fixed(report.wall, 2)) s")
  return lines.joined(separator: "\n") + "\n"
}

private func name(of routing: RoutingSource, _ configuration: RunConfiguration) -> String {
  switch routing {
  case .none: "within each rank"
  case .balanced: "balanced"
  case .recorded: "as recorded"
  case .sampled:
    "sampled with seed \(configuration.routingSeed) and skew \(configuration.routingSkew)"
  }
}

/// A virtual duration with the unit that suits it.
private func time(_ duration: VirtualDuration) -> String {
  let value = duration.seconds
  if value >= 1 { return fixed(value, 3) + " s" }
  if value >= 1e-3 { return fixed(value * 1e3, 2) + " ms" }
  return fixed(value * 1e6, 1) + " µs"
}

private func percent(_ share: Double) -> String { fixed(share * 100, 1) + "%" }

private func bytes(_ count: Int64) -> String {
  for (factor, unit) in [(1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB")]
  where Double(count) >= factor {
    return fixed(Double(count) / factor, 1) + " " + unit
  }
  return "\(count) bytes"
}
