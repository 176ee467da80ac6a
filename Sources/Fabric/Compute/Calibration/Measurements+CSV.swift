// Measured kernels from a table. Columns by title, in any order, others ignored:
//   op, kind; us or median_us; shape, precision, bytes or hbm_bytes, flops, sm, phase;
//   overlap or xfer_overlap ("-": a kernel of the exchange's stream, which is not fitted);
//   l0, l1, … for single samples of `us`.

extension Measurements {
  /// Reads a comma-separated table with a line of titles (docs/cluster-model.md).
  init(csv bytes: [UInt8], source: String) throws(FabricError) {
    let table = try MeasurementTable(bytes, source: source)
    var kernels: [MeasuredKernel] = []
    var unmatched: [Unmatched] = []
    var sms: [Int] = []
    for row in table.rows {
      let times = try table.times(row)
      let works = try table.works(row, samples: times.count)
      guard let works, !table.isExchange(row) else {
        let reason =
          works == nil
          ? "kind '\(table.text(row, "kind"))' has no law" : "ran on the exchange's stream"
        unmatched.append(
          Unmatched(
            name: table.text(row, "op"), reason: reason,
            count: 1, microseconds: times.reduce(0, +) / Double(times.count)))
        continue
      }
      let overlaps = try table.overlaps(row, samples: times.count)
      let samples = times.indices.map {
        MeasuredKernel.Sample(
          work: works[$0], microseconds: times[$0], overlap: overlaps[$0])
      }
      kernels.append(
        MeasuredKernel(
          phase: table.text(row, "phase"), name: table.text(row, "op"), samples: samples))
      if works[0].family == .product || works[0].family == .weightGradient,
        let count = Int(table.text(row, "sm").prefix { $0.isNumber }), count > 0
      {
        sms.append(count)
      }
    }
    self.init(kernels: kernels, unmatched: unmatched, sms: sms)
  }
}

/// Fields of a CSV by title, and what a kernel's fields mean.
private struct MeasurementTable {
  struct Row {
    var line: Int
    var fields: [String]
  }

  let source: String
  private let columns: [String: Int]
  let rows: [Row]
  private let sampleColumns: [Int]

  init(_ bytes: [UInt8], source: String) throws(FabricError) {
    self.source = source
    let lines = String(decoding: bytes, as: UTF8.self)
      .split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    let all = lines.enumerated().filter { !$0.element.isEmpty }
      .map { Row(line: $0.offset + 1, fields: Self.fields($0.element)) }
    guard let titles = all.first else {
      throw FabricError(.badData, source: source, message: "empty: no line of titles")
    }
    columns = Dictionary(
      titles.fields.enumerated().map { ($0.element, $0.offset) },
      uniquingKeysWith: { first, _ in first })
    sampleColumns = titles.fields.indices.filter {
      titles.fields[$0].first == "l" && Int(titles.fields[$0].dropFirst()) != nil
    }
    rows = Array(all.dropFirst())
    for choice in [["op"], ["kind"], ["us", "median_us"]]
    where !choice.contains(where: { columns[$0] != nil }) {
      throw FabricError(
        .badData, source: "\(source):1",
        message: "no column '\(choice.joined(separator: "' or '"))'; neither a table of kernels "
          + "nor a trace in JSON")
    }
    for row in rows where row.fields.count != titles.fields.count {
      throw FabricError(
        .badData, source: "\(source):\(row.line)",
        message: "\(row.fields.count) fields, where the titles are \(titles.fields.count)")
    }
  }

  /// Quotes stand around whole fields.
  private static func fields(_ line: Substring) -> [String] {
    var fields = [""]
    var quoted = false
    for character in line {
      switch character {
      case "\"": quoted.toggle()
      case "," where !quoted: fields.append("")
      default: fields[fields.count - 1].append(character)
      }
    }
    return fields
  }

  /// The field under the first of `titles` that is there; empty when none is.
  func text(_ row: Row, _ titles: String...) -> String {
    titles.lazy.compactMap { columns[$0] }.first.map { row.fields[$0] } ?? ""
  }

  func error(_ row: Row, _ message: String) -> FabricError {
    FabricError(.badData, source: "\(source):\(row.line)", message: message)
  }

  private func number(
    _ row: Row, _ text: String, _ title: String, atLeast least: Double
  ) throws(FabricError) -> Double {
    guard let value = Double(text), value.isFinite, value >= least, value < 1e18 else {
      throw error(row, "'\(title)' is '\(text)', not a number ≥ \(least)")
    }
    return value
  }

  /// Single samples when every one of them stands there, else the one time.
  func times(_ row: Row) throws(FabricError) -> [Double] {
    let single = sampleColumns.map { row.fields[$0] }
    var times: [Double] = []
    for text in single.isEmpty || single.contains("") ? [self.text(row, "us", "median_us")] : single
    {
      let time = try number(row, text, "us", atLeast: 0)
      guard time > 0 else { throw error(row, "a kernel takes more than 0 us") }
      times.append(time)
    }
    return times
  }

  /// A kernel between the transfers: it has only their SMs, and its overlap is given as "-".
  func isExchange(_ row: Row) -> Bool {
    let shares = text(row, "overlap", "xfer_overlap").split(separator: " ")
    return !shares.isEmpty && shares.allSatisfy { $0 == "-" }
  }

  /// One share for all samples or one for each, "-" for none.
  func overlaps(_ row: Row, samples: Int) throws(FabricError) -> [Double] {
    var shares: [Double] = []
    for field in text(row, "overlap", "xfer_overlap").split(separator: " ") {
      let share = field == "-" ? 0 : try number(row, String(field), "overlap", atLeast: 0)
      guard share <= 1 else { throw error(row, "'overlap' is \(share), more than all of the time") }
      shares.append(share)
    }
    guard shares.count != samples else { return shares }
    let mean = shares.isEmpty ? 0 : shares.reduce(0, +) / Double(shares.count)
    return [Double](repeating: mean, count: samples)
  }

  /// What the kernel computes in each sample; nil for kinds that no law is fitted to.
  func works(_ row: Row, samples: Int) throws(FabricError) -> [KernelWork]? {
    let kind = text(row, "kind")
    let precision: ProductPrecision = text(row, "precision").hasPrefix("bf16") ? .bf16 : .fp8
    var works: [KernelWork] = []
    for sample in 0..<samples {
      switch kind {
      case "gemm", "ggemm":
        let shape = try shape(row, sample, of: samples)
        let tiles = KernelWork.tiles(rows: shape.rows, columns: shape.columns)
        works.append(.product(tiles: tiles, depth: shape.depth, precision: precision))
      case "wg", "gwg":
        let shape = try shape(row, sample, of: samples)
        let tiles = shape.experts * KernelWork.tiles(rows: shape.rows, columns: shape.columns)
        works.append(
          .weightGradient(
            tiles: tiles, depth: shape.depth / shape.experts, precision: precision))
      case "bgemm":
        let shape = try shape(row, sample, of: samples)
        works.append(.router(flops: 2 * shape.rows * shape.columns * shape.depth))
      case "fa_fwd": works.append(.attentionForward(flops: try flops(row)))
      case "fa_bwd": works.append(.attentionBackward(flops: try flops(row)))
      case "mem": works.append(try memory(row))
      case "small", "comm": return nil
      default:
        throw error(
          row,
          "kind '\(kind)' is none of gemm, ggemm, wg, gwg, bgemm, fa_fwd, fa_bwd, mem, small, comm")
      }
    }
    return works
  }

  private func flops(_ row: Row) throws(FabricError) -> Int {
    Int(try number(row, text(row, "flops"), "flops", atLeast: 1))
  }

  private func memory(_ row: Row) throws(FabricError) -> KernelWork {
    let names: [String: MemoryClass] = [
      "stream": .stream, "quant": .quantise, "ctrans": .castTranspose,
      "rtrans": .requantiseTranspose, "norm": .norm, "strided": .strided, "quant12": .e5m6,
    ]
    let name = text(row, "shape")
    guard let memoryClass = names[name] else {
      throw error(
        row,
        "the shape of a memory-bound kernel is its class: "
          + "\(names.keys.sorted().joined(separator: ", ")); not '\(name)'")
    }
    let bytes = try number(row, text(row, "bytes", "hbm_bytes"), "bytes", atLeast: 1)
    return .memory(memoryClass, bytes: Int(bytes))
  }

  /// "4096x1536x7168" (rows, columns, depth), or "M=… N=… K=… (4 experts)", where M or K may list
  /// a number for each sample: "31104/30976".
  private func shape(
    _ row: Row, _ sample: Int, of samples: Int
  ) throws(FabricError) -> (rows: Int, columns: Int, depth: Int, experts: Int) {
    let text = text(row, "shape")
    func positive(_ text: Substring) -> Int? {
      Int(text).flatMap { (1...(1 << 30)).contains($0) ? $0 : nil }
    }
    var sizes: [String: Int] = [:]
    let plain = text.split(separator: "x", omittingEmptySubsequences: false)
    if plain.count == 3 {
      sizes = Dictionary(uniqueKeysWithValues: zip(["M", "N", "K"], plain.compactMap(positive)))
    } else {
      for word in text.split(separator: " ") {
        let parts = word.split(separator: "=")
        guard parts.count == 2, let key = parts[0].first else { continue }
        let list = parts[1].split(separator: "/").compactMap(positive)
        guard !list.isEmpty else { continue }
        sizes[String(key)] =
          list.count == samples ? list[sample] : list.reduce(0, +) / list.count
      }
    }
    guard let rows = sizes["M"], let columns = sizes["N"], let depth = sizes["K"] else {
      throw error(row, "the shape '\(text)' is neither MxNxK nor M=… N=… K=…")
    }
    let experts = text.split(separator: "(").last?.prefix { $0.isNumber }
    return (rows, columns, depth, text.contains("experts") ? experts.flatMap(positive) ?? 1 : 1)
  }
}
