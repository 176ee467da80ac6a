// A workload from bytes that may be anything: what is no whole and sound workload is an error that
// says where and why. The layout of the file is in docs/workload-format.md.

internal import ModelSpec

extension Workload {
  /// Reads the file at `path`. Throws `WorkloadError`, of `.missingFile` when there is none.
  package init(contentsOf path: String) throws(WorkloadError) {
    let bytes: [UInt8]
    do {
      bytes = try readSmallFile(path, limit: WorkloadFormat.largestFile)
    } catch {
      throw WorkloadError(
        error.problem == .missingFile ? .missingFile : .unreadable, source: path,
        message: error.message)
    }
    try self.init(decoding: bytes, source: path)
  }

  /// Reads the bytes of a workload file; `source` names it in errors.
  ///
  /// Throws `WorkloadError` of `.badData` when it is cut short or damaged, of another format, or
  /// its content contradicts itself: whatever is read can be simulated.
  package init(decoding bytes: [UInt8], source: String) throws(WorkloadError) {
    var body = try WorkloadFormat.body(of: bytes, source: source)
    var text = try body.section("configuration")
    let configuration = try text.text()
    try text.finish()
    var numbers = try body.section("sizes")
    let sizes = try Sizes(&numbers)
    try numbers.finish()
    var list = try body.section("programs")
    var programs: [Program] = []
    for rank in 0..<sizes.layout.pipeline {
      var decoder = ProgramDecoder(try list.section("program of pipeline rank \(rank)"))
      programs.append(try decoder.decode())
    }
    try list.finish()
    var rows = try body.section("routing")
    let routing = try RoutingSource(&rows, sizes)
    try rows.finish()
    try body.finish()
    self.init(
      configuration: configuration, layout: sizes.layout, shape: sizes.shape,
      programs: programs, routing: routing)
    try WorkloadCheck(self, stages: sizes.stages, source: source).run()
  }
}

extension WorkloadFormat {
  /// What stands between header and checksum, when both are right.
  fileprivate static func body(
    of bytes: [UInt8], source: String
  ) throws(WorkloadError) -> ByteReader {
    func error(_ message: String) -> WorkloadError {
      WorkloadError(.badData, source: source, message: message)
    }
    guard bytes.starts(with: magic) else {
      throw error(
        "is no workload file: one begins with '\(String(decoding: magic, as: UTF8.self))'")
    }
    var header = ByteReader(bytes[magic.count...], source: source, section: "header")
    let version = try header.fixed(width: 4)
    guard version == WorkloadFormat.version else {
      throw error(
        version > WorkloadFormat.version
          ? "was written by a newer dsv3, in format \(version); this one reads format "
            + "\(WorkloadFormat.version)"
          : "format \(version) is unknown; this dsv3 reads format \(WorkloadFormat.version)")
    }
    let length = try header.fixed(width: 8)
    guard length == UInt64(bytes.count), bytes.count >= headerBytes + checksumBytes else {
      throw error(
        length > UInt64(bytes.count)
          ? "is cut short: \(bytes.count) of \(length) bytes"
          : "has \(bytes.count) bytes where its header says \(length)")
    }
    let end = bytes.count - checksumBytes
    var tail = ByteReader(bytes[end...], source: source, section: "checksum")
    let stored = try tail.fixed(width: checksumBytes)
    let found = checksum(bytes[..<end])
    guard stored == UInt64(found) else {
      throw error(
        "is damaged: its bytes have the checksum \(String(found, radix: 16)), which should be "
          + String(stored, radix: 16))
    }
    return ByteReader(bytes[headerBytes..<end], source: source, section: "file")
  }
}

/// The section of sizes, each within bounds that keep their products within `Int`.
private struct Sizes {
  var layout: Layout
  var shape: StepShape
  /// Stages that the operations name.
  var stages: Int

  init(_ reader: inout ByteReader) throws(WorkloadError) {
    let pipeline = try reader.number("pipeline", in: 1...(1 << 14))
    let data = try reader.number("data", in: 1...((1 << 22) / pipeline))
    let expert = try reader.number("expert", in: 1...data)
    guard data.isMultiple(of: expert) else {
      throw reader.error("expert \(expert) does not divide data, \(data)")
    }
    let gpusPerNode = try reader.number("GPUs of a node", in: 1...(1 << 20))
    layout = Layout(pipeline: pipeline, data: data, expert: expert, gpusPerNode: gpusPerNode)
    let length = try reader.number("sequence length", in: 1...(1 << 24))
    let sequences = try reader.number("sequences", in: 1...((1 << 26) / length))
    let microbatches = try reader.number("micro-batches", in: 1...(1 << 22))
    let layers = try reader.number("layers", in: 1...1024)
    let mtpDepth = try reader.number("MTP depth", in: 0...16)
    let experts = try reader.number("routed experts", in: 0...4096)
    shape = StepShape(
      sequenceLength: length, sequences: sequences, microbatches: microbatches, layers: layers,
      mtpDepth: mtpDepth, routedExperts: experts,
      expertsPerToken: try reader.number("experts per token", in: min(experts, 1)...experts))
    stages = try reader.number("stages", in: 0...Int(Int16.max))
  }
}

extension RoutingSource {
  fileprivate init(_ reader: inout ByteReader, _ sizes: Sizes) throws(WorkloadError) {
    let (layout, shape) = (sizes.layout, sizes.shape)
    let kind = try reader.choice("kind of routing", WorkloadFormat.Routing.self)
    if kind != .none {
      guard shape.routedExperts > 0, shape.routedExperts.isMultiple(of: layout.expert) else {
        throw reader.error(
          "\(shape.routedExperts) routed experts cannot be spread over \(layout.expert) ranks")
      }
    }
    var decoder = RowsDecoder()
    switch kind {
    case .none: self = .none
    case .balanced:
      var rows: [RoutedRows] = []
      for _ in 0..<(try reader.count(of: "layers")) {
        rows.append(try decoder.decode(&reader).rows)
      }
      self = .balanced(rows)
    case .recorded:
      var table = RecordedRouting()
      var place = RowsPlace(index: 0, shape: shape, layout: layout)
      for _ in 0..<(try reader.count(of: "rows")) {
        let (gap, rows) = try decoder.decode(&reader)
        guard let key = place.key(after: gap) else {
          throw reader.error("rows of a layer, micro-batch and rank that the step does not have")
        }
        table.rows[key] = rows
      }
      self = .recorded(table)
    case .sampled:
      self = .sampled(SampledRouting(try RoutingDraws(&reader, layout, shape)))
    }
  }
}

extension RoutingDraws {
  fileprivate init(
    _ reader: inout ByteReader, _ layout: Layout, _ shape: StepShape
  ) throws(WorkloadError) {
    let experts = shape.routedExperts
    let denseLayers = try reader.number("dense layers", in: 0...shape.layers)
    let groups = try reader.number("groups of experts", in: 1...experts)
    guard experts.isMultiple(of: groups) else {
      throw reader.error("\(groups) groups do not divide \(experts) routed experts")
    }
    let used = try reader.number("groups per token", in: 1...groups)
    guard shape.expertsPerToken <= used * (experts / groups) else {
      throw reader.error(
        "\(shape.expertsPerToken) experts of a token do not fit in \(used) groups of "
          + "\(experts / groups)")
    }
    let draws = try reader.number("draws", in: 1...4096)
    // Far above any use, and soon drawn.
    let layers = shape.layers + shape.mtpDepth
    guard draws * shape.tokens <= (1 << 31) / experts, draws * shape.tokens <= 1 << 24,
      draws * layers <= (1 << 27) / layout.expert
    else {
      throw reader.error("\(draws) draws of \(shape.tokens) tokens are too many")
    }
    let seed = try reader.fixed(width: 8)
    let skew = Double(bitPattern: try reader.fixed(width: 8))
    guard skew.isFinite, (0...1000).contains(skew) else {
      throw reader.error("the skew \(skew) must be from 0 to 1000")
    }
    self.init(
      layout: layout, shape: shape, denseLayers: denseLayers, expertGroups: groups,
      groupsPerToken: used, seed: seed, skew: skew, draws: draws)
  }
}
