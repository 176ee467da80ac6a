// The search for a schedule that is faster than the published ones for given times and memory: the
// question and the answer. How it looks is in SearchContest.swift.

/// A question: what is the fastest step of these ranks, micro-batches, times and memory?
package struct ScheduleSearch: Sendable {
  package let ranks: Int
  package let microbatches: Int
  /// Of a rank's share of the model (a P-th): one for all shares, or one for each in the order of
  /// the model. A chunk of half a share takes half of it; `transfer` is per message, whatever the
  /// chunk.
  package let times: ChunkTimes
  /// Most activations on a rank, in halves of what one micro-batch leaves in a share. Held from
  /// the start of F to the end of B or W.
  package let memory: Int
  package let placements: [SearchPlacement]
  /// The same seed and effort give the same schedule, unless the progress handler stops the search.
  package let seed: UInt64
  /// Actions to evaluate, about.
  package let effort: Int
  /// The published schedules to start from and to be held against.
  let published: [Schedule]

  /// Some seconds on one core.
  package static let standardEffort = 200_000_000

  /// - Parameters:
  ///   - memory: in half shares; nil for 2 (P + 1), what DualPipe holds.
  ///   - published: `published(ranks:microbatches:)`, for who has it already.
  /// - Throws: `ScheduleError` of rule `shape` when there is no step within the memory under any of
  ///   the placements or the times are not one for each share, of rule `size` beyond what can be
  ///   added up.
  package init(
    ranks: Int, microbatches: Int, times: ChunkTimes = ChunkTimes(), memory: Int? = nil,
    placements: [SearchPlacement] = SearchPlacement.allCases, seed: UInt64 = 1,
    effort: Int = ScheduleSearch.standardEffort, published: [Schedule]? = nil
  ) throws(ScheduleError) {
    let limit = Schedule.largestCellCount
    guard (1...limit).contains(ranks), (1...limit).contains(microbatches),
      2 * ranks <= limit / microbatches
    else {
      throw ScheduleError(
        .size,
        "\(ranks) ranks × \(microbatches) micro-batches: a search takes at least 1 of each and "
          + "at most \(limit / 2) cells")
    }
    guard times.fit(stages: ranks) else {
      throw ScheduleError(
        .shape, "times are one for all or one for each of \(ranks) ranks' shares of the model")
    }
    guard
      (times.largest * 8).multipliedReportingOverflow(by: 8 * ranks * ranks * microbatches)
        .overflow == false
    else {
      throw ScheduleError(.size, "the times are too large to add up; choose a larger unit")
    }
    let memory = min(memory ?? 2 * (ranks + 1), 4 * ranks * microbatches)
    let possible = placements.filter {
      $0.isPossible(ranks: ranks, microbatches: microbatches, limit: memory)
    }
    guard !possible.isEmpty else {
      let names = placements.map(\.rawValue).joined(separator: ", ")
      throw ScheduleError(
        .shape,
        "no step of \(ranks) ranks and \(microbatches) micro-batches has placement \(names) and "
          + "at most \(memory) half shares of activations; plain needs 2, v and loop 2 and two "
          + "ranks, bidirectional 4, two ranks and two micro-batches")
    }
    self.ranks = ranks
    self.microbatches = microbatches
    self.times = times
    self.memory = memory
    self.placements = possible
    self.seed = seed
    self.effort = max(1, effort)
    self.published = published ?? Self.published(ranks: ranks, microbatches: microbatches)
  }

  /// The schedules of the catalog that can do the numbers, with a share in one chunk or in two.
  package static func published(ranks: Int, microbatches: Int) -> [Schedule] {
    ScheduleCatalog.names.compactMap { name in
      do throws(ScheduleError) {
        let made = try ScheduleCatalog.make(
          name: name, ranks: ranks, microbatches: microbatches)
        return made.stages == ranks || made.stages == 2 * ranks ? made : nil
      } catch { return nil }
    }
  }

  /// How far a search is.
  package struct Progress: Sendable {
    /// Share of the effort spent, 0...1.
    package var share: Double
    /// In half units; nil before the first schedule.
    package var makespan: Int?
  }

  /// A schedule that was compared.
  package struct Published: Hashable, Sendable {
    package var name: String
    package var placement: SearchPlacement
    /// In half units.
    package var makespan: Int
    /// In half shares.
    package var peak: Int
    /// Whether the peak is within the memory and the placement is one of those asked for.
    package var isEligible: Bool
  }

  /// What was found.
  package struct Result: Sendable {
    package var schedule: Schedule
    /// The schedule with its communication, proven to finish.
    package var plan: SchedulePlan
    package var placement: SearchPlacement
    /// In half units.
    package var makespan: Int
    /// In half shares.
    package var peak: Int
    /// No schedule of the placements asked for is faster, in half units.
    package var bound: Int
    /// The published schedules that can do the shape, fastest first.
    package var published: [Published]
    /// Times of this schedule's chunks, in half units.
    package var chunkTimes: ChunkTimes
    /// Actions evaluated.
    package var effort: Int

    /// The fastest published schedule that was allowed.
    package var bestPublished: Published? { published.first { $0.isEligible } }
  }

  /// Searches. The result is never slower than a published schedule that is within the memory and
  /// of an allowed placement.
  ///
  /// - Parameter progress: told now and then; false ends the search with what it has.
  /// - Throws: `ScheduleError` if what was found broke a rule of schedules, a mistake of the
  ///   search.
  package func run(progress: @escaping (Progress) -> Bool = { _ in true }) throws(ScheduleError)
    -> Result
  {
    var contest = SearchContest(self)
    contest.run(progress)
    return try contest.result()
  }
}

extension ChunkTimes {
  /// The longest of the durations.
  fileprivate var largest: Int {
    func largest(_ times: PerStage) -> Int {
      switch times {
      case .uniform(let time): time
      case .each(let times): times.max() ?? 0
      }
    }
    return max(
      largest(forward), largest(input), largest(weight), overlapped ?? 0, transfer)
  }
}
