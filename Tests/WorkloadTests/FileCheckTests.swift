// What a workload may not say, one sentence at a time: each is written with a right checksum and
// refused with the place and what would be right.
import ModelSpec
import Schedules
import Testing
import Workload

@Suite struct FileCheckTests {
  /// The message for a step of four ranks after `change`.
  private func refusal(
    _ routing: RoutingSource? = nil, _ change: (inout Workload) -> Void
  ) throws -> String {
    var workload = try FileTests.step(routing, microbatches: 8)
    change(&workload)
    do {
      _ = try Workload(decoding: workload.encoded(), source: "f")
      return "read"
    } catch {
      #expect(error.problem == .badData && error.exitCode == 65)
      return error.description
    }
  }

  /// The number of the first operation of `kind` on pipeline rank 1.
  private func first(_ kind: OperationKind) throws -> Int {
    let operations = try FileTests.step(microbatches: 8).programs[1].operations
    return try #require(operations.firstIndex { $0.kind == kind })
  }

  @Test func dependenciesPointBackwards() throws {
    for other in [20, 21, -2, 1 << 30] as [Int32] {
      let message = try refusal { $0.programs[1].operations[20].after.first = other }
      #expect(message.contains("f: pipeline rank 1, operation 20"))
      #expect(
        message.hasSuffix("waits for operation \(other); one before it, or none, is needed"))
    }
  }

  @Test func numbersStayWithinTheStep() throws {
    let attention = try first(.attention)
    let send = try first(.send)
    let changes: [(Int, WritableKeyPath<Workload, Int32>, Int32, String)] = [
      (attention, \.programs[1].operations[attention].microbatch, 8, "is of micro-batch 8 of 8"),
      (attention, \.programs[1].operations[attention].tokens, 129, "has 129 tokens where"),
      (attention, \.programs[1].operations[attention].action, 1000, "belongs to action 1000 of"),
      (attention, \.programs[1].operations[attention].peer, 2, "has a peer, 2"),
      (send, \.programs[1].operations[send].peer, 4, "has the peer 4; another pipeline rank from"),
      (send, \.programs[1].operations[send].peer, 1, "has the peer 1; another pipeline rank from"),
    ]
    for (number, path, value, expected) in changes {
      let message = try refusal { $0[keyPath: path] = value }
      #expect(message.contains("pipeline rank 1, operation \(number), "))
      #expect(message.contains(expected), "\(message)")
    }
    let layer = try refusal { $0.programs[1].operations[attention].layer = 7 }
    #expect(layer.hasSuffix("attention: is of layer 7 of 7"))
    let stage = try refusal { $0.programs[1].operations[attention].stage = -1 }
    #expect(stage.hasSuffix("attention: is of stage -1 of 4"))
    let scatter = try first(.reduceScatter)
    let group = try refusal { $0.programs[1].operations[scatter].tokens = 9 }
    #expect(group.hasSuffix("reduceScatter: is about parameter group 9 of 2"))
  }

  @Test func messagesHaveTwoEnds() throws {
    let send = try first(.send)
    let moved = try refusal { $0.programs[1].operations[send].stage = 2 }
    #expect(moved.contains("has no receive on pipeline rank") || moved.contains("is there twice"))
    let receive = try first(.receive)
    let other = try refusal { $0.programs[1].operations[receive].tokens = 5 }
    #expect(other.contains("has no receive on pipeline rank 1 for micro-batch"), "\(other)")
  }

  @Test func holdersAgreeOnTheirGroups() throws {
    let alone = try refusal { $0.programs[1].groups[0].elements += 1 }
    #expect(alone.contains("too, which does not have it so"))
    let outside = try refusal { $0.programs[1].groups[0].pipelineRanks = [1, 4] }
    #expect(outside.contains("is held by [1, 4]; pipeline ranks 0 to 3 in ascending order"))
    let scatter = try first(.reduceScatter)
    let missing = try refusal { $0.programs[1].operations[scatter].kind = .allReduce }
    #expect(missing.contains("of the same weights"))
  }

  @Test func rowsFitTheirExchange() throws {
    let key = RecordedRouting.Key(layer: 2, microbatch: 3, dataRank: 1)
    func changed(_ change: (inout RecordedRouting) -> Void) throws -> String {
      guard case .recorded(var table) = FileTests.recorded(microbatches: 8) else { return "" }
      change(&table)
      return try refusal(.recorded(table)) { _ in }
    }
    let place = "f: routing of layer 2, micro-batch 3, data rank 1: "
    #expect(try changed { $0.rows[key] = nil }.hasPrefix(place + "is missing"))
    let pairs = try changed { $0.rows[key]?.pairs[0] += 1 }
    #expect(pairs == place + "257 pairs where 128 tokens choose 2 experts each")
    #expect(try changed { $0.rows[key]?.toNode[1] = 0 }.contains("contradict each other"))
    #expect(try changed { $0.rows[key]?.toNode = [1] }.contains("rows to 1 nodes and 4 ranks"))
    let none = try refusal(RoutingSource.none) { _ in }
    #expect(none.hasSuffix("exchanges rows in a step without routing"))
    let few = try refusal { $0.routing = .balanced([]) }
    #expect(few == "f: routing: rows of 0 layers where the step has 7")
  }

  @Test func drawnRoutingHasSensibleNumbers() throws {
    func drawn(skew: Double) -> RoutingSource {
      let spec = ModelPreset.mini.spec
      return .sampled(
        SampledRouting(
          spec: spec, layout: FileTests.layout,
          shape: StepShape(spec, sequenceLength: 128, sequences: 1, microbatches: 8), seed: 1,
          skew: skew, draws: 1))
    }
    #expect(try refusal(drawn(skew: 0.5)) { _ in } == "read")
    for skew in [Double.nan, .infinity, -1, 1e9] {
      let message = try refusal(drawn(skew: skew)) { _ in }
      #expect(message.hasSuffix("the skew \(skew) must be from 0 to 1000"))
    }
  }

  @Test func aWorkloadTellsItselfInWords() throws {
    let lines = try FileTests.step(microbatches: 8).describe()
    #expect(lines[0] == "layout pipeline 4 data 4 expert 4 gpus_per_node 2")
    #expect(
      lines[1]
        == "step sequence 128 sequences 1 microbatches 8 layers 6 mtp 1 experts 8 per token 2"
    )
    #expect(lines[2] == "routing balanced")
    #expect(lines[4] == "rank 0 op 0 embedding(F) mb 0")
    #expect(lines.count == 4 + (try FileTests.step(microbatches: 8).operationCount) / 4)
  }
}
