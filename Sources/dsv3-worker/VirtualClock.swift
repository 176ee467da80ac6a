// What each recorded step would have cost on the simulated cluster: a report for every step on rank
// 0, the last one's kept in report.json, and the workloads that the configuration asks to keep.

import JSON
import ModelSpec
import RunConfiguration
import Simulation
import Training
import Units
import VirtualCluster
import Workload

final class VirtualClock {
  private let configuration: RunConfiguration
  private let directory: RunDirectory
  /// By micro-batches of a step, which `training.batch_schedule` may change during a run.
  private var steps: [Int: VirtualStep] = [:]

  init(_ configuration: RunConfiguration, _ directory: RunDirectory) {
    self.configuration = configuration
    self.directory = directory
  }

  /// The figures of a step; writes its workload and the run's report where they are due.
  func price(_ workload: Workload, step number: Int, isLast: Bool) throws -> VirtualFigures {
    let step = try virtualStep(microbatches: workload.shape.microbatches)
    let report = try step.simulation(of: workload).run().report
    let isDue = configuration.recordEvery.map { $0 > 0 && number.isMultiple(of: $0) } ?? isLast
    if isDue {
      var kept = workload
      kept.configuration = step.configuration.resolvedYAML()
      try kept.write(to: directory.workload(step: number))
    }
    if isLast {
      try RunDirectory.write(
        String(decoding: report.json().text(), as: UTF8.self), to: directory.report)
    }
    return VirtualFigures(
      stepSeconds: report.step.seconds, tokensPerSecond: report.tokensPerSecond,
      utilisation: report.utilisation(causal: true), bubbleFraction: report.bubbleFraction,
      exposedCommunicationSeconds: report.exposed.seconds)
  }

  private func virtualStep(microbatches: Int) throws -> VirtualStep {
    if let known = steps[microbatches] { return known }
    var asked = configuration
    asked.plan.microBatches = microbatches
    let step = try VirtualStep(asked)
    steps[microbatches] = step
    return step
  }
}
