// A run from its first step to its closing report: train, record, save, say.

internal import Checkpoints
internal import JSON
internal import MessagePassing
internal import ModelSpec
package import RunFiles
package import Workload

/// What the loop needs besides a trainer.
package struct RunOptions: Sendable {
  /// No progress lines.
  package var quiet = false
  /// Stop after this many steps of the plan, if earlier.
  package var stopAfter: Int?
  /// Steps between checkpoints, the last step's always among them; 0 writes none.
  package var checkpointEvery = 0
  /// Checkpoints kept.
  package var checkpointKeep = 1
  /// Steps between comparisons of ranks that hold the same weights; 0 compares only before
  /// checkpoints.
  package var compareHolders = 0

  package init() {}
}

/// Prices a step's workload: with its record, and whether it is the run's last.
package typealias StepPricing = (Workload, StepRecord, Bool) throws -> VirtualFigures

/// How the loop ended.
package enum RunEnd: Equatable, Sendable {
  case finished
  /// Somebody asked for it; there is a checkpoint of this step.
  case stopped(step: Int)
}

package struct TrainingRun {
  private let trainer: Trainer
  private let directory: RunDirectory
  private let options: RunOptions
  /// This rank's own log.
  private let log: LogFile?
  private let phase: Phase
  /// Prints on rank 0; does nothing elsewhere.
  private let say: (String) -> Void
  /// What a recorded step would have cost, on rank 0; nil when nobody asks.
  private let price: StepPricing?
  private let requests: RunRequests
  private let checkpoints: CheckpointWriter
  private var metrics: LogFile?
  private var loads: LogFile?

  /// - Parameters:
  ///   - log: gets lines about this rank alone.
  ///   - phase: how ranks agree on failures of files.
  ///   - price: of each step's workload; called on rank 0 only. Steps are recorded if it is there.
  ///   - requests: what this rank is asked for while it trains.
  ///   - say: prints; called on rank 0 only.
  package init(
    _ trainer: Trainer, directory: RunDirectory, options: RunOptions, log: LogFile? = nil,
    phase: @escaping Phase, price: StepPricing? = nil, requests: RunRequests = .none,
    say: @escaping (String) -> Void
  ) {
    self.trainer = trainer
    self.directory = directory
    self.options = options
    self.log = log
    self.phase = phase
    self.price = price
    self.requests = requests
    checkpoints = CheckpointWriter(
      trainer, to: CheckpointFolder(path: directory.checkpoints), keep: options.checkpointKeep,
      phase: phase)
    trainer.recording = price == nil ? .off : .everyStep
    trainer.notesWeights = options.compareHolders > 0
    self.say = trainer.world.rank == 0 ? say : { _ in }
  }

  /// Trains to the end of the plan, from where the trainer stands. Collective.
  @discardableResult
  package mutating func perform() throws -> RunEnd {
    let firstStep = trainer.stepsDone
    try openMetrics()
    try checkpoints.prepare(isResumed: firstStep > 0)
    trainer.news = { [checkpoints, requests] in
      var news = StepNews()
      (news.isWriting, news.hasFailed) = checkpoints.status
      news.request = requests.pending()
      return news
    }
    defer { trainer.news = { StepNews() } }
    let before = firstStep == 0 ? try trainer.heldOutLoss() : nil
    if let before { say("held-out loss \(TextFormat.fixed(before, 4)) before training\n") }
    let start = ActivityClock.now()
    let end = min(options.stopAfter ?? .max, trainer.progress.count)
    var tokens = 0
    var peaks = ActivationPeaks()
    var memory = CountedMemory()
    trainer.clock.reset()
    while trainer.stepsDone < end {
      var record = try trainer.step()
      if let price, let workload = trainer.lastWorkload {
        trainer.clock.beat?.enter(.pricing)
        record.virtual = try price(workload, record, record.step == end)
      }
      tokens += record.tokens
      peaks = peaks.union(trainer.peakActivations)
      if record.memory.total > memory.total { memory = record.memory }
      try metrics?.write(record.json + "\n")
      if let load = trainer.lastLoad { try loads?.write(load.line(step: record.step) + "\n") }
      if !options.quiet { say(Self.line(record, of: trainer.progress.count) + "\n") }
      if try proceedWithCheckpoints(last: end) == .stop { return .stopped(step: record.step) }
    }
    try checkpoints.finish()
    try sayCheckpoint()
    trainer.clock.switch(to: .other)
    let seconds = Double(ActivityClock.now() - start) / 1e9
    let steps = trainer.stepsDone - firstStep
    // The held-out loss is no part of the loop.
    let activities = Activity.allCases.map { trainer.clock.seconds($0) }
    try logTimes(activities, seconds: seconds, steps: firstStep..<trainer.stepsDone)
    let heldOut = HeldOutLosses(
      before: before, after: try trainer.heldOutLoss(),
      averaged: try trainer.heldOutLossOfAverage())
    let report = try ClosingReport(
      trainer.world, seconds: seconds, activities: activities, steps: steps, tokens: tokens,
      memory: memory, peaks: try peaks.byPipelineRank(trainer.setup.layout, trainer.world),
      checkpoints: checkpoints, heldOut: heldOut)
    say(report.text)
    try writeSummaries(heldOut)
    return .finished
  }

  private func writeSummaries(_ heldOut: HeldOutLosses) throws {
    let times = try trainer.actionTimes()
    let text = String(decoding: times.json.text(), as: UTF8.self)
    try phase {
      guard trainer.world.rank == 0 else { return }
      try RunDirectory.write(text, to: directory.actionTimes)
      try RunDirectory.write(heldOut.json, to: directory.losses)
    }
  }

  /// Rank 0 opens metrics.jsonl and loads.jsonl: new ones, or the old ones up to the step to go on
  /// from.
  private mutating func openMetrics() throws {
    guard trainer.world.rank == 0 else { return try phase {} }
    var opened: (metrics: LogFile, loads: LogFile)?
    try phase {
      let isResumed = trainer.stepsDone > 0
      if isResumed { try directory.cutMetrics(after: trainer.stepsDone) }
      opened = (
        try LogFile(path: directory.metrics, append: isResumed),
        try LogFile(path: directory.loads, append: isResumed)
      )
    }
    (metrics, loads) = (opened?.metrics, opened?.loads)
  }

  private func isCheckpointDue(last: Int) -> Bool {
    guard options.checkpointEvery > 0 else { return false }
    return trainer.stepsDone == last || trainer.stepsDone.isMultiple(of: options.checkpointEvery)
  }

  /// After a step: completes a checkpoint that is written and begins one that is due or asked for.
  /// Returns what was asked for; if that is to stop, everything is written.
  private func proceedWithCheckpoints(last: Int) throws -> RunRequest {
    let heard = trainer.heard
    try checkpoints.proceed(isAnyWriting: heard.isWriting, hasAnyFailed: heard.hasFailed)
    try sayCheckpoint()
    let request = heard.request
    if request != .none { requests.settle() }
    if request != .none || isCheckpointDue(last: last) {
      // What differs from rank to rank must not be gone on from.
      try trainer.checkHolders()
      trainer.clock.beat?.enter(.checkpoint)
      let before = checkpoints.nanosecondsHeldUp
      try checkpoints.begin(trainer)
      let seconds = Double(checkpoints.nanosecondsHeldUp - before) / 1e9
      try phase {
        try log?.write(
          "checkpoint of step \(trainer.stepsDone) held the steps up for "
            + "\(TextFormat.fixed(seconds, 6)) s\n")
      }
    } else if options.compareHolders > 0,
      trainer.stepsDone.isMultiple(of: options.compareHolders)
    {
      try trainer.checkHolders()
    }
    if request == .stop {
      try checkpoints.finish()
      try sayCheckpoint()
    }
    return request
  }

  /// Rank 0 tells of a checkpoint that has become whole.
  private func sayCheckpoint() throws {
    guard let written = checkpoints.takeWritten(), !options.quiet else { return }
    say(
      "checkpoint \(written.path) after \(TextFormat.fixed(written.seconds, 2)) s, of which "
        + "\(TextFormat.fixed(written.pauseSeconds, 4)) s without training\n")
  }

  /// Where this rank's time went.
  private func logTimes(_ activities: [Double], seconds: Double, steps: Range<Int>) throws {
    let times = zip(Activity.allCases, activities).map {
      "\($0.name) \(TextFormat.fixed($1, 4)) s"
    }
    let done = steps.isEmpty ? "no step" : "steps \(steps.lowerBound + 1)–\(steps.upperBound)"
    var text =
      "\(done) took \(TextFormat.fixed(seconds, 4)) s: \(times.joined(separator: ", "))\n"
    let memory = trainer.memory.fields.map { "\($0.name) \($0.bytes)" }
    text += "tensor bytes at the last step's peak: \(memory.joined(separator: ", "))\n"
    if let average = trainer.average {
      let (own, heldUp) = (average.processorSeconds, Double(average.nanosecondsHeldUp) / 1e9)
      text +=
        "the mean of the weights took \(TextFormat.fixed(own, 4)) s of a thread of its own and "
        + "held the steps up for \(TextFormat.fixed(heldUp, 6)) s\n"
    }
    // A full disk is full for all ranks: one of them speaks.
    try phase { try log?.write(text) }
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
      + (record.virtual.map(Self.part) ?? "")
  }

  /// The virtual clock's part of a progress line.
  private static func part(_ figures: VirtualFigures) -> String {
    "  virtual \(TextFormat.fixed(figures.stepSeconds, 3)) s"
      + "  mfu \(TextFormat.fixed(figures.utilisation * 100, 1))%"
      + "  bubble \(TextFormat.fixed(figures.bubbleFraction * 100, 1))%"
      + "  exposed \(TextFormat.fixed(figures.exposedCommunicationSeconds, 3)) s"
  }
}
