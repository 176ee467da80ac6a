// Chrome traces, read back: every event of every rank at its time, none over another of its stream,
// arrows between slices that are there, and files that are whole or absent.

import FoundationEssentials
import ModelSpec
import Simulation
import Testing
import Units
import Workload

@Suite struct TraceTests {
  private func chrome(_ outcome: StepOutcome) throws -> [ChromeFile.Event] {
    let bytes = try traceBytes(of: outcome, as: "step.json")
    return try JSONDecoder().decode(ChromeFile.self, from: bytes).traceEvents
  }

  @Test func everyRankIsAProcessWithItsFourStreams() throws {
    let outcome = try TraceCosts.outcome()
    let events = try chrome(outcome).filter { $0.ph == "M" }
    let processes = events.filter { $0.name == "process_name" }
    #expect(processes.count == 16)
    // Rank 5 of pipeline 4 × data 4 on nodes of 2: 5 = 1 · 4 + 1, node 5 / 2.
    #expect(processes[5].args?.name == "rank 5: pipeline 1, data 1, node 2")
    for process in processes {
      let threads = events.filter { $0.pid == process.pid && $0.name == "thread_name" }
      #expect(
        threads.map { $0.args?.name } == ["compute", "expert exchange", "pipeline", "collective"])
    }
    let threads = events.filter { $0.name == "thread_name" }.compactMap(\.tid)
    #expect(Set(threads).count == 64 && !threads.contains(0))
  }

  @Test func eventsOfAStreamFollowOneAnotherAndAddUpToItsTime() throws {
    let outcome = try TraceCosts.outcome()
    let slices = try chrome(outcome).filter { $0.ph == "X" }
    #expect(slices.count == outcome.timeline.events.count)
    var computing: [Int: Int64] = [:]
    for (thread, events) in Dictionary(grouping: slices, by: \.tid) {
      let sorted = events.sorted { ($0.start, $0.duration) < ($1.start, $1.duration) }
      for (before, after) in zip(sorted, sorted.dropFirst()) {
        #expect(before.start + before.duration <= after.start)
      }
      #expect(sorted.allSatisfy { $0.start >= 0 })
      #expect(sorted.allSatisfy { $0.start + $0.duration <= outcome.end.picoseconds })
      // Threads of a process are numbered in the order of the streams, compute first.
      if let thread, thread % 10 == 1 {
        computing[events[0].pid - 1] = events.reduce(0) { $0 + $1.duration }
      }
    }
    #expect(computing.count == 16)
    for (rank, time) in computing { #expect(time == outcome.computing[rank].picoseconds) }
  }

  @Test func arrowsLeadFromTransfersToWhatWaitsForThem() throws {
    let events = try chrome(try TraceCosts.outcome())
    struct Place: Hashable { var thread: Int?, start: Int64 }
    let slices = Dictionary(grouping: events.filter { $0.ph == "X" }) {
      Place(thread: $0.tid, start: $0.start)
    }
    let heads = Dictionary(grouping: events.filter { $0.ph == "f" }, by: \.id)
    let tails = events.filter { $0.ph == "s" }
    #expect(tails.count == heads.count && Set(tails.map(\.id)) == Set(heads.keys))
    for tail in tails {
      let head = try #require(heads[tail.id]?.first)
      #expect(heads[tail.id]?.count == 1)
      let source = try #require(slices[Place(thread: tail.tid, start: tail.start)]?.last)
      let target = try #require(slices[Place(thread: head.tid, start: head.start)]?.last)
      #expect(source.start + source.duration <= target.start)
      #expect((target.tid ?? 0) % 10 == 1)
      #expect(source.cat == "send" ? source.pid != target.pid : source.pid == target.pid)
      #expect(["send", "dispatch", "combine"].contains(source.cat))
    }
    // DualPipe on 4 ranks: 8 micro-batches cross 3 borders forward and backward, on 4 data ranks.
    #expect(tails.count { ($0.tid ?? 0) % 10 == 3 } == 8 * 3 * 2 * 4)
  }

  @Test func aTraceOfChosenRanksHasNoArrowsIntoTheVoid() throws {
    let events = try chrome(try TraceCosts.outcome(tracedRanks: [0, 4]))
    #expect(Set(events.map(\.pid)) == [1, 5])
    let (tails, heads) = (events.filter { $0.ph == "s" }, events.filter { $0.ph == "f" })
    #expect(Set(tails.map(\.id)) == Set(heads.map(\.id)))
    #expect(tails.contains { ($0.tid ?? 0) % 10 == 3 })
  }

  /// 8 rows of 2000 bytes.
  @Test func messagesCarryTheirBytes() throws {
    let sends = try chrome(try TraceCosts.outcome()).filter { $0.cat == "send" }
    // Pipeline neighbours are 4 ranks, two nodes, apart.
    #expect(!sends.isEmpty && sends.allSatisfy { $0.args?.networkBytes == 16000 })
  }

  @Test func eventsAreCalledByTheirOperations() {
    func operation(_ kind: OperationKind, _ pass: Pass, _ layer: Int, _ microbatch: Int)
      -> Operation
    { Operation(kind: kind, pass: pass, layer: layer, stage: 1, microbatch: microbatch, action: 0) }
    let program = Program(
      operations: [
        operation(.sharedExperts, .input, 3, 7), operation(.routedExperts, .input, 3, 7),
        operation(.dispatch, .input, 3, 7), operation(.attention, .forward, 4, 9),
        operation(.denseFeedForward, .forward, 4, 9), operation(.head, .forward, -1, 9),
        Operation(kind: .send, pass: .input, stage: 1, microbatch: 7, action: 0, peer: 2),
        Operation(kind: .optimizer, pass: .update, tokens: 1),
      ], groups: [], actions: [.overlapped])
    func label(_ range: Range<Int>, _ stream: Stream = .compute) -> EventLabel {
      EventLabel(range, stream: stream, of: program)
    }
    #expect(label(0..<2).name == "shared experts I + routed experts I layer 3 mb 7")
    // The dispatch between is no compute.
    #expect(
      label(1..<4).name == "routed experts I layer 3 mb 7 + attention F layer 4 mb 9")
    #expect(label(0..<6).name == "shared experts I layer 3 mb 7 + 3 more + head F mb 9")
    #expect(label(2..<3, .exchange).name == "dispatch I layer 3 mb 7")
    #expect(label(6..<7, .pipeline).name == "send I mb 7 to pipeline 2")
    #expect(label(7..<8).name == "optimizer group 1" && label(7..<8).action == nil)
    #expect(label(0..<2).kind == .input && label(3..<6).kind == .forward)
    #expect(label(0..<2).action == .overlapped)
  }

  @Test func badNamesAndPlacesAreErrorsAndLeaveNothing() throws {
    let outcome = try TraceCosts.outcome(tracedRanks: [0])
    let directory = try TemporaryDirectory()
    #expect {
      try writeTrace(of: outcome, to: directory.path + "/step.txt")
    } throws: { ($0 as? SimulationError)?.kind == .unknownFormat }
    #expect {
      try writeTrace(of: outcome, to: directory.path + "/missing/step.json")
    } throws: { ($0 as? SimulationError)?.kind == .unwritable }
    #expect(directory.names.isEmpty)
    #expect {
      try writeTrace(of: outcome, to: "/dev/full/step.json")
    } throws: { ($0 as? SimulationError)?.kind == .unwritable }
  }
}
