// A workload as bytes: header, four sections, checksum (docs/workload-format.md). Small because a
// step repeats itself: operations are told by what they have in common with earlier ones, and
// routing that was drawn is stored as what it is drawn from.

internal import ModelSpec

/// What both ends of the file agree on.
enum WorkloadFormat {
  static let magic = Array("dsv3work".utf8)
  /// Counted up whenever older programs would misread a file.
  static let version = 1
  /// Magic, version, length of the whole file.
  static let headerBytes = 8 + 4 + 8
  static let checksumBytes = 4
  /// Larger files are refused before they are read.
  static let largestFile = 256 << 20

  enum Routing: UInt8 {
    case none
    case balanced
    case recorded
    case sampled
  }
}

extension Workload {
  /// The workload in its file format.
  package func encoded() -> [UInt8] {
    var body = ByteWriter()
    var text = ByteWriter()
    text.text(configuration)
    body.section(text)
    body.section(sizes)
    var section = ByteWriter()
    for program in programs {
      var encoder = ProgramEncoder()
      section.section(encoder.encode(program))
    }
    body.section(section)
    body.section(encodedRouting)

    var file = ByteWriter()
    file.raw(WorkloadFormat.magic)
    file.fixed(UInt64(WorkloadFormat.version), width: 4)
    let length =
      WorkloadFormat.headerBytes + body.bytes.count + WorkloadFormat.checksumBytes
    file.fixed(UInt64(length), width: 8)
    file.raw(body.bytes)
    file.fixed(UInt64(checksum(file.bytes[...])), width: WorkloadFormat.checksumBytes)
    return file.bytes
  }

  /// Writes the file at `path`, whole or not at all.
  ///
  /// Throws `WorkloadError` of `.unwritable`; a file that stood there before is then untouched.
  package func write(to path: String) throws(WorkloadError) {
    try writeWholeFile(encoded(), to: path)
  }

  private var sizes: ByteWriter {
    var writer = ByteWriter()
    let numbers = [
      layout.pipeline, layout.data, layout.expert, layout.gpusPerNode, shape.sequenceLength,
      shape.sequences, shape.microbatches, shape.layers, shape.mtpDepth, shape.routedExperts,
      shape.expertsPerToken, stageCount,
    ]
    for number in numbers { writer.number(UInt64(bitPattern: Int64(number))) }
    return writer
  }

  /// Stages that the operations name.
  var stageCount: Int {
    programs.reduce(0) { count, program in
      program.operations.reduce(count) { max($0, Int($1.stage) + 1) }
    }
  }

  private var encodedRouting: ByteWriter {
    var writer = ByteWriter()
    switch routing {
    case .none:
      writer.byte(WorkloadFormat.Routing.none.rawValue)
    case .balanced(let rows):
      writer.byte(WorkloadFormat.Routing.balanced.rawValue)
      writer.number(UInt64(rows.count))
      var encoder = RowsEncoder()
      for rows in rows { encoder.encode(rows, gap: 0, to: &writer) }
    case .recorded(let table):
      writer.byte(WorkloadFormat.Routing.recorded.rawValue)
      writer.number(UInt64(table.rows.count))
      var encoder = RowsEncoder()
      var next = RowsPlace(index: 0, shape: shape, layout: layout)
      for (key, rows) in table.rows.sorted(by: { $0.key < $1.key }) {
        encoder.encode(rows, gap: next.skip(to: key), to: &writer)
      }
    case .sampled(let sampled):
      writer.byte(WorkloadFormat.Routing.sampled.rawValue)
      let source = sampled.source
      for number in [source.denseLayers, source.expertGroups, source.groupsPerToken, source.draws] {
        writer.number(UInt64(number))
      }
      writer.fixed(source.seed, width: 8)
      writer.fixed(source.skew.bitPattern, width: 8)
    }
    return writer
  }
}
