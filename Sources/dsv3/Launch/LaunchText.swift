// What `dsv3 launch --dry-run` prints.

import Coordinator
import Fabric
import ModelSpec
import RunConfiguration
import RunFiles
import Simulation
import Units
import VirtualCluster

func forecastText(_ forecast: LaunchForecast) -> String {
  let plan = forecast.plan
  let layout = plan.configuration.layout
  var lines = [
    "\(layout.worldSize) ranks in \(plan.directory.path)",
    plan.line.call(plan.arguments).shellLine, "",
  ]
  lines += nodeLines(forecast)
  lines += ["", "memory of a rank, by pipeline rank (training here; as charged on the cluster)"]
  let rows = zip(forecast.trained, forecast.charged).enumerated().map { rank, bytes in
    [
      "  \(rank)", size(bytes.0),
      bytes.0.categories.map { "\($0.name) \(size($0.bytes))" }
        .joined(separator: ", "), size(bytes.1),
    ]
  }
  lines.append(table([["  rank", "training", "", "charged"]] + rows))
  let available = forecast.available.map { " of \(size(ByteCount($0))) available" } ?? ""
  lines.append("  all ranks and their processes \(size(ByteCount(forecast.total)))" + available)
  lines += forecast.warnings.map { "  warning: " + $0 }
  let report = forecast.report
  lines += [
    "",
    "predicted virtual step " + fixed(report.step.seconds, 3)
      + " s on \(forecast.step.cluster.name): "
      + "MFU \(percent(report.utilisation(causal: true))), "
      + "bubble \(percent(report.bubbleFraction)), exposed communication "
      + fixed(report.exposed.seconds, 3) + " s, \(rounded(Int(report.tokensPerSecond))) tokens/s",
  ]
  lines += report.warnings.map { "  warning: " + $0 }
  return lines.joined(separator: "\n") + "\n"
}

private func percent(_ share: Double) -> String { fixed(share * 100, 1) + "%" }

/// A line for each simulated node, and for hosts of the ranks.
private func nodeLines(_ forecast: LaunchForecast) -> [String] {
  let layout = forecast.plan.configuration.layout
  let most = 16
  var lines = forecast.nodes.prefix(most).enumerated().map { node, ranks in
    "node \(node): "
      + ranks.map { rank in
        "rank \(rank) (pipeline \(layout.pipelineRank(of: rank)), data "
          + "\(layout.dataRank(of: rank)), expert \(layout.expertRank(of: rank)))"
      }.joined(separator: ", ")
  }
  if forecast.nodes.count > most { lines.append("… and \(forecast.nodes.count - most) more nodes") }
  let hosts = forecast.plan.line.places.hostNames
  if !hosts.isEmpty { lines.append("hosts: " + hosts.joined(separator: ", ")) }
  return lines
}

private func size(_ bytes: MemoryBytes) -> String { size(bytes.total) }

private func size(_ bytes: ByteCount) -> String {
  let count = Double(bytes.bytes)
  for (factor, unit) in [(1e12, "TB"), (1e9, "GB"), (1e6, "MB")] where count >= factor {
    return fixed(count / factor, 1) + " " + unit
  }
  return fixed(count / 1e3, 1) + " kB"
}
