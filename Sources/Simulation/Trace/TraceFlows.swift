// Arrows of a trace: from a message to the compute that waits for it on the other rank, and from a
// dispatch or combine to the compute that waits for its rows. Numbered so that both ends know the
// number from the workload alone, and nothing is kept while a trace is written.

internal import ModelSpec
internal import Workload

/// Who waits for what in a step.
struct TraceFlows {
  private struct Ends {
    /// By operation: whether an arrow begins there.
    var isAwaited: [Bool]
    /// By operation: the transfers that it is the first to wait for.
    var awaits: [[Int]]
    /// The receives, by message.
    var receives: [MessageKey: Int] = [:]
  }

  private let layout: Layout
  private let programs: [Program]
  private let ends: [Ends]
  private let traced: [Bool]
  /// Most arrows that end at one event.
  let mostEndings: Int

  init(_ workload: Workload, tracedRanks: Set<Int>) {
    layout = workload.layout
    programs = workload.programs
    let ends = workload.programs.map(Self.ends)
    self.ends = ends
    mostEndings = ends.flatMap(\.awaits).map(\.count).max() ?? 0
    traced = (0..<layout.worldSize).map(tracedRanks.contains)
  }

  private static func ends(_ program: Program) -> Ends {
    let count = program.operations.count
    var ends = Ends(
      isAwaited: Array(repeating: false, count: count),
      awaits: Array(repeating: [], count: count))
    for (number, operation) in program.operations.enumerated() {
      if operation.kind == .receive { ends.receives[MessageKey(operation)] = number }
      guard operation.stream == .compute else { continue }
      for awaited in operation.after.numbers where !ends.isAwaited[awaited] {
        guard order(of: program.operations[awaited]) != nil else { continue }
        ends.isAwaited[awaited] = true
        ends.awaits[number].append(awaited)
      }
    }
    // Of transfers that come in order a compute names but the last: it waits for the others too.
    var unnamed: [Int32: [Int]] = [:]
    for (number, operation) in program.operations.enumerated() {
      if !ends.isAwaited[number], let order = order(of: operation) {
        unnamed[order, default: []].append(number)
      }
      for awaited in ends.awaits[number] {
        guard let order = order(of: program.operations[awaited]) else { continue }
        for earlier in unnamed[order] ?? [] where earlier < awaited {
          ends.isAwaited[earlier] = true
          ends.awaits[number].append(earlier)
        }
        unnamed[order]?.removeAll { $0 < awaited }
      }
    }
    return ends
  }

  /// Transfers of a rank with the same of these end in the order of their numbers: by sender, or
  /// all exchanges. Nil for what no arrow begins at.
  private static func order(of operation: Operation) -> Int32? {
    switch operation.kind {
    case .receive: operation.peer
    case .dispatch, .combine: -1
    default: nil
    }
  }

  /// Number of the arrow that an event begins, nil for none.
  func beginning(at event: TimelineEvent) -> UInt64? {
    let pipeline = layout.pipelineRank(of: event.worldRank)
    let number = event.operations.lowerBound
    switch event.stream {
    case .exchange:
      return ends[pipeline].isAwaited[number] ? Self.number(event.worldRank, number) : nil
    case .pipeline:
      let operation = programs[pipeline].operations[number]
      let peer = Int(operation.peer)
      let target = layout.worldRank(pipeline: peer, data: layout.dataRank(of: event.worldRank))
      guard traced[target], let receive = ends[peer].receives[MessageKey(operation)],
        ends[peer].isAwaited[receive]
      else { return nil }
      return Self.number(target, receive)
    case .compute, .collective: return nil
    }
  }

  /// Calls `body` with the number of each arrow that an event ends.
  func forEachEnding(at event: TimelineEvent, _ body: (UInt64) -> Void) {
    guard event.stream == .compute else { return }
    let pipeline = layout.pipelineRank(of: event.worldRank)
    for awaited in ends[pipeline].awaits[event.operations.lowerBound] {
      let operation = programs[pipeline].operations[awaited]
      if operation.kind == .receive {
        let data = layout.dataRank(of: event.worldRank)
        let source = layout.worldRank(pipeline: Int(operation.peer), data: data)
        guard traced[source] else { continue }
      }
      body(Self.number(event.worldRank, awaited))
    }
  }

  /// 0 is no number.
  private static func number(_ rank: Int, _ operation: Int) -> UInt64 {
    UInt64(rank) << 32 | UInt64(operation + 1)
  }
}
