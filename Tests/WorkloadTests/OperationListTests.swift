// Whole operation lists, derived by hand from the order of the trainer's walk through a stage and
// the writer's two rules: compute waits for what was finished or used since the compute before it;
// a transfer starts behind the compute before it.
import ModelSpec
import Schedules
import Testing
import Workload

@Suite struct OperationListTests {
  @Test func oneRankOneMicrobatchOneLayerOfExperts() throws {
    let workload = try Workload.onePipelineRank(
      .tiny(layers: 1), data: 2, microbatches: 1, [.forward(cell(0)), .backward(cell(0))])
    #expect(
      workload.words(0) == [
        "embedding(F) mb 0",  // 0
        "attention(F) layer 0 mb 0",
        "router(F) layer 0 mb 0",
        "dispatch(F) layer 0 mb 0 after 2",
        "sharedExperts(F) layer 0 mb 0",  // hides the dispatch
        "routedExperts(F) layer 0 mb 0 after 3",  // 5
        "combine(F) layer 0 mb 0 after 5",
        "head(F) layer 0 mb 0 after 6",
        "head(I) layer 0 mb 0",
        "combine(I) layer 0 mb 0 after 8",
        "sharedExperts(I) layer 0 mb 0 after 9",  // 10
        "routedExperts(I) layer 0 mb 0",
        "dispatch(I) layer 0 mb 0 after 11",
        "head(W) layer 0 mb 0",  // what was left hides the dispatch
        "sharedExperts(W) layer 0 mb 0",
        "routedExperts(W) layer 0 mb 0",  // 15
        "router(I) layer 0 mb 0 after 12",
        "attention(I) layer 0 mb 0",
        "embedding(W) mb 0",
        "router(W) layer 0 mb 0",
        "attention(W) layer 0 mb 0",  // 20
        // Group 0 are the experts, held by rank 0 alone; group 1 the rest, held by both.
        "reduceScatter group 0 after 20",
        "reduceScatter group 1 after 20",
        "allReduce group 0 after 20",
        "optimizer group 0 after 23",
        "optimizer group 1",  // 25
        "allGather group 0 after 25",
        "allGather group 1 after 25",
      ])
    #expect(workload.programs[0].actions == [.forward, .backward])
    #expect(workload.programs[0].operations.prefix(8).allSatisfy { $0.action == 0 })
    #expect(workload.programs[0].operations[8..<21].allSatisfy { $0.action == 1 })
  }

  @Test func withoutOtherRanksNothingIsExchanged() throws {
    let workload = try Workload.onePipelineRank(
      .tiny(layers: 1, shared: 0), data: 1, microbatches: 1,
      [.forward(cell(0)), .backward(cell(0))])
    #expect(workload.routing == .none)
    #expect(
      workload.words(0) == [
        "embedding(F) mb 0", "attention(F) layer 0 mb 0", "router(F) layer 0 mb 0",
        "routedExperts(F) layer 0 mb 0", "head(F) layer 0 mb 0", "head(I) layer 0 mb 0",
        "routedExperts(I) layer 0 mb 0", "head(W) layer 0 mb 0", "routedExperts(W) layer 0 mb 0",
        "router(I) layer 0 mb 0", "attention(I) layer 0 mb 0", "embedding(W) mb 0",
        "router(W) layer 0 mb 0", "attention(W) layer 0 mb 0",
        "reduceScatter group 0 after 13", "allReduce group 0 after 13",
        "optimizer group 0 after 15", "allGather group 0 after 16",
      ])
  }

  /// Rank 0 does F0 F1 B0 B1, rank 1 F0 B0 F1 B1. A receive stands where its send is made.
  @Test func twoRanksSendAndReceiveAsOneForwardOneBackwardHasIt() throws {
    let workload = try Workload.built(
      .tiny(layers: 2, experts: 0), Layout(pipeline: 2, data: 1, expert: 1, gpusPerNode: 8),
      ScheduleCatalog.make(name: "1f1b", ranks: 2, microbatches: 2))
    #expect(
      workload.words(0) == [
        "embedding(F) mb 0", "attention(F) layer 0 mb 0", "denseFeedForward(F) layer 0 mb 0",
        "send(F) stage 0 mb 0 to rank 1 after 2",
        "embedding(F) mb 1", "attention(F) layer 0 mb 1", "denseFeedForward(F) layer 0 mb 1",
        "send(F) stage 0 mb 1 to rank 1 after 6",
        "receive(I) stage 1 mb 0 from rank 1",
        "denseFeedForward(I) layer 0 mb 0 after 8", "denseFeedForward(W) layer 0 mb 0",
        "attention(I) layer 0 mb 0", "embedding(W) mb 0", "attention(W) layer 0 mb 0",
        "receive(I) stage 1 mb 1 from rank 1",
        "denseFeedForward(I) layer 0 mb 1 after 14", "denseFeedForward(W) layer 0 mb 1",
        "attention(I) layer 0 mb 1", "embedding(W) mb 1", "attention(W) layer 0 mb 1",
        "reduceScatter group 0 after 19", "allReduce group 0 after 19",
        "optimizer group 0 after 21", "allGather group 0 after 22",
      ])
    #expect(
      workload.words(1) == [
        "receive(F) stage 0 mb 0 from rank 0",
        "attention(F) layer 1 mb 0 after 0", "denseFeedForward(F) layer 1 mb 0",
        "head(F) layer 1 mb 0",
        "receive(F) stage 0 mb 1 from rank 0",
        "head(I) layer 1 mb 0", "denseFeedForward(I) layer 1 mb 0", "head(W) layer 1 mb 0",
        "denseFeedForward(W) layer 1 mb 0", "attention(I) layer 1 mb 0",
        "attention(W) layer 1 mb 0",
        "send(I) stage 1 mb 0 to rank 0 after 10",
        "attention(F) layer 1 mb 1 after 4", "denseFeedForward(F) layer 1 mb 1",
        "head(F) layer 1 mb 1",
        "head(I) layer 1 mb 1", "denseFeedForward(I) layer 1 mb 1", "head(W) layer 1 mb 1",
        "denseFeedForward(W) layer 1 mb 1", "attention(I) layer 1 mb 1",
        "attention(W) layer 1 mb 1",
        "send(I) stage 1 mb 1 to rank 0 after 20",
        "reduceScatter group 0 after 20", "allReduce group 0 after 20",
        "optimizer group 0 after 23", "allGather group 0 after 24",
      ])
  }

  /// Figure 4 of the report: attention(F), MLP(B) with its weights, MLP(F), attention(B) with its
  /// weights; each exchange runs under what the other micro-batch computes meanwhile.
  @Test func anOverlappedPairHasTheOrderOfFigureFour() throws {
    let workload = try Workload.onePipelineRank(
      .tiny(layers: 1), data: 2, microbatches: 2,
      [
        .forward(cell(0)), .overlapped(forward: cell(1), backward: cell(0)), .backward(cell(1)),
      ])
    #expect(
      workload.words(0, 8..<29) == [
        "head(I) layer 0 mb 0",  // 8
        "combine(I) layer 0 mb 0 after 8",  // under attention(F)
        "embedding(F) mb 1",  // 10
        "attention(F) layer 0 mb 1",
        "router(F) layer 0 mb 1",
        "dispatch(F) layer 0 mb 1 after 12",  // under MLP(B)
        "sharedExperts(I) layer 0 mb 0 after 9",
        "routedExperts(I) layer 0 mb 0",  // 15
        "dispatch(I) layer 0 mb 0 after 15",  // under MLP(W) and MLP(F)
        "head(W) layer 0 mb 0",
        "sharedExperts(W) layer 0 mb 0",
        "routedExperts(W) layer 0 mb 0",
        "sharedExperts(F) layer 0 mb 1",  // 20
        "routedExperts(F) layer 0 mb 1 after 13",
        "combine(F) layer 0 mb 1 after 21",  // under attention(B) and attention(W)
        "router(I) layer 0 mb 0 after 16",
        "attention(I) layer 0 mb 0",
        "embedding(W) mb 0",  // 25
        "router(W) layer 0 mb 0",
        "attention(W) layer 0 mb 0",
        "head(F) layer 0 mb 1 after 22",
      ])
    #expect(workload.programs[0].actions == [.forward, .overlapped, .backward])
  }

  @Test func weightHalvesFollowTheirInputHalvesInOrderWithHeadAndMTP() throws {
    let workload = try Workload.onePipelineRank(
      .tiny(layers: 1, mtp: 1, experts: 0), data: 1, microbatches: 1,
      [.forward(cell(0)), .backwardInput(cell(0)), .backwardWeight(cell(0))])
    #expect(
      workload.words(0, 0..<23) == [
        "embedding(F) mb 0", "attention(F) layer 0 mb 0", "denseFeedForward(F) layer 0 mb 0",
        "head(F) layer 0 mb 0", "mtpJoin(F) layer 1 mb 0", "attention(F) layer 1 mb 0",
        "denseFeedForward(F) layer 1 mb 0", "head(F) layer 1 mb 0",
        "head(I) layer 1 mb 0", "denseFeedForward(I) layer 1 mb 0", "attention(I) layer 1 mb 0",
        "mtpJoin(I) layer 1 mb 0", "head(I) layer 0 mb 0", "denseFeedForward(I) layer 0 mb 0",
        "attention(I) layer 0 mb 0", "embedding(W) mb 0",
        "head(W) layer 1 mb 0", "denseFeedForward(W) layer 1 mb 0", "attention(W) layer 1 mb 0",
        "mtpJoin(W) layer 1 mb 0", "head(W) layer 0 mb 0", "denseFeedForward(W) layer 0 mb 0",
        "attention(W) layer 0 mb 0",
      ])
    #expect(workload.programs[0].actions == [.forward, .input, .weight])
    // 8 positions; the MTP module predicts from the first 7.
    for operation in workload.programs[0].operations.prefix(23) where operation.layer == 1 {
      #expect(operation.tokens == 7)
    }
  }

  /// A stage between others may have no layer: it waits for nothing but what it hands on.
  @Test func aStageWithoutLayersHandsOn() throws {
    let workload = try Workload.built(
      .tiny(layers: 2, experts: 0), Layout(pipeline: 3, data: 1, expert: 1, gpusPerNode: 8),
      ScheduleCatalog.make(name: "gpipe", ranks: 3, microbatches: 4),
      stages: [0..<1, 1..<1, 1..<2])
    let operations = workload.programs[1].operations
    for operation in operations where operation.kind == .send {
      let used = operation.after.numbers.map { operations[$0] }
      #expect(used.map(\.kind) == [.receive])
      #expect(used.map(\.pass) == [operation.pass])
      #expect(used.map(\.microbatch) == [operation.microbatch])
    }
    #expect(operations.filter { $0.stream == .compute }.isEmpty)
  }

  /// The step of the report, and each schedule with more stages than layers on some ranks.
  @Test func everyScheduleBuildsAStepThatHoldsTogether() throws {
    for name in ScheduleCatalog.names {
      for layers in [4, 9] {
        let schedule = try ScheduleCatalog.make(name: name, ranks: 4, microbatches: 8)
        let workload = try Workload.built(
          .tiny(layers: layers, dense: 1, mtp: 1),
          Layout(pipeline: 4, data: 4, expert: 2, gpusPerNode: 2), schedule)
        #expect(throws: Never.self) {
          let read = try Workload(decoding: workload.encoded(), source: name)
          #expect(read == workload)
        }
      }
    }
  }
}
