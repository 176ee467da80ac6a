// From operations to the engine's streams: positions, segments, message ordinals, prices that are
// the same on every rank.

internal import Workload

/// Compiles one program after the other.
struct ProgramCompiler<Costs: StepCosting> {
  private let programs: [Program]
  private let costs: Costs
  private let routedPairs: Int
  private let hasExchanges: Bool
  /// By program, the ordinals of the messages that it receives.
  private let ordinals: [[MessageKey: Int32]]

  /// - Parameter routedPairs: of a micro-batch where nothing is exchanged.
  init(_ workload: Workload, costs: Costs) {
    programs = workload.programs
    self.costs = costs
    routedPairs = workload.shape.tokens * workload.shape.expertsPerToken
    hasExchanges = workload.routing != .none
    ordinals = workload.programs.map { program in
      var ordinals: [MessageKey: Int32] = [:]
      for operation in program.operations where operation.kind == .receive {
        ordinals[MessageKey(operation)] = Int32(ordinals.count)
      }
      return ordinals
    }
  }

  func compile() -> [CompiledProgram] { programs.indices.map(compile) }

  private func compile(_ index: Int) -> CompiledProgram {
    let program = programs[index]
    var result = CompiledProgram()
    result.operations = program.operations
    result.groups = program.groups
    result.messages = ordinals[index].count
    var cells: [Int64: Int32] = [:]
    let continues = continuations(program)
    let places = placesOnStreams(program, ordinals[index], continues)
    for (number, operation) in program.operations.enumerated() {
      let waits = Waits(operation.after, places: places)
      let cellKey = Int64(operation.layer) << 32 | Int64(operation.microbatch)
      switch operation.stream {
      case .compute:
        let cell = operation.kind == .routedExperts ? cells[cellKey] : nil
        add(
          operation, number, cell: cell ?? -1,
          joins: continues[number], waits, program, to: &result)
      case .exchange:
        let isFirst = cells[cellKey] == nil
        let cell = cells[cellKey] ?? Int32(cells.count)
        cells[cellKey] = cell
        result.exchanges.append(
          ExchangeStep(
            waits: waits, operation: operation, action: program.action(of: operation), cell: cell,
            number: Int32(number), isFirst: isFirst))
      case .pipeline where operation.kind == .send:
        guard let ordinal = ordinals[Int(operation.peer)][MessageKey(operation)] else {
          preconditionFailure("a checked workload receives what is sent")
        }
        result.sends.append(
          SendStep(waits: waits, operation: operation, number: Int32(number), ordinal: ordinal))
      case .pipeline: break
      case .collective:
        result.collectives.append(
          CollectiveStep(waits: waits, operation: operation, number: Int32(number)))
      }
    }
    result.cells = cells.count
    return result
  }

  /// By operation, whether a compute operation continues the segment before it: it waits for
  /// nothing, no transfer looks at the point between, and both belong to one action.
  private func continuations(_ program: Program) -> [Bool] {
    var isAwaited = [Bool](repeating: false, count: program.operations.count)
    for operation in program.operations { operation.after.forEach { isAwaited[$0] = true } }
    var before = -1
    return program.operations.indices.map { number in
      let operation = program.operations[number]
      guard operation.stream == .compute else { return false }
      defer { before = number }
      return before >= 0 && operation.after.isEmpty && operation.pass != .update
        && !isAwaited[before] && program.operations[before].action == operation.action
    }
  }

  private func add(
    _ operation: Operation, _ number: Int, cell: Int32, joins: Bool, _ waits: Waits,
    _ program: Program, to result: inout CompiledProgram
  ) {
    let action = program.action(of: operation)
    if !joins {
      let (routed, pieces) = (Int32(result.routed.count), Int32(result.pieces.count))
      result.segments.append(
        Segment(
          waits: waits, fixed: .zero, routed: routed..<routed, pieces: pieces..<pieces,
          operations: Int32(number)..<Int32(number), action: action))
    }
    var segment = result.segments.removeLast()
    var piece = SegmentPiece()
    let overlapped = action == .overlapped
    if operation.kind == .optimizer {
      piece.fixed = costs.optimizer(program.groups[Int(operation.tokens)])
    } else if operation.kind == .routedExperts, hasExchanges {
      precondition(cell >= 0, "routed experts work on what was dispatched")
      piece.routed = Int32(result.routed.count)
      result.routed.append(
        RoutedStep(operation: operation, overlapped: overlapped, cell: cell))
    } else {
      piece.fixed = costs.compute(operation, pairs: routedPairs, overlapped: overlapped)
    }
    result.pieces.append(piece)
    segment.fixed = segment.fixed + piece.fixed
    segment.routed = segment.routed.lowerBound..<Int32(result.routed.count)
    segment.pieces = segment.pieces.lowerBound..<Int32(result.pieces.count)
    segment.operations = segment.operations.lowerBound..<Int32(number + 1)
    result.segments.append(segment)
  }

  /// By operation: where later operations of the rank find it done.
  private func placesOnStreams(
    _ program: Program, _ ordinals: [MessageKey: Int32], _ continues: [Bool]
  ) -> [Wait] {
    var counts = [Int32](repeating: 0, count: Stream.allCases.count)
    return program.operations.indices.map { number in
      let operation = program.operations[number]
      if operation.kind == .receive {
        return Wait(stream: Wait.message, position: ordinals[MessageKey(operation)] ?? -1)
      }
      let stream = Int(operation.stream.rawValue)
      if !continues[number] { counts[stream] += 1 }
      return Wait(stream: operation.stream.rawValue, position: counts[stream] - 1)
    }
  }
}
