// Checkpoints on their way to disk while the training goes on. At the checkpoint's step every rank
// copies its part; a thread of its own writes it; the ranks learn from the figures that each step
// exchanges anyway when all have written; then a thread of rank 0 completes the checkpoint. MPI is
// called by the ranks' own threads only.

package import Checkpoints
internal import MessagePassing

/// Runs `body` on every rank; when it throws on any, throws on all. `body` is not collective.
package typealias Phase = (_ body: () throws -> Void) throws -> Void

/// Writes the checkpoints of a run. All ranks call the same methods at the same steps.
package final class CheckpointWriter {
  /// What the thread works on: its own between `start` and `wait` of the task.
  private final class Work {
    enum Job {
      /// This rank's files.
      case write
      /// On rank 0: the manifest, the name, `latest`, and what is no longer kept.
      case complete
    }

    let folder: CheckpointFolder
    let keep: Int
    let rank: Int
    let ranks: Int
    /// Steps of checkpoints of an earlier run in this folder.
    var foreign: Set<Int> = []
    var job = Job.write
    var copy: CheckpointCopy?
    var step = 0
    var failure: (any Error)?

    init(_ folder: CheckpointFolder, keep: Int, rank: Int, ranks: Int) {
      self.folder = folder
      self.keep = keep
      self.rank = rank
      self.ranks = ranks
    }

    func perform() {
      do {
        let directory = folder.partial(step: step)
        switch job {
        case .write:
          guard let copy else { return }
          try folder.begin(step: step)
          let files = try copy.write(to: directory)
          try CheckpointManifest(step: step, files: files).writePart(to: directory, rank: rank)
        case .complete:
          _ = try CheckpointManifest.join(partsOf: ranks, in: directory)
          try folder.complete(step: step, keep: keep, foreign: foreign)
          foreign = []
        }
      } catch {
        failure = error
      }
    }
  }

  /// A checkpoint that is whole.
  package struct Written {
    package var path: String
    package var step: Int
    /// That the steps of rank 0 were held up for.
    package var pauseSeconds: Double
    /// From the copy to the end.
    package var seconds: Double
  }

  private let work: Work
  private let task: BackgroundTask
  private let phase: Phase
  /// Whether a checkpoint is begun and the ranks don't know yet that all have written. The same on
  /// all ranks.
  private var isOutstanding = false
  /// On rank 0, whether its thread completes a checkpoint.
  private var isCompleting = false
  private var began = 0
  private var lastPause = 0
  /// On rank 0, of the last checkpoint, until somebody has taken it.
  private var written: Written?
  /// Checkpoints begun, and what the steps of this rank were held up for.
  package private(set) var count = 0
  package private(set) var nanosecondsHeldUp = 0

  /// - Parameters:
  ///   - keep: checkpoints that are kept.
  ///   - phase: how ranks agree on a failure.
  package init(
    _ trainer: Trainer, to folder: CheckpointFolder, keep: Int, phase: @escaping Phase
  ) {
    let world = trainer.world
    work = Work(folder, keep: keep, rank: world.rank, ranks: world.size)
    task = BackgroundTask { [work] in work.perform() }
    self.phase = phase
  }

  /// Removes what an earlier job has left half-written. Before the first `begin`. Collective.
  /// - Parameter isResumed: the checkpoints in the folder are this run's.
  package func prepare(isResumed: Bool) throws {
    try phase {
      guard work.rank == 0 else { return }
      try work.folder.clear()
      work.foreign = isResumed ? [] : Set(try work.folder.steps())
    }
  }

  /// Whether this rank still writes, or its write came to nothing: for the ranks to agree on.
  var status: (isWriting: Bool, hasFailed: Bool) {
    let isDone = task.isDone
    return (isOutstanding && !isDone, isDone && work.failure != nil)
  }

  /// Begins a checkpoint of the trainer's state, after the one before if that is not written yet.
  /// Collective.
  /// - Throws: what `phase` throws for the failure of an earlier one; `latest` is then as before.
  package func begin(_ trainer: Trainer) throws {
    let start = ActivityClock.now()
    try settle()
    task.wait()
    note()
    let copy = work.copy ?? CheckpointCopy(trainer)
    try trainer.optimizer.withMasters { copy.take(trainer) }
    isOutstanding = true
    began = start
    count += 1
    // A completion that failed is told with the next step.
    if work.failure == nil {
      work.copy = copy
      work.step = trainer.stepsDone
      work.job = .write
      task.start()
    }
    lastPause = ActivityClock.now() - start
    nanosecondsHeldUp += lastPause
  }

  /// Goes on with what the ranks learnt in a step: completes a checkpoint that all have written.
  /// Collective only if one has failed.
  /// - Throws: what `phase` throws for the failure on any rank.
  package func proceed(isAnyWriting: Bool, hasAnyFailed: Bool) throws {
    if hasAnyFailed { try fail() }
    if isOutstanding && !isAnyWriting { completeOnFirst() }
    if task.isDone { note() }
  }

  /// Waits until everything that was begun is complete. Collective.
  package func finish() throws {
    try settle()
    task.wait()
    try agree()
    note()
  }

  /// On rank 0, the checkpoint that has become whole since the last call.
  package func takeWritten() -> Written? {
    defer { written = nil }
    return written
  }

  // MARK: Parts

  /// Waits for all ranks' writing. Collective if there is any.
  private func settle() throws {
    guard isOutstanding else { return }
    task.wait()
    try agree()
    completeOnFirst()
  }

  private func completeOnFirst() {
    isOutstanding = false
    task.wait()
    guard work.rank == 0 else { return }
    work.job = .complete
    isCompleting = true
    task.start()
  }

  /// On rank 0, with its thread at rest: remembers what it has completed.
  private func note() {
    guard isCompleting else { return }
    isCompleting = false
    guard work.failure == nil else { return }
    written = Written(
      path: work.folder.checkpoint(step: work.step), step: work.step,
      pauseSeconds: Double(lastPause) / 1e9,
      seconds: Double(ActivityClock.now() - began) / 1e9)
  }

  private func agree() throws {
    do {
      try phase { if let failure = work.failure { throw failure } }
    } catch {
      // What could not be written whole is of no use, and may be why the disk is full.
      if work.rank == 0 { try? work.folder.giveUp(step: work.step) }
      throw error
    }
  }

  private func fail() throws {
    task.wait()
    try agree()
  }
}
