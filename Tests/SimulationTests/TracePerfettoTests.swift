// Perfetto traces, decoded: tracks that are described, names that are interned before use, slices
// that begin and end in turn at the timeline's instants.

import FoundationEssentials
import ModelSpec
import Simulation
import Testing
import Units
import Workload

@Suite struct TracePerfettoTests {
  private struct Slice: Hashable {
    var name: String
    var start: UInt64
    var end: UInt64
  }

  /// What a reader of the trace sees.
  private struct Reader {
    var processes: [UInt64: String] = [:]
    /// By track: process, and name.
    var threads: [UInt64: (process: UInt64, name: String)] = [:]
    var names: [UInt64: String] = [:]
    var slices: [UInt64: [Slice]] = [:]
    var flowsBegun: [UInt64] = []
    var flowsEnded: [UInt64] = []
    var waited: UInt64 = 0
    private var open: [UInt64: Slice] = [:]
    private var annotations: [UInt64: String] = [:]
    private var isCleared = false

    init(_ bytes: [UInt8]) throws {
      for packet in try ProtobufField.all(in: bytes[...]) {
        #expect(packet.number == 1)
        try read(packet.fields)
      }
      #expect(open.isEmpty, "every slice ends")
    }

    private mutating func read(_ packet: [ProtobufField]) throws {
      #expect(packet[field: 10]?.value == 1, "one sequence")
      let flags = packet[field: 13]?.value ?? 0
      if flags & 1 != 0 { isCleared = true }
      for entry in try packet[field: 12]?.fields ?? [] {
        let (iid, name) = (try entry.fields[field: 1], try entry.fields[field: 2])
        let number = try #require(iid?.value)
        if entry.number == 2 {
          #expect(names[number] == nil)
          names[number] = name?.text
        } else {
          annotations[number] = name?.text
        }
      }
      if let track = try packet[field: 60]?.fields { try describe(track) }
      if let event = try packet[field: 11]?.fields {
        #expect(isCleared && flags & 2 != 0, "names need the sequence's state")
        try read(event, at: try #require(packet[field: 8]?.value))
      }
    }

    private mutating func describe(_ track: [ProtobufField]) throws {
      let uuid = try #require(track[field: 1]?.value)
      if let process = try track[field: 3]?.fields {
        #expect(process[field: 1]?.value ?? 0 > 0)
        processes[uuid] = process[field: 6]?.text
      }
      if let thread = try track[field: 4]?.fields {
        let parent = try #require(track[field: 5]?.value)
        #expect(processes[parent] != nil)
        threads[uuid] = (parent, thread[field: 5]?.text ?? "")
      }
    }

    private mutating func read(_ event: [ProtobufField], at time: UInt64) throws {
      let track = try #require(event[field: 11]?.value)
      #expect(threads[track] != nil)
      if event[field: 9]?.value == 1 {
        #expect(open[track] == nil, "slices of a stream don't nest")
        let name = try #require(names[event[field: 10]?.value ?? 0])
        #expect(time >= slices[track]?.last?.end ?? 0)
        open[track] = Slice(name: name, start: time, end: 0)
        flowsBegun += event.filter { $0.number == 47 }.map(\.value)
        flowsEnded += event.filter { $0.number == 48 }.map(\.value)
        for annotation in event where annotation.number == 4 {
          let fields = try annotation.fields
          let name = annotations[fields[field: 1]?.value ?? 0]
          #expect(name != nil)
          if name == "waited_ns" { waited += fields[field: 3]?.value ?? 0 }
        }
      } else {
        #expect(event[field: 9]?.value == 2)
        let closed = open.removeValue(forKey: track)
        var slice = try #require(closed)
        slice.end = time
        slices[track, default: []].append(slice)
      }
    }
  }

  @Test func slicesAreTheTimelinesEventsToTheNanosecond() throws {
    let outcome = try TraceCosts.outcome()
    let reader = try Reader(Array(try traceBytes(of: outcome, as: "step.pftrace")))
    #expect(reader.processes.count == 16 && reader.threads.count == 64)
    #expect(reader.processes.values.contains("rank 5: pipeline 1, data 1, node 2"))
    let streams = ["compute", "expert exchange", "pipeline", "collective"]
    let layout = outcome.workload.layout
    func nanoseconds(_ instant: VirtualInstant) -> UInt64 {
      UInt64((Double(instant.picoseconds) / 1000).rounded())
    }
    var waited: UInt64 = 0
    var expected: [String: [Slice]] = [:]
    for event in outcome.timeline.events {
      let rank = event.worldRank
      let program = outcome.workload.programs[layout.pipelineRank(of: rank)]
      let label = EventLabel(event.operations, stream: event.stream, of: program)
      let track =
        "rank \(rank): pipeline \(rank / 4), data \(rank % 4), node \(rank / 2)"
        + streams[Int(event.stream.rawValue)]
      expected[track, default: []].append(
        Slice(name: label.name, start: nanoseconds(event.start), end: nanoseconds(event.end)))
      waited += UInt64((Double((event.start - event.ready).picoseconds) / 1000).rounded())
    }
    var found: [String: [Slice]] = [:]
    for (track, slices) in reader.slices {
      let thread = try #require(reader.threads[track])
      found[(reader.processes[thread.process] ?? "") + thread.name] = slices
    }
    #expect(found == expected)
    #expect(reader.waited == waited)
  }

  @Test func flowsBeginOnceAndEndOnce() throws {
    let reader = try Reader(
      Array(try traceBytes(of: try TraceCosts.outcome(), as: "step.perfetto-trace")))
    #expect(!reader.flowsBegun.isEmpty)
    #expect(Set(reader.flowsBegun).count == reader.flowsBegun.count)
    #expect(reader.flowsBegun.sorted() == reader.flowsEnded.sorted())
  }
}
