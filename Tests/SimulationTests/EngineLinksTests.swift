// Messages and exchanges that share a NIC, collectives at the end of a step and broken hardware, in
// steps small enough to work out by hand.

import Fabric
import Simulation
import Testing
import Units
import Workload

@Suite struct EngineLinksTests {
  /// Compute, then a dispatch and a message at once, and compute that may wait for the dispatch.
  private func dispatchAndSend(computesBeside: Bool) -> [HandProgram] {
    var sender = HandProgram()
    sender.compute(0)
    sender.dispatch(9, after: [0])
    sender.send(0, to: 1, after: [0])
    sender.compute(1, after: computesBeside ? [] : [1])
    var receiver = HandProgram()
    receiver.receive(0, from: 0)
    receiver.compute(2, after: [0])
    return [sender, receiver]
  }

  /// Messages of 200 with a latency of 3 between nodes.
  private func costs(transfer: TransferTime, _ computes: [Int64]) -> HandCosts {
    var costs = HandCosts(computes)
    costs.transfers[9] = transfer
    costs.messages = [
      .sameNode: MessageTime(latency: 1, transfer: 50),
      .sameLeaf: MessageTime(latency: 3, transfer: 200),
    ]
    return costs
  }

  @Test func messageIsTheEighthFlowOfAFullPort() throws {
    let outcome = try simulate(
      dispatchAndSend(computesBeside: false), data: 8,
      costs(transfer: .network(700), [10, 1, 5]))
    // 7 flows to the other nodes and the message: 700 / (7/8) = 800. By 810 the message has moved
    // (800 − 3) / 8 = 99.6 of 200, rounded 100, the other 100 alone.
    for rank in 0..<8 {
      #expect(try outcome.times(rank, 1) == [10, 810])
      #expect(try outcome.times(rank, 2) == [10, 910])
      #expect(try outcome.times(8 + rank, 1) == [910, 915])
    }
  }

  @Test func messageTakesWhatAnExchangeHeldByItsSMsLeaves() throws {
    var costs = costs(transfer: .network(700), [10, 5000, 5])
    costs.overlapEfficiency = 0.5
    let outcome = try simulate(dispatchAndSend(computesBeside: true), data: 8, costs)
    // Beside compute the exchange takes half of the port, below its 7/8; the message the rest.
    #expect(try outcome.times(0, 1) == [10, 1410])
    #expect(try outcome.times(0, 2) == [10, 13 + 400])
  }

  @Test func messageTakesWhatAnExchangeHeldByNVLinkLeaves() throws {
    let outcome = try simulate(
      dispatchAndSend(computesBeside: false), data: 8,
      costs(transfer: TransferTime(whole: 700, network: 350), [10, 1, 5]))
    #expect(try outcome.times(0, 1) == [10, 710])
    #expect(try outcome.times(0, 2) == [10, 13 + 400])
  }

  @Test func sharesHoldFromOneSegmentToTheNext() throws {
    // A send that starts between two segments must not see the rank as idle.
    var sender = HandProgram()
    sender.compute(0)
    sender.dispatch(9, after: [0])
    sender.compute(1)
    sender.send(0, to: 1, after: [2])
    sender.compute(2)
    var receiver = HandProgram()
    receiver.receive(0, from: 0)
    var costs = HandCosts([10, 20, 1000])
    costs.transfers[9] = .network(100)
    costs.messages[.sameLeaf] = MessageTime(latency: 0, transfer: 75)
    costs.overlapEfficiency = 0.25
    let outcome = try simulate([sender, receiver], costs)
    // A quarter of the port for the exchange from 10 on, three for the message from 30 on.
    #expect(try outcome.times(0, 1) == [10, 410])
    #expect(try outcome.times(0, 3) == [30, 130])
  }

  @Test func portsAreFullDuplex() throws {
    var programs = [HandProgram(), HandProgram()]
    for rank in 0..<2 {
      programs[rank].receive(0, from: 1 - rank)
      programs[rank].compute(0)
      programs[rank].send(0, to: 1 - rank, after: [1])
    }
    let outcome = try simulate(programs, costs(transfer: .network(1), [10]))
    #expect(try outcome.times(0, 2) == [10, 213])
    #expect(try outcome.times(1, 2) == [10, 213])
  }

  @Test func messagesToOneRankShareItsPort() throws {
    var programs = [HandProgram(), HandProgram(), HandProgram()]
    programs[0].send(0, to: 1)
    programs[1].receive(0, from: 0)
    programs[1].receive(1, from: 2)
    programs[2].compute(0)
    programs[2].send(1, to: 1, after: [0])
    let outcome = try simulate(programs, costs(transfer: .network(1), [103]))
    // The first has moved 100 by 103. Half each: the other 100 take 200, to 303. The second, whose
    // latency is over at 106, has moved 98.5, rounded 99, by then, and the last 101 alone.
    #expect(try outcome.times(0, 0) == [0, 303])
    #expect(try outcome.times(2, 1) == [103, 404])
  }

  @Test func messageWithinANodeSharesNothing() throws {
    let outcome = try simulate(
      dispatchAndSend(computesBeside: false), gpusPerNode: 2,
      costs(transfer: .network(700), [10, 1, 5]))
    #expect(try outcome.times(0, 1) == [10, 710])
    #expect(try outcome.times(0, 2) == [10, 61])
  }

  @Test func waitingForCollectivesIsBubbleAndTheirTransferOptimizer() throws {
    var program = HandProgram()
    program.compute(0)
    func update(_ kind: OperationKind, after: [Int]) {
      program.operations.append(
        Operation(kind: kind, pass: .update, tokens: 0, after: Dependencies(after)))
    }
    update(.reduceScatter, after: [0])
    update(.allReduce, after: [0])
    update(.optimizer, after: [2])
    update(.allGather, after: [3])
    program.groups = [
      ParameterGroup(pipelineRanks: [0], sameExpertPlace: false, elements: 1)
    ]
    var costs = HandCosts([100])
    costs.update = ComputeTime(alone: 20, besideTransfer: 20)
    costs.collectives = [.reduceScatter: 30, .allReduce: 5, .allGather: 15]
    let outcome = try simulate([program], data: 2, costs, faults: Faults(slowGPUs: [1: 0.5]))
    // The slow rank computes to 200 and updates from 235 to 275; the fast one waits 100 in front of
    // the reduce-scatter and 20 in front of the all-gather.
    #expect(try outcome.times(0, 1) == [200, 230])
    #expect(try outcome.times(0, 2) == [230, 235])
    #expect(try outcome.times(0, 3) == [235, 255])
    #expect(try outcome.times(1, 3) == [235, 275])
    #expect(try outcome.times(0, 4) == [275, 290])
    let (fast, slow) = (outcome.step.spent[0], outcome.step.spent[1])
    #expect(fast[.forward] == 100 && fast.optimizer == 30 + 5 + 20 + 15 && fast.bubble == 120)
    #expect(slow[.forward] == 200 && slow.optimizer == 30 + 5 + 40 + 15 && slow.bubble == 0)
    #expect(fast.exposedCollectives == 50 && slow.exposedCollectives == 50)
  }

  @Test func deadNICSendsByThatOfTheNextGPU() throws {
    var program = HandProgram()
    program.dispatch(9)
    // Each source has 10 rows for each of two nodes, and 4 for each of their two GPUs.
    let rows = RoutedRows(toNode: [10, 10], toRank: [4, 4, 4, 4], pairs: [4, 4, 4, 4])
    func ends(_ dead: Set<Int>) throws -> [Int64] {
      let outcome = try simulate(
        [program], data: 4, gpusPerNode: 2, HandCosts(), rows: rows,
        faults: Faults(deadNICs: dead))
      return try (0..<4).map { try outcome.times($0, 0)[1] }
    }
    // 10 rows over the network, 4 + 4 over NVLink: 4 for the neighbour, 4 forwarded for it.
    #expect(try ends([]) == [108, 108, 108, 108])
    // Rank 0's NIC carries 20; both NVLink ports carry the 10 of rank 1 besides.
    #expect(try ends([1]) == [218, 218, 108, 108])
  }

  @Test func deadNICsOfOneNodeAllWaitForTheLastOneAlive() throws {
    var program = HandProgram()
    program.dispatch(9)
    let rows = RoutedRows(
      toNode: [10, 10], toRank: [Int32](repeating: 0, count: 8),
      pairs: [Int32](repeating: 0, count: 8))
    let outcome = try simulate(
      [program], data: 8, gpusPerNode: 4, HandCosts(), rows: rows,
      faults: Faults(deadNICs: [0, 1, 2]))
    // Rank 3 carries 4 × 10; its NVLink port 3 × 10, those of the others 10.
    let ends = try (0..<8).map { try outcome.times($0, 0)[1] }
    #expect(ends == [410, 410, 410, 430, 100, 100, 100, 100])
  }
}
