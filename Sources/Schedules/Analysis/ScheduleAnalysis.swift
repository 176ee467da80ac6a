// When every action of a schedule would run and what it would hold, for given times. One action at
// a time on a rank, in list order, once its inputs are there (from another rank `transfer` later,
// without contention); a pair starts when both halves can and ends both. Integers, so exact.

/// Times and peaks of one step; arrays are by rank.
package struct ScheduleAnalysis: Hashable, Sendable {
  /// When an action runs.
  package struct Span: Hashable, Sendable {
    package var start: Int
    package var end: Int
  }

  /// By rank, the span of each compute action of the schedule.
  package let spans: [[Span]]
  /// End of the last action.
  package let makespan: Int
  /// Sum of the durations.
  package let busy: [Int]
  /// First start and last end.
  package let start: [Int]
  package let finish: [Int]
  /// Most activations held, from the start of `F` to the end of `B` or `I`.
  package let peakActivations: [Int]
  /// The same where a split backward holds its activation to the end of `W`.
  package let peakActivationsToWeight: [Int]
  /// Most weight gradients pending: `I` done, `W` not.
  package let peakPendingWeights: [Int]

  /// Idle time with all ranks waiting for each other at the end: makespan − busy.
  package var bubble: [Int] { busy.map { makespan - $0 } }

  /// Idle time between the rank's own first start and last end.
  package var bubbleInSpan: [Int] {
    busy.indices.map { finish[$0] - start[$0] - busy[$0] }
  }

  /// Analyses the schedule under `plan`. O(actions) in memory and nearly so in time.
  ///
  /// - Precondition: `times.fit(stages: plan.schedule.stages)`.
  package init(of plan: SchedulePlan, times: ChunkTimes = ChunkTimes()) {
    let schedule = plan.schedule
    precondition(times.fit(stages: schedule.stages), "times are in range, lists by stage")
    var clock = AnalysisClock(schedule: schedule, times: times)
    clock.run()
    spans = clock.spans
    makespan = spans.compactMap { $0.last?.end }.max() ?? 0
    busy = spans.map { $0.reduce(0) { $0 + $1.end - $1.start } }
    start = spans.map { $0.first?.start ?? 0 }
    finish = spans.map { $0.last?.end ?? 0 }
    let peaks = schedule.actions.map { Peaks(of: $0) }
    peakActivations = peaks.map(\.activations.most)
    peakActivationsToWeight = peaks.map(\.activationsToWeight.most)
    peakPendingWeights = peaks.map(\.pendingWeights.most)
  }
}

/// Runs the ranks' clocks.
private struct AnalysisClock {
  let schedule: Schedule
  let times: ChunkTimes
  private(set) var spans: [[ScheduleAnalysis.Span]]
  /// By message tag, when the value exists on its own rank; −1 before that.
  private var made: [Int]

  init(schedule: Schedule, times: ChunkTimes) {
    self.schedule = schedule
    self.times = times
    spans = schedule.actions.map { list in
      var spans: [ScheduleAnalysis.Span] = []
      spans.reserveCapacity(list.count)
      return spans
    }
    made = Array(repeating: -1, count: 2 * schedule.stages * schedule.microbatches)
  }

  mutating func run() {
    var unfinished = Array(0..<schedule.ranks)
    while !unfinished.isEmpty {
      var progressed = false
      for rank in unfinished {
        while spans[rank].count < schedule.actions[rank].count, advance(rank) {
          progressed = true
        }
      }
      precondition(progressed, "a plan is proven to finish")
      unfinished.removeAll { spans[$0].count == schedule.actions[$0].count }
    }
  }

  private mutating func advance(_ rank: Int) -> Bool {
    let action = schedule.actions[rank][spans[rank].count]
    var start = spans[rank].last?.end ?? 0
    for input in schedule.inputs(of: action) {
      let time = made[schedule.tag(of: input)]
      guard time >= 0 else { return false }
      let isLocal = schedule.rank(of: input.source) == rank
      start = max(start, isLocal ? time : time + times.transfer)
    }
    let end = start + times.duration(of: action)
    spans[rank].append(.init(start: start, end: end))
    if let cell = action.forwarded {
      made[schedule.tag(of: Message(payload: .activation, source: cell))] = end
    }
    if let cell = action.backwarded {
      made[schedule.tag(of: Message(payload: .gradient, source: cell))] = end
    }
    return true
  }
}

/// What a rank holds, by the order of its list alone.
private struct Peaks {
  struct Count {
    var now = 0
    var most = 0

    mutating func add(_ change: Int) {
      now += change
      most = max(most, now)
    }
  }

  var activations = Count()
  var activationsToWeight = Count()
  var pendingWeights = Count()

  init(of list: [Action]) {
    for action in list {
      if action.forwarded != nil {
        activations.add(1)
        activationsToWeight.add(1)
      }
      if action.backwarded != nil { activations.add(-1) }
      switch action {
      case .backward, .overlapped: activationsToWeight.add(-1)
      case .backwardInput: pendingWeights.add(1)
      case .backwardWeight:
        activationsToWeight.add(-1)
        pendingWeights.add(-1)
      default: break
      }
    }
  }
}
