// Where a search may put the stages. The times of a search are those of a rank's share of the
// model, so that placements with one chunk a rank and with two are compared at equal model.

/// Which rank runs which cell.
package enum SearchPlacement: String, CaseIterable, Hashable, Sendable {
  /// Rank r holds stage r of P.
  case plain
  /// Rank r holds stages r and P − 1 − r of P: half of the micro-batches, rounded up, enter at
  /// rank 0, the others at rank P − 1 (Chimera, DualPipe).
  case bidirectional
  /// Rank r holds stages r and 2P − 1 − r of 2P, each half a share (ZB-V, DualPipeV).
  case v
  /// Rank r holds stages r and P + r of 2P, each half a share (interleaved 1F1B).
  case loop

  /// Stages of one pipe.
  func stages(ranks: Int) -> Int {
    switch self {
    case .plain, .bidirectional: ranks
    case .v, .loop: 2 * ranks
    }
  }

  /// The rank of a cell.
  func rank(of cell: Cell, ranks: Int, microbatches: Int) -> Int {
    switch self {
    case .plain: cell.stage
    case .bidirectional:
      cell.microbatch < (microbatches + 1) / 2 ? cell.stage : ranks - 1 - cell.stage
    case .v: cell.stage < ranks ? cell.stage : 2 * ranks - 1 - cell.stage
    case .loop: cell.stage % ranks
    }
  }

  /// Whether `ranks` and `microbatches` give the placement something to place, and `limit` half
  /// shares of activations the room for it: the two chunks of a rank wait for each other, so one
  /// of each must fit.
  func isPossible(ranks: Int, microbatches: Int, limit: Int) -> Bool {
    switch self {
    case .plain: limit >= 2
    case .bidirectional: limit >= 4 && ranks > 1 && microbatches > 1
    case .v, .loop: limit >= 2 && ranks > 1
    }
  }
}

/// Placement, times and memory of one search space, as flat arrays. Times are in halves of the
/// caller's unit, so that half a share has a whole time.
package struct SearchShape: Hashable {
  let ranks: Int
  let stages: Int
  let microbatches: Int
  /// Chunks that make up a rank's share of the model: 1 or 2.
  let chunksPerShare: Int
  /// Most chunks whose activations a rank may hold.
  let limit: Int
  /// By cell, stage × microbatches + microbatch, its rank.
  let holder: [Int32]
  /// By stage, in half units.
  let forward: [Int]
  let input: [Int]
  let weight: [Int]
  /// An overlapped pair; nil for the sum of its parts.
  let overlapped: Int?
  let transfer: Int

  var cells: Int { stages * microbatches }

  /// - Parameters:
  ///   - times: of a share, in the caller's unit, by share.
  ///   - limit: half shares of activations.
  init(
    ranks: Int, stages: Int, microbatches: Int, holder: [Int32], times: ChunkTimes, limit: Int
  ) {
    precondition(stages == ranks || stages == 2 * ranks, "a rank holds a share or two halves")
    let chunks = stages / ranks
    self.ranks = ranks
    self.stages = stages
    self.microbatches = microbatches
    self.holder = holder
    chunksPerShare = chunks
    self.limit = limit * chunks / 2
    let factor = 2 / chunks
    forward = (0..<stages).map { factor * times.forward[$0 / chunks] }
    input = (0..<stages).map { factor * times.input[$0 / chunks] }
    weight = (0..<stages).map { factor * times.weight[$0 / chunks] }
    overlapped = times.overlapped.map { factor * $0 }
    transfer = 2 * times.transfer
  }

  init(
    _ placement: SearchPlacement, ranks: Int, microbatches: Int, times: ChunkTimes, limit: Int
  ) {
    let stages = placement.stages(ranks: ranks)
    var holder: [Int32] = []
    holder.reserveCapacity(stages * microbatches)
    for stage in 0..<stages {
      for microbatch in 0..<microbatches {
        let cell = Cell(stage: stage, microbatch: microbatch)
        holder.append(
          Int32(placement.rank(of: cell, ranks: ranks, microbatches: microbatches)))
      }
    }
    self.init(
      ranks: ranks, stages: stages, microbatches: microbatches, holder: holder, times: times,
      limit: limit)
  }

  /// How long a pair of these stages takes.
  func pairTime(forward ahead: Int, backward back: Int) -> Int {
    overlapped ?? forward[ahead] + input[back] + weight[back]
  }

  /// Whether some pair is faster than its parts.
  var pairsPay: Bool {
    guard let overlapped else { return false }
    let forward = forward.max() ?? 0
    return overlapped < forward + (zip(input, weight).map { $0 + $1 }.max() ?? 0)
  }

  /// The times as an analysis of the schedule takes them, in half units.
  var chunkTimes: ChunkTimes {
    func perStage(_ times: [Int]) -> ChunkTimes.PerStage {
      Set(times).count == 1 ? .uniform(times[0]) : .each(times)
    }
    return ChunkTimes(
      forward: perStage(forward), input: perStage(input), weight: perStage(weight),
      overlapped: overlapped, transfer: transfer)
  }
}

extension SearchPlacement {
  /// The kind of placement that `schedule` has; it need not divide the micro-batches likewise.
  ///
  /// - Precondition: as many stages as ranks, or twice as many.
  init(of schedule: Schedule) {
    if schedule.stages == schedule.ranks {
      let isPlain = (0..<schedule.stages).allSatisfy { schedule.ranks(holding: $0) == [$0] }
      self = isPlain ? .plain : .bidirectional
    } else {
      let turn = schedule.ranks
      let isV = schedule.ranks(holding: turn - 1) == schedule.ranks(holding: turn)
      self = isV ? .v : .loop
    }
  }
}

extension SearchShape {
  /// The shape of a schedule that exists.
  ///
  /// - Parameters:
  ///   - times: of a share, one or one for each of the ranks' shares.
  ///   - limit: half shares of activations.
  /// - Precondition: as many stages as ranks, or twice as many.
  package init(_ schedule: Schedule, times: ChunkTimes, limit: Int) {
    var holder: [Int32] = []
    holder.reserveCapacity(schedule.stages * schedule.microbatches)
    for stage in 0..<schedule.stages {
      for microbatch in 0..<schedule.microbatches {
        holder.append(Int32(schedule.rank(of: Cell(stage: stage, microbatch: microbatch))))
      }
    }
    self.init(
      ranks: schedule.ranks, stages: schedule.stages, microbatches: schedule.microbatches,
      holder: holder, times: times, limit: limit)
  }
}
