// Whether a workload that was read makes sense: everything that a simulation relies on. Errors name
// the pipeline rank and the operation.

internal import ModelSpec

/// One check of one workload.
struct WorkloadCheck {
  let workload: Workload
  /// Stages that operations may name.
  let stages: Int
  let source: String

  init(_ workload: Workload, stages: Int, source: String) {
    self.workload = workload
    self.stages = stages
    self.source = source
  }

  /// Throws `WorkloadError` for the first thing that is wrong.
  func run() throws(WorkloadError) {
    for rank in workload.programs.indices { try checkGroups(ofRank: rank) }
    for rank in workload.programs.indices {
      let program = workload.programs[rank]
      for (number, operation) in program.operations.enumerated() {
        if let problem = problem(of: operation, number: number, in: program, rank: rank) {
          throw error(rank, number, operation, problem)
        }
      }
    }
    try checkMessages()
    try checkCollectives()
    try checkExchanges()
    try RowsCheck(workload, source: source).run()
  }

  func error(
    _ rank: Int, _ number: Int, _ operation: Operation, _ message: String
  ) -> WorkloadError {
    WorkloadError(
      .badData, source: source,
      place: "pipeline rank \(rank), operation \(number), \(operation.kind)", message: message)
  }

  private func error(_ rank: Int, _ message: String) -> WorkloadError {
    WorkloadError(.badData, source: source, place: "pipeline rank \(rank)", message: message)
  }

  // MARK: Groups

  private func checkGroups(ofRank rank: Int) throws(WorkloadError) {
    let programs = workload.programs
    for (index, group) in programs[rank].groups.enumerated() {
      let name = "parameter group \(index)"
      let ranks = group.pipelineRanks
      guard ranks.allSatisfy(programs.indices.contains), ranks.contains(rank),
        zip(ranks, ranks.dropFirst()).allSatisfy({ $0 < $1 })
      else {
        throw error(
          rank,
          "\(name) is held by \(ranks); pipeline ranks 0 to \(programs.count - 1) in ascending "
            + "order, this one among them, are needed")
      }
      guard group.elements > 0 else {
        throw error(rank, "\(name) has \(group.elements) weights; at least 1 is needed")
      }
      guard programs[rank].groups.firstIndex(where: { $0.hasHolders(of: group) }) == index else {
        throw error(rank, "\(name) has the holders of another; they make one group")
      }
      for other in ranks where !programs[other].groups.contains(group) {
        throw error(
          rank, "\(name) is held by pipeline rank \(other) too, which does not have it so")
      }
    }
  }

  // MARK: Operations one by one

  private func problem(
    of operation: Operation, number: Int, in program: Program, rank: Int
  ) -> String? {
    let after = operation.after
    for other in [after.first, after.second, after.third] where other != -1 {
      guard (0..<number).contains(Int(other)) else {
        return "waits for operation \(other); one before it, or none, is needed"
      }
    }
    guard operation.action >= -1, operation.action < program.actions.count else {
      return "belongs to action \(operation.action) of \(program.actions.count)"
    }
    if operation.stream == .collective || operation.kind == .optimizer {
      guard operation.pass == .update else { return "stands in the pass \(operation.pass)" }
      guard operation.layer == -1, operation.stage == -1, operation.microbatch == -1 else {
        return "names a layer, stage or micro-batch, and belongs to none"
      }
      let groups =
        operation.kind == .allReduce ? max(1, program.groups.count) : program.groups.count
      guard (0..<groups).contains(Int(operation.tokens)) else {
        return "is about parameter group \(operation.tokens) of \(groups)"
      }
    } else if let problem = problemOfCell(operation) {
      return problem
    }
    let isMessage = operation.stream == .pipeline
    guard isMessage || operation.peer == -1 else { return "has a peer, \(operation.peer)" }
    guard !isMessage || workload.programs.indices.contains(Int(operation.peer)),
      Int(operation.peer) != rank
    else {
      return "has the peer \(operation.peer); another pipeline rank from 0 to "
        + "\(workload.programs.count - 1) is needed"
    }
    return nil
  }

  /// Of an operation of a micro-batch in a stage.
  private func problemOfCell(_ operation: Operation) -> String? {
    let shape = workload.shape
    let isCompute = operation.stream == .compute
    guard operation.pass != .update, isCompute || operation.pass != .weight else {
      return "stands in the pass \(operation.pass)"
    }
    guard (0..<stages).contains(Int(operation.stage)) else {
      return "is of stage \(operation.stage) of \(stages)"
    }
    guard (0..<shape.microbatches).contains(Int(operation.microbatch)) else {
      return "is of micro-batch \(operation.microbatch) of \(shape.microbatches)"
    }
    let layers = shape.layers + shape.mtpDepth
    let hasLayer = operation.kind != .embedding && operation.stream != .pipeline
    guard hasLayer ? (0..<layers).contains(Int(operation.layer)) : operation.layer == -1 else {
      return hasLayer
        ? "is of layer \(operation.layer) of \(layers)" : "names layer \(operation.layer)"
    }
    guard (0...shape.tokens).contains(Int(operation.tokens)) else {
      return "has \(operation.tokens) tokens where a micro-batch has \(shape.tokens)"
    }
    return nil
  }
}

extension ParameterGroup {
  fileprivate func hasHolders(of other: ParameterGroup) -> Bool {
    pipelineRanks == other.pipelineRanks && sameExpertPlace == other.sameExpertPlace
  }
}
