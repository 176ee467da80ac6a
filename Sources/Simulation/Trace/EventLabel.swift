// What traces and pictures call an event: its operations by name, and a kind that they colour.

package import Workload

/// What traces and pictures tell apart.
package enum EventKind: String, Hashable, Sendable, CaseIterable {
  case forward
  /// Both halves of a backward without a wait between.
  case backward
  case input
  case weight
  case optimizer
  case dispatch
  case combine
  case send
  case collective
}

/// An event in words.
package struct EventLabel: Hashable, Sendable {
  /// "attention F layer 3 mb 7"; several operations joined by " + ".
  package var name: String
  package var kind: EventKind
  /// The first of its operations, which the details are taken from.
  package var operation: Operation
  /// How many there are.
  package var operations: Int
  /// The schedule's action that it belongs to, nil behind the last.
  package var action: ActionClass?

  /// More names than this are cut to the first and the last.
  private static let mostNames = 4

  /// The event of some operations of a program.
  ///
  /// - Parameter range: of the event; only those of its stream count.
  package init(_ range: Range<Int>, stream: Stream, of program: Program) {
    let operations = program.operations[range].filter { $0.stream == stream }
    precondition(!operations.isEmpty, "an event has an operation")
    operation = operations[0]
    self.operations = operations.count
    action = operation.action >= 0 ? program.actions[Int(operation.action)] : nil
    name = Self.name(operations)
    kind = Self.kind(operations)
  }

  /// The kind alone, without the cost of a name.
  static func kind(_ range: Range<Int>, stream: Stream, of program: Program) -> EventKind {
    kind(program.operations[range].filter { $0.stream == stream })
  }

  private static func kind(_ operations: [Operation]) -> EventKind {
    switch operations[0].kind {
    case .dispatch: return .dispatch
    case .combine: return .combine
    case .send, .receive: return .send
    case .reduceScatter, .allReduce, .allGather: return .collective
    case .optimizer: return .optimizer
    default: break
    }
    let passes = Set(operations.map(\.pass))
    if passes.contains(.input), passes.contains(.weight) { return .backward }
    switch operations[0].pass {
    case .forward: return .forward
    case .input: return .input
    case .weight: return .weight
    case .update: return .optimizer
    }
  }

  private static func name(_ operations: [Operation]) -> String {
    var parts: [String] = []
    for (index, operation) in operations.enumerated() {
      let place = operation.place
      let isLast = index + 1 == operations.count || operations[index + 1].place != place
      parts.append(operation.shortName + (isLast ? place : ""))
    }
    if parts.count <= mostNames { return parts.joined(separator: " + ") }
    let first = operations[0].shortName + operations[0].place
    return "\(first) + \(parts.count - 2) more + \(parts[parts.count - 1])"
  }
}

extension Operation {
  /// "attention F", "send F", "all-gather".
  var shortName: String { pass.letter.isEmpty ? kind.name : "\(kind.name) \(pass.letter)" }

  /// " layer 3 mb 7" as far as it has them.
  fileprivate var place: String {
    switch kind {
    case .send: " mb \(microbatch) to pipeline \(peer)"
    case .receive: " mb \(microbatch) from pipeline \(peer)"
    case .allReduce: ""
    case .reduceScatter, .allGather, .optimizer: " group \(tokens)"
    default: (layer >= 0 ? " layer \(layer)" : "") + (microbatch >= 0 ? " mb \(microbatch)" : "")
    }
  }
}

extension Pass {
  /// As the schedules write it.
  var letter: String {
    switch self {
    case .forward: "F"
    case .input: "I"
    case .weight: "W"
    case .update: ""
    }
  }
}

extension OperationKind {
  /// In words.
  var name: String {
    switch self {
    case .embedding: "embedding"
    case .attention: "attention"
    case .router: "router"
    case .denseFeedForward: "dense FFN"
    case .sharedExperts: "shared experts"
    case .routedExperts: "routed experts"
    case .mtpJoin: "MTP join"
    case .head: "head"
    case .optimizer: "optimizer"
    case .dispatch: "dispatch"
    case .combine: "combine"
    case .send: "send"
    case .receive: "receive"
    case .reduceScatter: "reduce-scatter"
    case .allReduce: "all-reduce"
    case .allGather: "all-gather"
    }
  }
}

extension Stream {
  /// As a trace names its thread.
  var name: String {
    switch self {
    case .compute: "compute"
    case .exchange: "expert exchange"
    case .pipeline: "pipeline"
    case .collective: "collective"
    }
  }
}

extension ActionClass {
  var name: String {
    switch self {
    case .forward: "forward"
    case .backward: "backward"
    case .input: "input gradient"
    case .weight: "weight gradient"
    case .overlapped: "overlapped pair"
    }
  }
}
