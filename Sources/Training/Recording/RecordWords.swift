// A rank's record as 32-bit words, for the way to rank 0: its structure, which stays the same from
// step to step as long as the schedule does, and the rows that its routers chose. All ranks run the
// same program, so nothing is checked on arrival.

internal import Schedules
internal import Workload

/// What a rank did, without the rows: a count of operations, the operations, the actions.
enum StructureWords {
  private static let perOperation = 10

  static func write(_ writer: OperationWriter) -> [Int32] {
    var words = [Int32(writer.operations.count)]
    words.reserveCapacity(1 + writer.operations.count * perOperation + writer.actions.count)
    for operation in writer.operations {
      words.append(Int32(operation.kind.rawValue))
      words.append(Int32(operation.pass.rawValue))
      words.append(Int32(operation.layer) << 16 | Int32(operation.stage) & 0xFFFF)
      words.append(operation.microbatch)
      words.append(operation.action)
      words.append(operation.tokens)
      words.append(operation.peer)
      words.append(operation.after.first)
      words.append(operation.after.second)
      words.append(operation.after.third)
    }
    for action in writer.actions { words.append(Int32(action.rawValue)) }
    return words
  }

  static func read(_ words: [Int32]) -> (operations: [Operation], actions: [ActionClass]) {
    let end = 1 + Int(words[0]) * perOperation
    let operations = stride(from: 1, to: end, by: perOperation).map { start -> Operation in
      guard let kind = OperationKind(rawValue: UInt8(words[start])),
        let pass = Pass(rawValue: UInt8(words[start + 1]))
      else { preconditionFailure("an operation is read as it was written") }
      var operation = Operation(kind: kind, pass: pass)
      operation.layer = Int16(words[start + 2] >> 16)
      operation.stage = Int16(truncatingIfNeeded: words[start + 2])
      operation.microbatch = words[start + 3]
      operation.action = words[start + 4]
      operation.tokens = words[start + 5]
      operation.peer = words[start + 6]
      operation.after.first = words[start + 7]
      operation.after.second = words[start + 8]
      operation.after.third = words[start + 9]
      return operation
    }
    return (operations, words[end...].compactMap { ActionClass(rawValue: UInt8($0)) })
  }

  /// FNV-1a over the words.
  static func digest(_ words: [Int32]) -> UInt64 {
    words.reduce(0xcbf2_9ce4_8422_2325) {
      ($0 ^ UInt64(UInt32(bitPattern: $1))) &* 0x100_0000_01b3
    }
  }
}

/// What the routers of a rank chose: for each layer and micro-batch their numbers and the rows.
enum RowsWords {
  /// Words of one layer and micro-batch.
  static func length(nodes: Int, ranks: Int) -> Int { 2 + nodes + 2 * ranks }

  static func write(_ rows: [StepRecorder.ChosenRows]) -> [Int32] {
    var words: [Int32] = []
    for chosen in rows {
      words.append(Int32(chosen.layer))
      words.append(Int32(chosen.microbatch))
      words += chosen.rows.toNode
      words += chosen.rows.toRank
      words += chosen.rows.pairs
    }
    return words
  }

  /// - Parameters:
  ///   - nodes, ranks: of the expert group that the rows are of.
  static func read(_ words: ArraySlice<Int32>, nodes: Int, ranks: Int) -> [StepRecorder.ChosenRows]
  {
    let length = length(nodes: nodes, ranks: ranks)
    return stride(from: words.startIndex, to: words.endIndex, by: length).map { start in
      let toRank = start + 2 + nodes
      let pairs = toRank + ranks
      return StepRecorder.ChosenRows(
        layer: Int(words[start]), microbatch: Int(words[start + 1]),
        rows: RoutedRows(
          toNode: Array(words[start + 2..<toRank]), toRank: Array(words[toRank..<pairs]),
          pairs: Array(words[pairs..<start + length])))
    }
  }
}
