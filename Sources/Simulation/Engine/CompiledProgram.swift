// A program in the form the engine runs: streams of steps with positions instead of operation
// numbers, and neighbouring compute operations that nothing looks between joined into segments.

internal import ModelSpec
internal import Workload

/// Something a step waits for: a position on a stream of the same rank that must be done, or a
/// message that must have arrived.
struct Wait {
  /// `Stream.rawValue`, or `Wait.message`.
  var stream: UInt8
  /// Position on the stream; the message's ordinal.
  var position: Int32

  static let message: UInt8 = 4
  static let none = Wait(stream: .max, position: -1)
}

/// One to three waits, in the order of the operation's dependencies.
struct Waits {
  var first = Wait.none
  var second = Wait.none
  var third = Wait.none

  /// - Parameter places: where each operation of the rank is found done.
  init(_ after: Dependencies, places: [Wait]) {
    if after.first >= 0 { first = places[Int(after.first)] }
    if after.second >= 0 { second = places[Int(after.second)] }
    if after.third >= 0 { third = places[Int(after.third)] }
  }

  /// The last position on the exchange stream that is waited for; −1 for none.
  var lastExchange: Int32 {
    let exchange = Stream.exchange.rawValue
    var last: Int32 = -1
    if first.stream == exchange { last = first.position }
    if second.stream == exchange { last = max(last, second.position) }
    if third.stream == exchange { last = max(last, third.position) }
    return last
  }
}

/// A run of compute operations.
struct Segment {
  var waits: Waits
  /// Time of the operations whose cost is the same on every rank.
  var fixed: ComputeTime
  /// Its routed-expert operations, as a range of the program's `routed`.
  var routed: Range<Int32>
  /// Its compute operations, as a range of the program's `pieces`.
  var pieces: Range<Int32>
  /// Numbers of its operations.
  var operations: Range<Int32>
  var action: ActionClass?
}

/// One operation of a segment: its time where that is the same on every rank, or which of the
/// program's `routed` it is.
struct SegmentPiece {
  var fixed = ComputeTime.zero
  var routed: Int32 = -1
}

/// A routed-expert operation of a segment.
struct RoutedStep {
  var operation: Operation
  var overlapped: Bool
  /// Which rows it works on; −1 where nothing is exchanged.
  var cell: Int32
}

struct ExchangeStep {
  var waits: Waits
  var operation: Operation
  var action: ActionClass?
  /// Number of the (layer, micro-batch) among the program's.
  var cell: Int32
  var number: Int32
  /// The rows of the cell become known with its first exchange.
  var isFirst: Bool
}

struct SendStep {
  var waits: Waits
  var operation: Operation
  var number: Int32
  /// The message's ordinal at the receiver.
  var ordinal: Int32
}

struct CollectiveStep {
  var waits: Waits
  var operation: Operation
  var number: Int32
}

/// One pipeline rank's step, compiled.
struct CompiledProgram {
  var segments: [Segment] = []
  var pieces: [SegmentPiece] = []
  var routed: [RoutedStep] = []
  var exchanges: [ExchangeStep] = []
  var sends: [SendStep] = []
  var collectives: [CollectiveStep] = []
  /// Messages that arrive, and exchanged (layer, micro-batch) cells.
  var messages = 0
  var cells = 0
  var operations: [Operation] = []
  var groups: [ParameterGroup] = []

  /// How many events a rank's timeline has.
  var eventCount: Int { segments.count + exchanges.count + sends.count + collectives.count }
}

/// Identifies a message between two pipeline ranks.
struct MessageKey: Hashable {
  var stage: Int16
  var microbatch: Int32
  var pass: Pass

  init(_ operation: Operation) {
    stage = operation.stage
    microbatch = operation.microbatch
    pass = operation.pass
  }
}
