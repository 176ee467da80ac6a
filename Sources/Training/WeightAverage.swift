// The running mean of the weights (report section 3.2.3): FP32, in the host's memory, of the own
// shard only, and brought up to date by a thread of its own while the next step's passes run.
// It foretells how good the model will be after the learning rate has decayed.

internal import Glibc
package import Kernels

/// The exponentially weighted mean of the weights after each update, of one rank's shards.
///
/// With n = 1 + decay + decay² + … (a term for each update) the mean moves by 1/n of the way to
/// the new weights. That is decay · mean + (1 − decay) · weights, with the start's bias taken out
/// as Adam does: the first weights, before any update, have no part in it, and it is an average
/// from the first update on.
///
/// No copy is made: the thread reads the master weights of the own shard, which change in
/// `GroupOptimizer.update`, at a restore and in `exchange()` only, each after `finish()`. (An
/// all-gather and a checkpoint only read them.) So every update is in the mean in its turn, never
/// more than one is outstanding, and the bits don't depend on when the thread runs.
package final class WeightAverage {
  /// What the thread works on, its own between `start` and `finish`.
  private final class Work {
    typealias Part = (
      mean: UnsafeMutablePointer<Float>, weights: UnsafePointer<Float>, count: Int
    )
    var parts: [Part] = []
    /// How far the mean moves to the weights.
    var share: Float = 1
    var processorNanoseconds = 0

    func perform() {
      let start = Self.now()
      for part in parts { Self.move(part, by: share) }
      processorNanoseconds += Self.now() - start
    }

    private static func move(_ part: Part, by share: Float) {
      typealias Lanes = SIMD16<Float>
      let mean = UnsafeMutableRawPointer(part.mean)
      let weights = UnsafeRawPointer(part.weights)
      let whole = part.count / Lanes.scalarCount * Lanes.scalarCount
      for i in stride(from: 0, to: whole, by: Lanes.scalarCount) {
        let old = mean.loadUnaligned(fromByteOffset: i * 4, as: Lanes.self)
        let new = weights.loadUnaligned(fromByteOffset: i * 4, as: Lanes.self)
        mean.storeBytes(of: old + (new - old) * share, toByteOffset: i * 4, as: Lanes.self)
      }
      for i in whole..<part.count {
        part.mean[i] += (part.weights[i] - part.mean[i]) * share
      }
    }

    /// Nanoseconds that this thread had a processor.
    private static func now() -> Int {
      var time = timespec()
      clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
      return time.tv_sec * 1_000_000_000 + time.tv_nsec
    }
  }

  package let decay: Double
  /// The n above: 0 before the first update, towards 1 / (1 − decay) later.
  package private(set) var effectiveUpdates = 0.0
  /// What the step's path was held up by: waking the thread and waiting for it.
  package private(set) var nanosecondsHeldUp = 0
  private let groups: [GroupOptimizer]
  /// By group, the mean of the own shard, [1, own]; zeros before the first update.
  private let means: [Tensor]
  private let work = Work()
  private let thread: BackgroundTask

  /// - Parameter decay: share that the mean keeps of itself, above 0 and below 1.
  package init(_ groups: [GroupOptimizer], decay: Double) {
    precondition(decay > 0 && decay < 1, "a mean keeps a share of itself")
    self.groups = groups
    self.decay = decay
    means = groups.map { .zeros(1, $0.own.count, for: .host) }
    thread = BackgroundTask { [work] in work.perform() }
  }

  // The thread's memory goes after the thread has come to rest.
  deinit { thread.wait() }

  /// Starts to take the weights as they are now into the mean. They must not change, nor the
  /// groups' shards move, until `finish()`.
  package func start() {
    finish()
    let start = ActivityClock.now()
    effectiveUpdates = effectiveUpdates * decay + 1
    work.share = Float(1 / effectiveUpdates)
    work.parts.removeAll(keepingCapacity: true)
    for (group, mean) in zip(groups, means) {
      guard let weights = group.masters.baseAddress else { continue }
      work.parts.append((mean.base, UnsafePointer(weights), mean.count))
    }
    thread.start()
    nanosecondsHeldUp += ActivityClock.now() - start
  }

  /// Waits until the mean is up to date.
  package func finish() {
    guard thread.isRunning else { return }
    let start = ActivityClock.now()
    thread.wait()
    nanosecondsHeldUp += ActivityClock.now() - start
  }

  /// The mean of a group's own shard, [1, own], up to date.
  package func mean(group number: Int) -> Tensor {
    finish()
    return means[number]
  }

  /// Processor time of the thread so far.
  package var processorSeconds: Double {
    finish()
    return Double(work.processorNanoseconds) / 1e9
  }

  /// Goes on from means that were read into `mean(group:)`; 0 updates begin anew.
  func restore(effectiveUpdates: Double) {
    finish()
    self.effectiveUpdates = effectiveUpdates
    if effectiveUpdates == 0 { for mean in means { mean.fill(0) } }
  }

  /// Makes the own shards' weights the mean and the mean the weights; twice changes nothing.
  func exchange() {
    finish()
    for (group, mean) in zip(groups, means) {
      let weights = group.masters
      for i in 0..<mean.count { swap(&weights[i], &mean.base[i]) }
    }
  }
}

extension Trainer {
  /// `heldOutLoss` with the mean of the weights in their place; they are then what they were, to
  /// the bit. nil without a mean or held-out text. Collective.
  package func heldOutLossOfAverage(limit: Int = 2048) throws -> Double? {
    guard let average, average.effectiveUpdates > 0 else { return nil }
    try exchangeWeights(with: average)
    let loss = try heldOutLoss(limit: limit)
    try exchangeWeights(with: average)
    return loss
  }

  private func exchangeWeights(with average: WeightAverage) throws {
    average.exchange()
    for group in optimizer.groups { try group.gatherParameters() }
  }
}
