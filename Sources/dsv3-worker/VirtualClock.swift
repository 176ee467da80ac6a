// What each recorded step would have cost on the simulated cluster: a report for every step on rank
// 0, the newest in report.json beside the memory that was counted and what was predicted of it, its
// picture in timeline.json, and the workloads that the configuration asks to keep.

import JSON
import ModelSpec
import RunConfiguration
import RunFiles
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
  /// When report.json and timeline.json were last written, by the wall's monotonic clock.
  private var shown: Int?
  /// Nanoseconds between two pictures of a run.
  private static let pause = 2_000_000_000

  init(_ configuration: RunConfiguration, _ directory: RunDirectory) {
    self.configuration = configuration
    self.directory = directory
  }

  /// The figures of a step; writes its workload and the run's report where they are due.
  func price(_ workload: Workload, _ record: StepRecord, isLast: Bool) throws -> VirtualFigures {
    let step = try virtualStep(microbatches: workload.shape.microbatches)
    let isShown = isLast || shown.map { ActivityClock.now() - $0 >= Self.pause } ?? true
    let traced = isShown ? TimelineFile.tracedRanks(workload.layout) : []
    let (report, outcome) = try step.simulation(of: workload).run(tracedRanks: traced)
    let isDue = configuration.recordEvery.map { $0 > 0 && record.step.isMultiple(of: $0) } ?? isLast
    if isDue {
      var kept = workload
      kept.configuration = step.configuration.resolvedYAML()
      try kept.write(to: directory.workload(step: record.step))
    }
    if isShown {
      shown = ActivityClock.now()
      // Pictures for whoever looks: the next ones come soon.
      try RunFile.replace(
        directory.report, with: json(report, record, step).text(), isDurable: isLast)
      try RunFile.replace(
        directory.timeline, with: TimelineFile.json(step: record.step, outcome).line(),
        isDurable: isLast)
    }
    return VirtualFigures(
      stepSeconds: report.step.seconds, tokensPerSecond: report.tokensPerSecond,
      utilisation: report.utilisation(causal: true), bubbleFraction: report.bubbleFraction,
      exposedCommunicationSeconds: report.exposed.seconds)
  }

  /// The report of the virtual clock, with this run's own memory: the fullest rank's, counted in
  /// the last step and predicted for balanced routing.
  private func json(_ report: StepReport, _ record: StepRecord, _ step: VirtualStep) -> JSONValue {
    guard case .object(var members) = report.json() else {
      preconditionFailure("a report is an object")
    }
    members["counted_memory_bytes"] = .object(
      Dictionary(
        uniqueKeysWithValues: record.memory.fields.map { ($0.name, .integer($0.bytes)) }))
    members["predicted_memory_bytes"] = step.trainedMemory.fullest.bytes.json
    return .object(members)
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
