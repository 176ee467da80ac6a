// The timeline as Chrome's JSON trace ("Trace Event Format"), which chrome://tracing and Perfetto
// open: a process for each rank, a thread for each of its streams, times in microseconds to the
// picosecond. About 250 bytes an event: for chosen ranks.

internal import Units
internal import Workload

/// Writes a Chrome JSON trace.
struct ChromeTrace: ~Copyable {
  private var plan: TracePlan<[UInt8]>
  private let outcome: StepOutcome
  private var file: TraceFile
  private var isFirst = true

  init(_ outcome: StepOutcome, to file: consuming TraceFile) {
    self.outcome = outcome
    self.file = file
    plan = TracePlan(outcome, make: Self.details)
  }

  consuming func write() throws(SimulationError) {
    file.append("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[")
    for rank in plan.ranks { nameTracks(of: rank) }
    for event in outcome.timeline.events {
      append(event)
      try file.check()
    }
    file.append("\n]}\n")
    try file.finish()
  }

  // MARK: Tracks

  private mutating func nameTracks(of rank: Int) {
    let process = TraceNumbers.process(rank)
    func metadata(_ name: String, thread: Int? = nil, _ value: String) -> [UInt8] {
      let place = "\"pid\":\(process)" + (thread.map { ",\"tid\":\($0)" } ?? "")
      return Array("{\"ph\":\"M\",\(place),\"name\":\"\(name)\",\"args\":{\(value)}}".utf8)
    }
    let name = plan.workload.layout.name(of: rank)
    append(metadata("process_name", "\"name\":\"\(name)\""))
    append(metadata("process_sort_index", "\"sort_index\":\(rank)"))
    for stream in Stream.allCases {
      let thread = TraceNumbers.thread(rank, stream)
      append(metadata("thread_name", thread: thread, "\"name\":\"\(stream.name)\""))
      append(
        metadata("thread_sort_index", thread: thread, "\"sort_index\":\(stream.rawValue)"))
    }
  }

  private mutating func append(_ object: [UInt8]) {
    separate()
    file.append(object)
  }

  private mutating func separate() {
    if isFirst { file.append("\n") } else { file.append(",\n") }
    isFirst = false
  }

  // MARK: Events

  /// What is the same for all data ranks, from the name to the open arguments.
  private static func details(_ label: EventLabel) -> [UInt8] {
    let operation = label.operation
    var text = "\"name\":\"\(label.name)\",\"cat\":\"\(label.kind.rawValue)\",\"args\":{"
    switch operation.stream {
    case .compute where operation.kind != .optimizer, .exchange, .pipeline:
      text += "\"stage\":\(operation.stage),\"microbatch\":\(operation.microbatch),"
      text += "\"tokens\":\(operation.tokens),"
    default: break
    }
    if let action = label.action { text += "\"action\":\"\(action.name)\"," }
    return Array((text + "\"operations\":\(label.operations)").utf8)
  }

  private mutating func append(_ event: TimelineEvent) {
    separate()
    file.append("{\"ph\":\"X\"")
    appendPlace(event)
    file.append(",\"dur\":")
    file.append(microseconds: (event.end - event.start).picoseconds)
    file.append(",")
    file.append(plan.label(of: event))
    if event.ready < event.start {
      file.append(",\"waited_us\":")
      file.append(microseconds: (event.start - event.ready).picoseconds)
    }
    if event.bytes != .zero {
      file.append(",\"infiniband_bytes\":")
      file.append(decimal: event.bytes.network)
      file.append(",\"nvlink_bytes\":")
      file.append(decimal: event.bytes.nvlink)
    }
    file.append("}}")
    if let flow = plan.flows.beginning(at: event) { append(flow, "s", event) }
    var ending: [UInt64] = []
    plan.flows.forEachEnding(at: event) { ending.append($0) }
    for flow in ending { append(flow, "f\",\"bp\":\"e", event) }
  }

  /// An end of an arrow, at the beginning of the event in whose slice it stands.
  private mutating func append(_ flow: UInt64, _ phase: StaticString, _ event: TimelineEvent) {
    separate()
    file.append("{\"ph\":\"")
    file.append(phase)
    file.append("\",\"name\":\"waits\",\"cat\":\"flow\",\"id\":")
    file.append(decimal: Int64(flow))
    appendPlace(event)
    file.append("}")
  }

  private mutating func appendPlace(_ event: TimelineEvent) {
    file.append(",\"pid\":")
    file.append(decimal: Int64(TraceNumbers.process(event.worldRank)))
    file.append(",\"tid\":")
    file.append(decimal: Int64(TraceNumbers.thread(event.worldRank, event.stream)))
    file.append(",\"ts\":")
    file.append(microseconds: event.start.picoseconds)
  }
}
