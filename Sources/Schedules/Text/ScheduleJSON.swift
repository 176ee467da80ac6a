// A schedule as JSON, in terms of each rank's own chunks and of micro-batches counted in each pipe:
// the form in which reference schedules are exchanged (docs/commands.md, "schedule export").

/// Writer of the JSON form.
package enum ScheduleJSON {
  /// The compute actions: `schedule`, `pp`, `chunks`, `stages`, `microbatches_per_pipe`,
  /// `chunks_per_rank`, `pipe_of_chunk`, `stage_of` and `ranks`, a line for each rank.
  package static func text(of schedule: Schedule) -> String {
    let writer = ScheduleJSONWriter(schedule)
    return writer.document([("ranks", writer.ranks(schedule.actions))])
  }

  /// The same with `ranks_with_comm`, where sends and receives that follow each other are a
  /// `COMM`: posted together, waited for at once.
  package static func text(of plan: SchedulePlan) -> String {
    let writer = ScheduleJSONWriter(plan.schedule, plan)
    return writer.document([
      ("ranks", writer.ranks(plan.schedule.actions)),
      ("ranks_with_comm", writer.ranks(plan.actions)),
    ])
  }
}

private struct ScheduleJSONWriter {
  let schedule: Schedule
  let plan: SchedulePlan?
  let local: LocalChunks

  init(_ schedule: Schedule, _ plan: SchedulePlan? = nil) {
    self.schedule = schedule
    self.plan = plan
    local = LocalChunks(of: schedule)
  }

  func document(_ lists: [(String, String)]) -> String {
    let perPipe = local.pipes.map(\.microbatches.count)
    let members = [
      ("schedule", quoted(schedule.name)), ("pp", "\(schedule.ranks)"),
      ("chunks", "\(schedule.microbatches)"), ("stages", "\(schedule.stages)"),
      ("microbatches_per_pipe", single(perPipe.map { "\($0)" })),
      ("chunks_per_rank", single(local.chunks.map { "\($0.count)" })),
      ("pipe_of_chunk", single(local.chunks.map { "\($0.map(\.pipe))" })),
      ("stage_of", list(local.chunks.map { "\($0.map(\.stage))" })),
    ]
    return "{\n"
      + (members + lists).map { " \(quoted($0)): \($1)" }.joined(separator: ",\n")
      + "\n}\n"
  }

  func ranks(_ actions: [[Action]]) -> String {
    let lines = actions.enumerated().map { rank, actions in
      "  " + list(operations(actions, rank))
    }
    return "[\n" + lines.joined(separator: ",\n") + "\n ]"
  }

  private func operations(_ actions: [Action], _ rank: Int) -> [String] {
    var operations: [String] = []
    var batch: [String] = []
    for action in actions {
      if action.isCommunication {
        batch.append(operation(action, rank))
        continue
      }
      if !batch.isEmpty { operations.append(communication(batch)) }
      batch = []
      operations.append(operation(action, rank))
    }
    if !batch.isEmpty { operations.append(communication(batch)) }
    return operations
  }

  private func communication(_ batch: [String]) -> String {
    "{\"op\":\"COMM\",\"batch\":\(list(batch))}"
  }

  private func operation(_ action: Action, _ rank: Int) -> String {
    func one(_ kind: String, _ cell: Cell) -> String {
      let peer = plan?.peer(of: action, onRank: rank).map { ",\"peer\":\($0)" } ?? ""
      return "{\"op\":\"\(kind)\",\(place(cell, rank))\(peer)}"
    }
    return switch action {
    case .forward(let cell): one("F", cell)
    case .backward(let cell): one("B", cell)
    case .backwardInput(let cell): one("I", cell)
    case .backwardWeight(let cell): one("W", cell)
    case .overlapped(let ahead, let back):
      "{\"op\":\"OVERLAP_FB\",\"f\":{\(place(ahead, rank))},\"b\":{\(place(back, rank))}}"
    case .sendForward(let cell): one("SEND_F", cell)
    case .receiveForward(let cell): one("RECV_F", cell)
    case .sendBackward(let cell): one("SEND_B", cell)
    case .receiveBackward(let cell): one("RECV_B", cell)
    }
  }

  private func place(_ cell: Cell, _ rank: Int) -> String {
    let (chunk, microbatch) = local.place(of: cell, onRank: rank)
    return "\"chunk\":\(chunk),\"mb\":\(microbatch),\"stage\":\(cell.stage)"
  }

  /// The value that all have in common, or the list of them.
  private func single(_ values: [String]) -> String {
    guard let first = values.first, values.allSatisfy({ $0 == first }) else { return list(values) }
    return first
  }

  private func list(_ values: [String]) -> String {
    "[" + values.joined(separator: ", ") + "]"
  }

  private func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"", "\\": result += "\\\(scalar)"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
