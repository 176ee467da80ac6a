// A run from its first step to its closing report: train, record, say.

internal import MessagePassing

/// What the loop needs besides a trainer.
package struct RunOptions: Sendable {
  /// No progress lines.
  package var quiet = false
  /// Stop after this many steps of the plan, if earlier.
  package var stopAfter: Int?

  package init() {}
}

package struct TrainingRun {
  private let trainer: Trainer
  private let directory: RunDirectory
  private let options: RunOptions
  /// Prints on rank 0; does nothing elsewhere.
  private let say: (String) -> Void
  private var metrics: LogFile?

  package init(
    _ trainer: Trainer, directory: RunDirectory, options: RunOptions,
    say: @escaping (String) -> Void
  ) {
    self.trainer = trainer
    self.directory = directory
    self.options = options
    self.say = trainer.world.rank == 0 ? say : { _ in }
  }

  /// Trains to the end of the plan. Collective.
  package mutating func perform() throws {
    if trainer.world.rank == 0 {
      metrics = try LogFile(path: directory.metrics, append: trainer.stepsDone > 0)
    }
    let before = trainer.stepsDone == 0 ? try trainer.heldOutLoss() : nil
    if let before { say("held-out loss \(TextFormat.fixed(before, 4)) before training\n") }
    let start = ActivityClock.now()
    let firstStep = trainer.stepsDone
    let end = min(options.stopAfter ?? .max, trainer.progress.steps.count)
    var tokens = 0
    trainer.clock.reset()
    while trainer.stepsDone < end {
      let record = try trainer.step()
      tokens += record.tokens
      try metrics?.write(record.json + "\n")
      if !options.quiet { say(Self.line(record, of: trainer.progress.steps.count) + "\n") }
    }
    trainer.clock.switch(to: .other)
    let seconds = Double(ActivityClock.now() - start) / 1e9
    let steps = trainer.stepsDone - firstStep
    let report = try ClosingReport(
      trainer, seconds: seconds, steps: steps, tokens: tokens,
      heldOut: (before, try trainer.heldOutLoss()))
    say(report.text)
  }

  /// One progress line.
  package static func line(_ record: StepRecord, of total: Int) -> String {
    let width = "\(total)".count
    return "step \(TextFormat.right("\(record.step)", width))/\(total)"
      + "  loss \(TextFormat.fixed(record.loss, 4))"
      + "  mtp \(TextFormat.fixed(record.mtpLoss, 4))"
      + "  grad \(TextFormat.fixed(record.gradientNorm, 3))"
      + "  lr \(TextFormat.number(record.learningRate, "%.2e"))"
      + "  load \(TextFormat.fixed(record.maxExpertLoadRatio, 2))"
      + "  \(TextFormat.fixed(record.tokensPerSecond, 0)) tokens/s"
  }
}
