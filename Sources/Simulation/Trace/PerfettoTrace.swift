// The timeline as Perfetto's own trace: TracePackets with TrackEvents (perfetto.dev, "Track
// events"; protos/perfetto/trace). Names are interned, times are whole nanoseconds, the nearest to
// the picoseconds. About 70 bytes an event: for all ranks.

internal import Units
internal import Workload

/// Writes a Perfetto TrackEvent trace.
struct PerfettoTrace: ~Copyable {
  /// Field numbers of the messages.
  private enum Field {
    static let packet = 1
    // TracePacket
    static let timestamp = 8, sequence = 10, trackEvent = 11, internedData = 12
    static let sequenceFlags = 13, trackDescriptor = 60
    // TrackDescriptor
    static let uuid = 1, process = 3, thread = 4, parent = 5
    // ProcessDescriptor and ThreadDescriptor
    static let pid = 1, tid = 2, sortIndex = 3, threadName = 5, processName = 6
    // TrackEvent
    static let annotations = 4, type = 9, nameIid = 10, track = 11, flows = 47, endedFlows = 48
    // DebugAnnotation
    static let annotationName = 1, unsigned = 3
    // InternedData, and the entries in it
    static let eventNames = 2, annotationNames = 3, iid = 1, name = 2
  }

  /// Interned names of annotations.
  private enum Annotation: UInt64, CaseIterable {
    case waited = 1
    case network
    case nvlink

    var name: String {
      switch self {
      case .waited: "waited_ns"
      case .network: "infiniband_bytes"
      case .nvlink: "nvlink_bytes"
      }
    }
  }

  private static let sequence: UInt64 = 1
  private static let stateCleared: UInt64 = 1
  private static let needsState: UInt64 = 2
  private static let sliceBegin: UInt64 = 1
  private static let sliceEnd: UInt64 = 2
  /// A flow's number with its field's.
  private static let flowBytes = 10
  /// An event's packets, but for its name and flows, take less.
  private static let mostEventBytes = 512

  private var plan: TracePlan<Int>
  private let outcome: StepOutcome
  private var file: TraceFile
  private let table: NameTable

  /// The names in order of their interning numbers, from 1.
  private final class NameTable {
    private(set) var names: [String] = []
    private var numbers: [String: Int] = [:]

    func number(of name: String) -> Int {
      if let known = numbers[name] { return known }
      names.append(name)
      numbers[name] = names.count
      return names.count
    }
  }

  init(_ outcome: StepOutcome, to file: consuming TraceFile) {
    self.outcome = outcome
    self.file = file
    let table = NameTable()
    self.table = table
    plan = TracePlan(outcome) { table.number(of: $0.name) }
  }

  consuming func write() throws(SimulationError) {
    appendStart()
    for rank in plan.ranks { describeTracks(of: rank) }
    var interned = 0
    for event in outcome.timeline.events {
      let name = plan.label(of: event)
      let isNew = name > interned
      append(event, name: name, isNew: isNew)
      if isNew { interned = name }
      try file.check()
    }
    try file.finish()
  }

  // MARK: Tracks

  /// Begins the sequence of packets, and interns what annotations are called.
  private mutating func appendStart() {
    file.reserve(Self.mostEventBytes)
    let packet = file.begin(field: Field.packet)
    file.append(field: Field.sequence, Self.sequence)
    file.append(field: Field.sequenceFlags, Self.stateCleared | Self.needsState)
    let data = file.begin(field: Field.internedData)
    for annotation in Annotation.allCases {
      let entry = file.begin(field: Field.annotationNames)
      file.append(field: Field.iid, annotation.rawValue)
      file.append(field: Field.name, annotation.name)
      file.end(entry)
    }
    file.end(data)
    file.end(packet)
  }

  private mutating func describeTracks(of rank: Int) {
    let process = UInt64(TraceNumbers.process(rank))
    file.reserve(Self.mostEventBytes)
    let packet = file.begin(field: Field.packet)
    file.append(field: Field.sequence, Self.sequence)
    let track = file.begin(field: Field.trackDescriptor)
    file.append(field: Field.uuid, process)
    let descriptor = file.begin(field: Field.process)
    file.append(field: Field.pid, process)
    file.append(field: Field.sortIndex, UInt64(rank))
    file.append(field: Field.processName, plan.workload.layout.name(of: rank))
    file.end(descriptor)
    file.end(track)
    file.end(packet)
    for stream in Stream.allCases { describeTrack(of: rank, stream) }
  }

  private mutating func describeTrack(of rank: Int, _ stream: Stream) {
    file.reserve(Self.mostEventBytes)
    let packet = file.begin(field: Field.packet)
    file.append(field: Field.sequence, Self.sequence)
    let track = file.begin(field: Field.trackDescriptor)
    file.append(field: Field.uuid, Self.track(rank, stream))
    file.append(field: Field.parent, UInt64(TraceNumbers.process(rank)))
    let descriptor = file.begin(field: Field.thread)
    file.append(field: Field.pid, UInt64(TraceNumbers.process(rank)))
    file.append(field: Field.tid, UInt64(TraceNumbers.thread(rank, stream)))
    file.append(field: Field.sortIndex, UInt64(stream.rawValue))
    file.append(field: Field.threadName, stream.name)
    file.end(descriptor)
    file.end(track)
    file.end(packet)
  }

  /// A stream's track; those of processes have numbers below 2²⁰.
  private static func track(_ rank: Int, _ stream: Stream) -> UInt64 {
    1 << 20 + UInt64(TraceNumbers.thread(rank, stream))
  }

  // MARK: Events

  private mutating func append(_ event: TimelineEvent, name: Int, isNew: Bool) {
    let text = isNew ? table.names[name - 1] : ""
    file.reserve(
      Self.mostEventBytes + text.utf8.count + plan.flows.mostEndings * Self.flowBytes)
    let packet = beginPacket(at: event.start.picoseconds)
    if isNew {
      let data = file.begin(field: Field.internedData)
      let entry = file.begin(field: Field.eventNames)
      file.append(field: Field.iid, UInt64(name))
      file.append(field: Field.name, text)
      file.end(entry)
      file.end(data)
    }
    let track = Self.track(event.worldRank, event.stream)
    let begin = file.begin(field: Field.trackEvent)
    file.append(field: Field.type, Self.sliceBegin)
    file.append(field: Field.track, track)
    file.append(field: Field.nameIid, UInt64(name))
    appendAnnotations(event)
    if let flow = plan.flows.beginning(at: event) { file.append(field: Field.flows, fixed: flow) }
    plan.flows.forEachEnding(at: event) { file.append(field: Field.endedFlows, fixed: $0) }
    file.end(begin)
    file.end(packet)
    let endPacket = beginPacket(at: event.end.picoseconds)
    let end = file.begin(field: Field.trackEvent)
    file.append(field: Field.type, Self.sliceEnd)
    file.append(field: Field.track, track)
    file.end(end)
    file.end(endPacket)
  }

  private mutating func beginPacket(at picoseconds: Int64) -> TraceFile.OpenMessage {
    let packet = file.begin(field: Field.packet)
    file.append(field: Field.timestamp, UInt64((picoseconds + 500) / 1000))
    file.append(field: Field.sequence, Self.sequence)
    file.append(field: Field.sequenceFlags, Self.needsState)
    return packet
  }

  private mutating func appendAnnotations(_ event: TimelineEvent) {
    let waited = (event.start - event.ready).picoseconds
    append(.waited, UInt64((waited + 500) / 1000))
    append(.network, UInt64(event.bytes.network))
    append(.nvlink, UInt64(event.bytes.nvlink))
  }

  private mutating func append(_ annotation: Annotation, _ value: UInt64) {
    guard value > 0 else { return }
    let message = file.begin(field: Field.annotations)
    file.append(field: Field.annotationName, annotation.rawValue)
    file.append(field: Field.unsigned, value)
    file.end(message)
  }
}
