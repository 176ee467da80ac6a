// What one rank does in a step, piece by piece, without saying how long anything takes. Kinds are
// logical: the cost model knows their FLOPs and bytes, so that a small run can be charged at the
// shapes of a large model.

/// What an operation does.
package enum OperationKind: UInt8, Hashable, Sendable, CaseIterable {
  // On the compute stream.
  case embedding
  /// Norm, MLA and residual of a layer.
  case attention
  /// The choice of experts, in layers that have them.
  case router
  case denseFeedForward
  case sharedExperts
  case routedExperts
  /// The norms and the projection in front of an MTP block.
  case mtpJoin
  /// Final norm, output head and loss.
  case head
  case optimizer
  // On the exchange stream. In the backward, combine's gradient goes out as a dispatch does, and
  // dispatch's comes back as a combine does.
  case dispatch
  case combine
  // On the pipeline stream.
  case send
  case receive
  // On the collective stream.
  case reduceScatter
  /// A scalar over all ranks: the gradient's norm.
  case allReduce
  case allGather

  package var stream: Stream {
    switch self {
    case .dispatch, .combine: .exchange
    case .send, .receive: .pipeline
    case .reduceScatter, .allReduce, .allGather: .collective
    default: .compute
    }
  }
}

/// Operations of one stream of one rank run one after the other.
package enum Stream: UInt8, Hashable, Sendable, CaseIterable {
  case compute
  case exchange
  case pipeline
  case collective
}

/// Which part of a micro-batch's way an operation belongs to.
package enum Pass: UInt8, Hashable, Sendable, CaseIterable {
  case forward
  /// Gradient of the input.
  case input
  /// Gradients of the weights.
  case weight
  /// Once a step, behind all micro-batches.
  case update
}

/// One operation of one rank. It starts when its stream is free and the operations in `after` are
/// done; what it waits for on other ranks follows from its kind: a receive for its send, an
/// exchange or collective for all ranks of its group.
package struct Operation: Hashable, Sendable {
  package var kind: OperationKind
  package var pass: Pass
  /// Layer, 0-based, MTP blocks behind the main layers; −1 for none.
  package var layer: Int16
  package var stage: Int16
  package var microbatch: Int32
  /// Which action of the rank's schedule it belongs to, counted over compute actions; −1 behind
  /// the last.
  package var action: Int32
  /// Tokens of the micro-batch that pass (rows of a message). For a collective or the optimizer,
  /// the parameter group of the rank.
  package var tokens: Int32
  /// Send and receive: the pipeline rank at the other end, same data rank; −1 otherwise.
  package var peer: Int32
  /// Numbers of earlier operations of the same rank, −1 for none, in ascending order of use.
  package var after: Dependencies

  package init(
    kind: OperationKind, pass: Pass, layer: Int = -1, stage: Int = -1, microbatch: Int = -1,
    action: Int = -1, tokens: Int = 0, peer: Int = -1, after: Dependencies = Dependencies()
  ) {
    self.kind = kind
    self.pass = pass
    self.layer = Int16(layer)
    self.stage = Int16(stage)
    self.microbatch = Int32(microbatch)
    self.action = Int32(action)
    self.tokens = Int32(tokens)
    self.peer = Int32(peer)
    self.after = after
  }

  package var stream: Stream { kind.stream }
}

/// Up to three operations that another one waits for, besides the one before it on its stream.
package struct Dependencies: Hashable, Sendable {
  package var first: Int32 = -1
  package var second: Int32 = -1
  package var third: Int32 = -1

  package init() {}

  package init(_ numbers: [Int]) {
    precondition(numbers.count <= 3, "an operation waits for at most three others")
    for number in numbers { add(number) }
  }

  /// One more, behind the others.
  package mutating func add(_ number: Int) {
    precondition(third < 0, "an operation waits for at most three others")
    if first < 0 {
      first = Int32(number)
    } else if second < 0 {
      second = Int32(number)
    } else {
      third = Int32(number)
    }
  }

  package var isEmpty: Bool { first < 0 }

  /// Without making a list.
  package func forEach(_ body: (Int) -> Void) {
    if first >= 0 { body(Int(first)) }
    if second >= 0 { body(Int(second)) }
    if third >= 0 { body(Int(third)) }
  }

  package var numbers: [Int] { [first, second, third].filter { $0 >= 0 }.map(Int.init) }
}
