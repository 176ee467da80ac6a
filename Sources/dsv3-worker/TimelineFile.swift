// timeline.json: what each pipeline rank (its data rank 0) did in the last step that was priced, in
// virtual seconds, an entry for each action of its schedule from its first compute to its last.

import JSON
import ModelSpec
import Schedules
import Simulation
import Units
import Workload

enum TimelineFile {
  /// Whose events the file needs: data rank 0 of each pipeline rank.
  static func tracedRanks(_ layout: Layout) -> Set<Int> {
    Set((0..<layout.pipeline).map { layout.worldRank(pipeline: $0, data: 0) })
  }

  /// The file of a step that was simulated with these ranks traced.
  static func json(step: Int, _ outcome: StepOutcome) -> JSONValue {
    let layout = outcome.workload.layout
    var spans: [Int: [Span]] = [:]
    for event in outcome.timeline.events where event.stream == .compute {
      let program = outcome.workload.programs[layout.pipelineRank(of: event.worldRank)]
      guard let first = program.operations[event.operations].first(where: { $0.stream == .compute })
      else { continue }
      let action = Int(first.action)
      let (start, end) = (event.start.sinceStart.seconds, event.end.sinceStart.seconds)
      if let last = spans[event.worldRank]?.indices.last,
        spans[event.worldRank]?[last].action == action
      {
        spans[event.worldRank]?[last].end = end
      } else {
        spans[event.worldRank, default: []].append(Span(action: action, start: start, end: end))
      }
    }
    let cells = outcome.workload.programs.map(ActionCells.init)
    let ranks = spans.sorted { $0.key < $1.key }.map { rank, spans in
      JSONValue.object([
        "rank": .integer(rank),
        "spans": .array(spans.map { cells[layout.pipelineRank(of: rank)].json($0) }),
      ])
    }
    return .object([
      "step": .integer(step), "step_seconds": .number(outcome.end.sinceStart.seconds),
      "ranks": .array(ranks),
    ])
  }
}

private struct Span {
  /// Of the schedule; −1 behind the last.
  var action: Int
  var start: Double
  var end: Double
}

/// Which cells the actions of a program work on.
private struct ActionCells {
  private let classes: [ActionClass]
  private var forward: [Int: Cell] = [:]
  private var backward: [Int: Cell] = [:]

  init(_ program: Program) {
    classes = program.actions
    for operation in program.operations where operation.stream == .compute {
      guard operation.action >= 0 else { continue }
      let cell = Cell(stage: Int(operation.stage), microbatch: Int(operation.microbatch))
      if operation.pass == .forward {
        forward[Int(operation.action)] = cell
      } else {
        backward[Int(operation.action)] = cell
      }
    }
  }

  func json(_ span: Span) -> JSONValue {
    var members: [String: JSONValue] = ["start": .number(span.start), "end": .number(span.end)]
    func add(_ cell: Cell?, _ members: inout [String: JSONValue]) {
      members["stage"] = cell.map { .integer($0.stage) }
      members["microbatch"] = cell.map { .integer($0.microbatch) }
    }
    guard span.action >= 0 else {
      members["kind"] = .string("optimizer")
      return .object(members)
    }
    let kind = classes[span.action]
    members["kind"] = .string(Self.letter(kind))
    add(
      kind == .forward || kind == .overlapped ? forward[span.action] : backward[span.action],
      &members)
    if kind == .overlapped {
      var inner: [String: JSONValue] = [:]
      add(backward[span.action], &inner)
      members["backward"] = .object(inner)
    }
    return .object(members)
  }

  private static func letter(_ kind: ActionClass) -> String {
    switch kind {
    case .forward: "F"
    case .backward: "B"
    case .input: "I"
    case .weight: "W"
    case .overlapped: "FB"
    }
  }
}
