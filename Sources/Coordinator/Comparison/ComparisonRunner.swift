// Trains what a comparison asks for: some workers at a time, finished runs not again, divergence
// noted and not mistaken for a failure.

internal import Glibc
internal import RunConfiguration

/// A run of a comparison that is over.
package struct ComparedRun: Equatable, Sendable {
  package var run: ComparisonPlan.Run
  package var outcome: RunOutcome
  package var metrics: [StepMetrics]
  /// Whether it had been trained by an earlier call.
  package var wasThere: Bool

  package init(
    run: ComparisonPlan.Run, outcome: RunOutcome, metrics: [StepMetrics], wasThere: Bool
  ) {
    self.run = run
    self.outcome = outcome
    self.metrics = metrics
    self.wasThere = wasThere
  }
}

/// What a comparison has to tell while it runs.
package enum ComparisonEvent {
  /// A run is over.
  case ended(ComparedRun)
  /// Now and then: the runs under way with the steps they have done.
  case progress([(run: ComparisonPlan.Run, metrics: [StepMetrics])], ended: Int)
}

package struct ComparisonRunner {
  private let plan: ComparisonPlan
  private let directory: ComparisonDirectory
  private let worker: String
  private let jobs: Int
  private let tell: (ComparisonEvent) -> Void

  /// - Parameters:
  ///   - directory: opened for the plan.
  ///   - worker: the file of dsv3-worker.
  ///   - jobs: workers at a time.
  package init(
    _ plan: ComparisonPlan, _ directory: ComparisonDirectory, worker: String, jobs: Int,
    tell: @escaping (ComparisonEvent) -> Void
  ) {
    self.plan = plan
    self.directory = directory
    self.worker = worker
    self.jobs = jobs
    self.tell = tell
  }

  /// Trains all runs of the plan, in its order, as far as they haven't been.
  /// - Throws: `ComparisonError`; the workers have ended then. `ConfigurationError` of a precision.
  package func perform() throws -> [ComparedRun] {
    // Before the first of many hours, not after.
    _ = try located()
    var waiting = plan.runs[...]
    var active: [Job] = []
    var ended: [ComparedRun] = []
    do {
      while !waiting.isEmpty || !active.isEmpty {
        while active.count < jobs, let run = waiting.popFirst() {
          let configuration = try plan.configuration(of: run)
          if let (outcome, metrics) = directory.finished(run, configuration) {
            try add(
              ComparedRun(run: run, outcome: outcome, metrics: metrics, wasThere: true), to: &ended)
          } else {
            active.append(try start(run, configuration))
          }
        }
        try wait(for: active)
        for job in active where job.process.ending != nil {
          try add(try job.finished(plan, directory), to: &ended)
        }
        active.removeAll { $0.process.ending != nil }
        tell(.progress(active.map { ($0.run, $0.metrics.steps) }, ended: ended.count))
      }
    } catch {
      Subprocess.end(active.map(\.process))
      throw error
    }
    let order = Dictionary(uniqueKeysWithValues: zip(plan.runs.map(\.name), 0...))
    return ended.sorted { order[$0.run.name, default: 0] < order[$1.run.name, default: 0] }
  }

  /// Both programs are there.
  private func located() throws(ComparisonError) -> [String] {
    do throws(SubprocessError) {
      return try [ProgramCall(worker).located(), ProgramCall("mpirun").located()]
    } catch { throw ComparisonError(error) }
  }

  private func wait(for active: [Job]) throws(ComparisonError) {
    do throws(SubprocessError) {
      try Subprocess.wait(for: active.map(\.process), atMost: 0.5)
    } catch { throw ComparisonError(error) }
    for job in active { try job.metrics.update() }
  }

  /// Runs that had different text can't be compared. (A seed decides what is held out, so that only
  /// runs of the same seed have the same numbers of tokens.)
  private func add(_ run: ComparedRun, to ended: inout [ComparedRun]) throws(ComparisonError) {
    if let first = ended.first(where: { $0.run.seed == run.run.seed }),
      (first.outcome.trainingTokens, first.outcome.heldOutTokens)
        != (run.outcome.trainingTokens, run.outcome.heldOutTokens)
    {
      throw .badData(
        "the text of data.sources changed between \(first.run.name) "
          + "(\(first.outcome.trainingTokens) tokens) and \(run.run.name) "
          + "(\(run.outcome.trainingTokens)): they can't be compared; choose another --output, and "
          + "text that stays as it is")
    }
    ended.append(run)
    tell(.ended(run))
  }

  private func start(
    _ run: ComparisonPlan.Run, _ configuration: RunConfiguration
  ) throws(ComparisonError) -> Job {
    try directory.prepare(run, configuration)
    let call = MPIRun(
      ranks: plan.ranks, program: worker,
      arguments: [
        "--config", directory.configuration(of: run), "--run-dir", directory.directory(of: run),
      ]
    ).call
    return try Job(run, call, directory)
  }
}

/// A worker under way.
private final class Job {
  let run: ComparisonPlan.Run
  let process: Subprocess
  var metrics: MetricsReader
  private let said: Said

  init(
    _ run: ComparisonPlan.Run, _ call: ProgramCall, _ directory: ComparisonDirectory
  ) throws(ComparisonError) {
    self.run = run
    // The file of an unfinished run would be taken for this one's first steps.
    unlink(directory.metrics(of: run))
    metrics = MetricsReader(path: directory.metrics(of: run))
    let said = try Said(log: directory.output(of: run))
    self.said = said
    do throws(SubprocessError) {
      process = try Subprocess(
        starting: call, output: { said.take(output: $0) }, error: { said.take(error: $0) })
    } catch { throw ComparisonError(error) }
  }

  /// What the ended worker left.
  func finished(
    _ plan: ComparisonPlan, _ directory: ComparisonDirectory
  ) throws(ComparisonError) -> ComparedRun {
    try metrics.update()
    let output = said.output
    let code = process.ending?.code ?? 0
    let divergedAt = code == 70 ? output.divergedAt : nil
    guard (code == 0 && metrics.steps.count == plan.steps) || divergedAt != nil else {
      throw .workerFailed(run: run.name, code: code, lastLines: output.complaint)
    }
    let outcome = RunOutcome(
      steps: metrics.steps.count, divergedAt: divergedAt, heldOutLoss: output.heldOutLoss,
      processorSeconds: process.processorSeconds, trainingTokens: output.trainingTokens ?? 0,
      heldOutTokens: output.heldOutTokens ?? 0)
    try directory.save(outcome, of: run)
    return ComparedRun(run: run, outcome: outcome, metrics: metrics.steps, wasThere: false)
  }
}

/// All that a worker says: kept in output.log, and read.
private final class Said {
  private(set) var output = WorkerOutput()
  private let log: UnsafeMutablePointer<FILE>

  init(log path: String) throws(ComparisonError) {
    guard let log = fopen(path, "we") else {
      throw .cannotWrite(path: path, reason: String(cString: strerror(errno)))
    }
    self.log = log
  }

  deinit { fclose(log) }

  func take(output line: String) {
    output.read(output: line)
    fputs(line + "\n", log)
  }

  func take(error line: String) {
    output.read(error: line)
    fputs(line + "\n", log)
  }
}
