// Measured kernels from a PyTorch profiler's trace (Chrome JSON): GPU kernels by name, products by
// the shapes of the operator that launched them, if the profiler recorded shapes. What other
// kernels compute a trace does not say; they are listed, not fitted.

internal import JSON

extension Measurements {
  /// Reads `traceEvents`, or a bare list of events.
  init(trace bytes: [UInt8], source: String) throws(FabricError) {
    let trace: ProfilerTrace
    do {
      trace = try JSONValue.decode(ProfilerTrace.self, from: bytes)
    } catch {
      throw FabricError(
        .badData, source: source, message: "no trace of the PyTorch profiler: \(error.reason)")
    }
    let gpu = trace.traceEvents.filter { $0.isKernel }
    guard !gpu.isEmpty else {
      throw FabricError(
        .badData, source: source, message: "the trace has no event of category 'kernel'")
    }
    let operators = Dictionary(
      trace.traceEvents.compactMap { event in
        event.cat == "cpu_op" ? event.externalID.map { ($0, event) } : nil
      }, uniquingKeysWith: { first, _ in first })
    let transfers = gpu.filter { $0.role == .transfer }
    var kernels: [KernelKey: MeasuredKernel] = [:]
    var rest: [String: Unmatched] = [:]
    var sms: [Int] = []
    for event in gpu {
      let launcher = event.externalID.flatMap { operators[$0] }
      guard let work = event.work(launchedBy: launcher) else {
        let reason = event.role?.whyUnfitted ?? "not known by its name"
        rest[
          event.name,
          default: Unmatched(name: event.name, reason: reason, count: 0, microseconds: 0)
        ]
        .add(event.dur ?? 0)
        continue
      }
      if case .product = work, let grid = event.gridSize { sms.append(grid) }
      let sample = MeasuredKernel.Sample(
        work: work, microseconds: event.dur ?? 0, overlap: event.share(under: transfers))
      kernels[
        KernelKey(name: event.name, work: work),
        default: MeasuredKernel(phase: launcher?.name ?? "", name: event.name, samples: [])
      ].samples.append(sample)
    }
    // In the order of the trace's names, so that the same trace gives the same fit.
    let ordered = kernels.values.sorted {
      ($0.name, "\($0.samples[0].work)") < ($1.name, "\($1.samples[0].work)")
    }
    // A persistent grid is no larger than the GPU; larger ones say nothing about SMs.
    self.init(
      kernels: ordered, unmatched: rest.values.sorted { $0.name < $1.name },
      sms: sms.filter { $0 <= 160 })
  }
}

private struct KernelKey: Hashable {
  var name: String
  var work: KernelWork
}

extension Measurements.Unmatched {
  fileprivate mutating func add(_ time: Double) {
    count += 1
    microseconds += time
  }
}

/// What a kernel's name says.
private enum KernelRole {
  case product, weightGradient, attention, memory, transfer

  var whyUnfitted: String {
    switch self {
    case .product, .weightGradient: "a product without recorded shapes ('Input Dims')"
    case .attention: "attention: a trace does not say over how many positions"
    case .memory: "bound by memory: a trace does not say how many bytes"
    case .transfer: "a transfer: counts as overlap"
    }
  }

  /// Parts of names, the first that fits decides.
  static let names: [(String, KernelRole)] = [
    ("internode::", .transfer), ("intranode::", .transfer), ("nccl", .transfer),
    ("FlashAttnBwdP", .memory), ("flash", .attention), ("attn", .attention),
    ("fp8_dptp128c_acc", .weightGradient), ("wgrad", .weightGradient),
    ("GemmKernel", .product), ("gemm", .product), ("nvjet", .product), ("_scaled_mm", .product),
    ("cast", .memory), ("swiglu", .memory), ("ln_fwd", .memory), ("ln_bwd", .memory),
    ("norm", .memory), ("rotary", .memory), ("transpose", .memory), ("elementwise", .memory),
    ("copy", .memory), ("reduce", .memory), ("expand", .memory), ("fused", .memory),
  ]
}

/// The part of the trace format that is read.
private struct ProfilerTrace: Decodable {
  var traceEvents: [TraceEvent]

  private enum Key: CodingKey { case traceEvents }

  init(from decoder: any Decoder) throws {
    if let members = try? decoder.container(keyedBy: Key.self) {
      traceEvents = try members.decode([TraceEvent].self, forKey: .traceEvents)
    } else {
      traceEvents = try [TraceEvent](from: decoder)
    }
  }
}

private struct TraceEvent: Decodable {
  var cat: String?
  var name: String
  var ts: Double?
  var dur: Double?
  var args: [String: JSONValue]

  private enum Key: CodingKey { case cat, name, ts, dur, args }

  init(from decoder: any Decoder) throws {
    let members = try decoder.container(keyedBy: Key.self)
    cat = try members.decodeIfPresent(String.self, forKey: .cat)
    name = try members.decodeIfPresent(String.self, forKey: .name) ?? ""
    // Events without a duration write their times as text.
    ts = try? members.decode(Double.self, forKey: .ts)
    dur = try? members.decode(Double.self, forKey: .dur)
    args = (try? members.decode([String: JSONValue].self, forKey: .args)) ?? [:]
  }

  var isKernel: Bool { cat?.lowercased() == "kernel" && ts != nil && (dur ?? 0) > 0 }

  var role: KernelRole? { KernelRole.names.first { name.contains($0.0) }?.1 }

  var externalID: Int? {
    if case .integer(let id) = args["External id"] { return id }
    return nil
  }

  /// CTAs.
  var gridSize: Int? {
    guard case .array(let grid) = args["grid"] else { return nil }
    return grid.reduce(1) { size, axis in
      if case .integer(let count) = axis { return size * max(0, min(count, 1 << 20)) }
      return 0
    }
  }

  /// Shapes of the operands of an operator.
  private var inputs: [[Int]] {
    guard case .array(let lists) = args["Input Dims"] else { return [] }
    return lists.map { list in
      guard case .array(let sizes) = list else { return [] }
      return sizes.compactMap { if case .integer(let size) = $0 { size } else { nil } }
    }
  }

  /// The work of a product whose operator has two matrices: [rows × depth], [depth × columns] or
  /// its transpose.
  func work(launchedBy launcher: TraceEvent?) -> KernelWork? {
    guard role == .product || role == .weightGradient, let launcher else { return nil }
    let matrices = launcher.inputs.filter { list in
      list.count == 2 && list.allSatisfy { (1...(1 << 30)).contains($0) }
    }
    guard matrices.count >= 2 else { return nil }
    let (left, right) = (matrices[0], matrices[1])
    guard left[1] == right[0] || left[1] == right[1] else { return nil }
    let columns = left[1] == right[0] ? right[1] : right[0]
    let tiles = KernelWork.tiles(rows: left[0], columns: columns)
    let isFP8 = name.contains("fp8") || name.contains("e4m3") || launcher.name.contains("_scaled")
    let precision: ProductPrecision = isFP8 ? .fp8 : .bf16
    return role == .product
      ? .product(tiles: tiles, depth: left[1], precision: precision)
      : .weightGradient(tiles: tiles, depth: left[1], precision: precision)
  }

  /// Share of this kernel's time in which one of `transfers` ran.
  func share(under transfers: [TraceEvent]) -> Double {
    guard let start = ts, let length = dur, length > 0 else { return 0 }
    let covered = transfers.reduce(0.0) { sum, transfer in
      guard let from = transfer.ts, let time = transfer.dur else { return sum }
      return sum + max(0, min(start + length, from + time) - max(start, from))
    }
    return min(1, covered / length)
  }
}
