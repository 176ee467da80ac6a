// What operations of a workload need on other ranks: a receive for each send, the collective on
// every holder, rows for each exchange.

internal import ModelSpec

extension WorkloadCheck {
  /// A message from one pipeline rank to another.
  private struct MessageKey: Hashable {
    var sender: Int
    var receiver: Int
    var pass: Pass
    var stage: Int16
    var microbatch: Int32
    var tokens: Int32
  }

  /// Each message is sent once and received once, with as many rows.
  func checkMessages() throws(WorkloadError) {
    var ends: [OperationKind: [MessageKey: (rank: Int, number: Int)]] = [:]
    for (rank, program) in workload.programs.enumerated() {
      for (number, operation) in program.operations.enumerated()
      where operation.stream == .pipeline {
        let peer = Int(operation.peer)
        let isSend = operation.kind == .send
        let key = MessageKey(
          sender: isSend ? rank : peer, receiver: isSend ? peer : rank, pass: operation.pass,
          stage: operation.stage, microbatch: operation.microbatch, tokens: operation.tokens)
        guard ends[operation.kind, default: [:]].updateValue((rank, number), forKey: key) == nil
        else { throw error(rank, number, operation, "is there twice") }
      }
    }
    for (kind, other) in [(OperationKind.send, OperationKind.receive), (.receive, .send)] {
      let single = (ends[kind] ?? [:]).filter { ends[other]?[$0.key] == nil }.values
      guard let first = single.min(by: { ($0.rank, $0.number) < ($1.rank, $1.number) }) else {
        continue
      }
      let operation = workload.programs[first.rank].operations[first.number]
      throw error(
        first.rank, first.number, operation,
        "has no \(other) on pipeline rank \(operation.peer) for micro-batch "
          + "\(operation.microbatch) of stage \(operation.stage), \(operation.tokens) rows")
    }
  }

  /// All holders of a group take part in its collectives, and all ranks in those of all.
  func checkCollectives() throws(WorkloadError) {
    let programs = workload.programs
    let counts = programs.map { program in
      var counts: [OperationKind: [ParameterGroup?: Int]] = [:]
      for operation in program.operations where operation.stream == .collective {
        let group = operation.kind == .allReduce ? nil : program.groups[Int(operation.tokens)]
        counts[operation.kind, default: [:]][group, default: 0] += 1
      }
      return counts
    }
    for kind in [OperationKind.reduceScatter, .allGather, .allReduce] {
      for (rank, program) in programs.enumerated() {
        let groups = kind == .allReduce ? [nil] : program.groups.map(Optional.some)
        for group in groups {
          for other in group?.pipelineRanks ?? [0]
          where counts[rank][kind]?[group] != counts[other][kind]?[group] {
            throw WorkloadError(
              .badData, source: source, place: "pipeline rank \(rank)",
              message: "does \(counts[rank][kind]?[group] ?? 0) \(kind) where pipeline rank "
                + "\(other) does \(counts[other][kind]?[group] ?? 0) of the same weights")
          }
        }
      }
    }
  }

  /// Exchanges are where experts are on other ranks, and before the experts' work.
  func checkExchanges() throws(WorkloadError) {
    for (rank, program) in workload.programs.enumerated() {
      var exchanged: Set<[Int32]> = []
      for (number, operation) in program.operations.enumerated() {
        let cell = [Int32(operation.layer), operation.microbatch]
        if operation.stream == .exchange {
          guard workload.routing != .none else {
            throw error(rank, number, operation, "exchanges rows in a step without routing")
          }
          exchanged.insert(cell)
        } else if operation.kind == .routedExperts, workload.routing != .none,
          !exchanged.contains(cell)
        {
          throw error(rank, number, operation, "works on rows that were not exchanged before")
        }
      }
    }
  }
}
