// Programs in the workload file. An operation is told as a pattern, what it has in common with the
// operations of other micro-batches, by its number in a list of the patterns met so far; a new one
// follows in place. So most operations are one byte or two.

/// What repeats of an operation: dependencies are counted back from it, the action from the
/// operation before it, the micro-batch from the last one with the same fixed part.
private struct Pattern: Hashable {
  var fixed: Fixed
  var microbatchStep: Int
  var actionStep: Int
  var first: Int
  var second: Int
  var third: Int

  /// What does not change with the micro-batch.
  struct Fixed: Hashable {
    var kind: OperationKind
    var pass: Pass
    var layer: Int16
    var stage: Int16
    var tokens: Int32
    var peer: Int32
  }
}

/// What both ends remember while they go through the operations.
private struct PatternMemory {
  private var microbatches: [Pattern.Fixed: Int32] = [:]
  private var action: Int32 = -1

  /// The pattern of the next operation.
  mutating func pattern(of operation: Operation, number: Int) -> Pattern {
    let fixed = Pattern.Fixed(
      kind: operation.kind, pass: operation.pass, layer: operation.layer, stage: operation.stage,
      tokens: operation.tokens, peer: operation.peer)
    func back(_ other: Int32) -> Int {
      // 0 is for none, so what points nowhere sensible, to itself or ahead, begins at −1.
      other == -1 ? 0 : number - Int(other) - (other < number ? 0 : 1)
    }
    defer {
      microbatches[fixed] = operation.microbatch
      action = operation.action
    }
    return Pattern(
      fixed: fixed,
      microbatchStep: Int(operation.microbatch) - Int(microbatches[fixed] ?? -1),
      actionStep: Int(operation.action) - Int(action), first: back(operation.after.first),
      second: back(operation.after.second), third: back(operation.after.third))
  }

  /// The next operation from its pattern; nil when a number leaves its range.
  mutating func operation(of pattern: Pattern, number: Int) -> Operation? {
    func other(_ back: Int) -> Int32? {
      if back == 0 { return -1 }
      let (other, overflows) = number.subtractingReportingOverflow(back > 0 ? back : back + 1)
      return overflows || other == -1 ? nil : Int32(exactly: other)
    }
    func moved(_ value: Int32, by step: Int) -> Int32? {
      let (sum, overflows) = Int(value).addingReportingOverflow(step)
      return overflows ? nil : Int32(exactly: sum)
    }
    let fixed = pattern.fixed
    guard let microbatch = moved(microbatches[fixed] ?? -1, by: pattern.microbatchStep),
      let newAction = moved(action, by: pattern.actionStep),
      let first = other(pattern.first), let second = other(pattern.second),
      let third = other(pattern.third)
    else { return nil }
    microbatches[fixed] = microbatch
    action = newAction
    var operation = Operation(kind: fixed.kind, pass: fixed.pass)
    (operation.layer, operation.stage) = (fixed.layer, fixed.stage)
    (operation.tokens, operation.peer) = (fixed.tokens, fixed.peer)
    (operation.microbatch, operation.action) = (microbatch, newAction)
    (operation.after.first, operation.after.second) = (first, second)
    operation.after.third = third
    return operation
  }
}

/// Writes one program.
struct ProgramEncoder {
  private var memory = PatternMemory()
  private var known: [Pattern: Int] = [:]
  private var writer = ByteWriter()

  mutating func encode(_ program: Program) -> ByteWriter {
    writer.number(UInt64(program.groups.count))
    for group in program.groups {
      writer.number(UInt64(group.pipelineRanks.count))
      for rank in group.pipelineRanks { writer.signed(rank) }
      writer.byte(group.sameExpertPlace ? 1 : 0)
      writer.signed(group.elements)
    }
    writer.number(UInt64(program.actions.count))
    for action in program.actions { writer.byte(action.rawValue) }
    writer.number(UInt64(program.operations.count))
    for (number, operation) in program.operations.enumerated() {
      let pattern = memory.pattern(of: operation, number: number)
      if let index = known[pattern] {
        writer.number(UInt64(index))
      } else {
        writer.number(UInt64(known.count))
        known[pattern] = known.count
        write(pattern)
      }
    }
    return writer
  }

  private mutating func write(_ pattern: Pattern) {
    let fixed = pattern.fixed
    writer.byte(fixed.kind.rawValue)
    writer.byte(fixed.pass.rawValue)
    let numbers = [
      Int(fixed.layer), Int(fixed.stage), Int(fixed.tokens), Int(fixed.peer),
      pattern.microbatchStep, pattern.actionStep, pattern.first, pattern.second, pattern.third,
    ]
    for number in numbers { writer.signed(number) }
  }
}

/// Reads one program; the numbers in it are not judged here.
struct ProgramDecoder {
  private var memory = PatternMemory()
  private var known: [Pattern] = []
  private var reader: ByteReader

  init(_ reader: ByteReader) { self.reader = reader }

  mutating func decode() throws(WorkloadError) -> Program {
    var groups: [ParameterGroup] = []
    for _ in 0..<(try reader.number("parameter groups", in: 0...4096)) {
      var ranks: [Int] = []
      for _ in 0..<(try reader.count(of: "pipeline ranks")) { ranks.append(try reader.signed()) }
      let same = try reader.number("the mark of experts", in: 0...1) == 1
      groups.append(
        ParameterGroup(
          pipelineRanks: ranks, sameExpertPlace: same, elements: try reader.signed()))
    }
    var actions: [ActionClass] = []
    for _ in 0..<(try reader.count(of: "actions")) {
      actions.append(try reader.choice("action", ActionClass.self))
    }
    let count = try reader.count(of: "operations")
    var operations: [Operation] = []
    operations.reserveCapacity(count)
    for number in 0..<count {
      guard let operation = memory.operation(of: try pattern(), number: number) else {
        throw reader.error("operation \(number) has a number that leaves its range")
      }
      operations.append(operation)
    }
    try reader.finish()
    return Program(operations: operations, groups: groups, actions: actions)
  }

  private mutating func pattern() throws(WorkloadError) -> Pattern {
    let index = try reader.number("a pattern's number", in: 0...known.count)
    if index < known.count { return known[index] }
    let kind = try reader.choice("kind of operation", OperationKind.self)
    let pass = try reader.choice("pass", Pass.self)
    let pattern = Pattern(
      fixed: Pattern.Fixed(
        kind: kind, pass: pass, layer: try small("layer", Int16.self),
        stage: try small("stage", Int16.self), tokens: try small("tokens", Int32.self),
        peer: try small("peer", Int32.self)),
      microbatchStep: try reader.signed(), actionStep: try reader.signed(),
      first: try reader.signed(), second: try reader.signed(), third: try reader.signed())
    known.append(pattern)
    return pattern
  }

  private mutating func small<Small: FixedWidthInteger>(
    _ name: String, _ type: Small.Type
  ) throws(WorkloadError) -> Small {
    let value = try reader.signed()
    guard let small = Small(exactly: value) else {
      throw reader.error("\(name) \(value) is out of range")
    }
    return small
  }
}
