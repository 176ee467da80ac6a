// Routed rows in the workload file: a row that equals the one before it is one number, and a
// recording's keys are told by how many are skipped, which is none.

internal import ModelSpec

/// Writes rows, one after the other.
struct RowsEncoder {
  private var last: RoutedRows?

  /// - Parameter gap: keys left out before it.
  mutating func encode(_ rows: RoutedRows, gap: UInt64, to writer: inout ByteWriter) {
    let isSame = rows == last
    writer.number(gap << 1 | (isSame ? 1 : 0))
    guard !isSame else { return }
    precondition(rows.toRank.count == rows.pairs.count, "tokens and pairs of the same ranks")
    last = rows
    writer.number(UInt64(rows.toNode.count))
    for count in rows.toNode { writer.signed(Int(count)) }
    writer.number(UInt64(rows.toRank.count))
    for (tokens, pairs) in zip(rows.toRank, rows.pairs) {
      writer.signed(Int(tokens))
      writer.signed(Int(pairs) - Int(tokens))
    }
  }
}

/// Reads rows, one after the other; the numbers in them are not judged here.
struct RowsDecoder {
  private var last: RoutedRows?

  mutating func decode(
    _ reader: inout ByteReader
  ) throws(WorkloadError) -> (gap: UInt64, rows: RoutedRows) {
    let word = try reader.number()
    if word & 1 == 1 {
      guard let last else { throw reader.error("the first rows cannot repeat others") }
      return (word >> 1, last)
    }
    var rows = RoutedRows(toNode: [], toRank: [], pairs: [])
    for _ in 0..<(try reader.count(of: "nodes")) {
      rows.toNode.append(try number(&reader))
    }
    for _ in 0..<(try reader.count(of: "ranks")) {
      let tokens = try number(&reader)
      let (pairs, overflows) = tokens.addingReportingOverflow(try number(&reader))
      guard !overflows else { throw reader.error("a number of rows is out of range") }
      rows.toRank.append(tokens)
      rows.pairs.append(pairs)
    }
    last = rows
    return (word >> 1, rows)
  }

  private func number(_ reader: inout ByteReader) throws(WorkloadError) -> Int32 {
    let value = try reader.signed()
    guard let number = Int32(exactly: value) else {
      throw reader.error("a number of rows, \(value), is out of range")
    }
    return number
  }
}

/// A place in the order of a recording's keys: layer, micro-batch, data rank.
struct RowsPlace {
  private var index: Int
  private let shape: StepShape
  private let layout: Layout

  init(index: Int, shape: StepShape, layout: Layout) {
    self.index = index
    self.shape = shape
    self.layout = layout
  }

  /// Goes behind `key`; returns how many keys it passes.
  mutating func skip(to key: RecordedRouting.Key) -> UInt64 {
    precondition(
      (0..<shape.layers + shape.mtpDepth).contains(Int(key.layer))
        && (0..<shape.microbatches).contains(Int(key.microbatch))
        && (0..<layout.data).contains(Int(key.dataRank)), "a recording of this step")
    let cell = Int(key.layer) * shape.microbatches + Int(key.microbatch)
    let place = cell * layout.data + Int(key.dataRank)
    defer { index = place + 1 }
    return UInt64(place - index)
  }

  /// The key after `gap` others, nil beyond the last.
  mutating func key(after gap: UInt64) -> RecordedRouting.Key? {
    let layers = shape.layers + shape.mtpDepth
    let end = layers * shape.microbatches * layout.data
    guard gap < UInt64(end - min(index, end)) else { return nil }
    let place = index + Int(gap)
    index = place + 1
    let cell = place / layout.data
    return RecordedRouting.Key(
      layer: cell / shape.microbatches, microbatch: cell % shape.microbatches,
      dataRank: place % layout.data)
  }
}
