// What a launch would be: ranks on simulated nodes, memory of each, the predicted virtual step, and
// whether this machine has room. Starts nothing.

internal import Glibc
package import JSON
internal import ModelSpec
internal import RunConfiguration
internal import RunFiles
package import Simulation
internal import Units
package import VirtualCluster

package struct LaunchForecast {
  package let plan: LaunchPlan
  package let step: VirtualStep
  package let report: StepReport
  /// Bytes that can be had on this machine; nil when ranks are elsewhere, too, or it doesn't say.
  package let available: Int?

  /// A rank that has next to nothing takes so much (measured: 31 MiB).
  package static let bytesOfProcess = 32 << 20

  /// Simulates a step of the plan's configuration.
  package init(_ plan: LaunchPlan) throws {
    self.plan = plan
    step = try VirtualStep(plan.configuration)
    let simulation = try step.simulation(of: try step.build())
    report =
      simulation.run(
        isFolded: plan.configuration.foldsSimulation && simulation.obstacleToFolding == nil
      ).report
    available = plan.line.places.isThisHost ? Self.availableMemory : nil
  }

  /// The simulated nodes with their ranks.
  package var nodes: [[Int]] {
    let layout = plan.configuration.layout
    return stride(from: 0, to: layout.worldSize, by: layout.gpusPerNode).map {
      Array($0..<min($0 + layout.gpusPerNode, layout.worldSize))
    }
  }

  /// Bytes of each pipeline rank's tensors in this training.
  package var trained: [MemoryBytes] { bytes(step.trainedMemory) }
  /// The same of the GPU that the virtual clock charges.
  package var charged: [MemoryBytes] { bytes(step.memory) }

  private func bytes(_ model: MemoryModel) -> [MemoryBytes] {
    (0..<plan.configuration.layout.pipeline).map { model.bytes(ofPipelineRank: $0) }
  }

  /// Bytes that all ranks take together, their processes included.
  package var total: Int {
    let layout = plan.configuration.layout
    let tensors = trained.reduce(0) { $0 + Int($1.total.bytes) } * layout.data
    return tensors + layout.worldSize * Self.bytesOfProcess
  }

  package var warnings: [String] {
    guard let available, total > available else { return [] }
    return [
      "the ranks take about \(total >> 20) MiB, but this machine has \(available >> 20) MiB "
        + "available: fewer ranks, smaller micro-batches, precision bf16 or fp8, or the keys of "
        + "section 'memory' take less"
    ]
  }

  package var json: JSONValue {
    let layout = plan.configuration.layout
    let call = plan.line.call(plan.arguments)
    return .object([
      "ranks": .integer(layout.worldSize), "run_directory": .string(plan.directory.path),
      "layout": .object([
        "pipeline": .integer(layout.pipeline), "data": .integer(layout.data),
        "expert": .integer(layout.expert), "gpus_per_node": .integer(layout.gpusPerNode),
      ]),
      "hosts": .array(plan.line.places.hostNames.map { .string($0) }),
      "nodes": .array(nodes.map { .array($0.map { .integer($0) }) }),
      "command": .array((["mpirun"] + call.arguments).map { .string($0) }),
      "environment": .object(call.environment.mapValues { $0.map { .string($0) } ?? .null }),
      "memory": .array(
        zip(trained, charged).enumerated().map { rank, bytes in
          .object([
            "pipeline_rank": .integer(rank), "training_bytes": bytes.0.json,
            "charged_bytes": bytes.1.json,
          ])
        }),
      "total_bytes": .integer(total), "available_bytes": available.map { .integer($0) } ?? .null,
      "warnings": .array(warnings.map { .string($0) }),
      "virtual_step": report.json(withWall: false),
    ])
  }

  /// `MemAvailable` of /proc/meminfo.
  private static var availableMemory: Int? {
    guard let bytes = try? RunFile.contents(of: "/proc/meminfo") else { return nil }
    for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n")
    where line.hasPrefix("MemAvailable:") {
      return line.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 << 10 }
    }
    return nil
  }
}
