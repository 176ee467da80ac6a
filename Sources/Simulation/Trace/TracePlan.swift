// What both trace formats share: which ranks there are, what they are called, and each event's
// label, made once for all data ranks that run the same program.

internal import ModelSpec
internal import Workload

/// The ranks of a trace and the labels of their events.
struct TracePlan<Label> {
  let workload: Workload
  /// World ranks that have events, ascending.
  let ranks: [Int]
  let flows: TraceFlows
  private let make: (EventLabel) -> Label
  /// By program and first operation.
  private var labels: [[Label?]]

  /// - Parameter make: what a format keeps of a label.
  init(_ outcome: StepOutcome, make: @escaping (EventLabel) -> Label) {
    workload = outcome.workload
    ranks = outcome.tracedRanks
    flows = TraceFlows(outcome.workload, tracedRanks: Set(ranks))
    self.make = make
    labels = workload.programs.map { Array(repeating: nil, count: $0.operations.count) }
  }

  mutating func label(of event: TimelineEvent) -> Label {
    let pipeline = workload.layout.pipelineRank(of: event.worldRank)
    if let known = labels[pipeline][event.operations.lowerBound] { return known }
    let label = make(
      EventLabel(event.operations, stream: event.stream, of: workload.programs[pipeline]))
    labels[pipeline][event.operations.lowerBound] = label
    return label
  }
}

extension Layout {
  /// "rank 5: pipeline 1, data 1, node 2"
  func name(of rank: Int) -> String {
    "rank \(rank): pipeline \(pipelineRank(of: rank)), data \(dataRank(of: rank)), "
      + "node \(node(of: rank))"
  }
}

extension StepOutcome {
  /// World ranks that have events, ascending.
  var tracedRanks: [Int] {
    var traced = Array(repeating: false, count: workload.layout.worldSize)
    for event in timeline.events { traced[event.worldRank] = true }
    return traced.indices.filter { traced[$0] }
  }
}

/// Process and thread numbers of a trace. Viewers take process 0 and thread 0 for the idle task,
/// and a thread with its process's number for the main thread; these are neither.
enum TraceNumbers {
  static func process(_ rank: Int) -> Int { rank + 1 }
  static func thread(_ rank: Int, _ stream: Stream) -> Int {
    process(rank) * 10 + Int(stream.rawValue) + 1
  }
}
