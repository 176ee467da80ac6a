// What a transfer and the compute beside it do to each other, barriers, and how the waiting is
// booked, in steps small enough to work out by hand.

import Fabric
import Simulation
import Testing
import Units
import Workload

@Suite struct EngineOverlapTests {
  /// Compute of layer 0, a dispatch behind it and compute of layer 1 beside that.
  private func dispatchBesideCompute() -> HandProgram {
    var program = HandProgram()
    program.compute(0)
    program.dispatch(9, after: [0])
    program.compute(1)
    return program
  }

  @Test func computeIsSlowedBesideATransferInItsMiddle() throws {
    var costs = HandCosts([20])
    costs.computes[1] = ComputeTime(alone: 100, besideTransfer: 150)
    costs.transfers[9] = .network(60)
    costs.notify = 30
    let outcome = try simulate([dispatchBesideCompute()], costs)
    // The transfer runs from 20 + 30 to 110. By 50 the compute has done 30 of 100, by 110 another
    // 60 / 1.5 = 40, and the last 30 alone end at 140.
    #expect(try outcome.times(0, 1) == [50, 110])
    #expect(try outcome.times(0, 2) == [20, 140])
  }

  @Test func exchangeIsSlowedBesideCompute() throws {
    var costs = HandCosts([20, 100])
    costs.transfers[9] = .network(60)
    costs.notify = 30
    costs.overlapEfficiency = 0.5
    let outcome = try simulate([dispatchBesideCompute()], costs)
    // Compute runs from 20 to 120. By then half of the 70 since 50 is through; the other 25 alone.
    #expect(try outcome.times(0, 2) == [20, 120])
    #expect(try outcome.times(0, 1) == [50, 145])
  }

  @Test func computeAndExchangeSlowEachOther() throws {
    var costs = HandCosts([20])
    costs.computes[1] = ComputeTime(alone: 100, besideTransfer: 200)
    costs.transfers[9] = .network(80)
    costs.notify = 30
    costs.overlapEfficiency = 0.5
    let outcome = try simulate([dispatchBesideCompute()], costs)
    // At 50 the compute has 70 left, which take 140: to 190. The transfer has moved 140 / 2 = 70 of
    // 80 then, and ends at 200.
    #expect(try outcome.times(0, 2) == [20, 190])
    #expect(try outcome.times(0, 1) == [50, 200])
  }

  @Test func operationsOfOneSegmentAreSlowedEachByItsOwnFactor() throws {
    var program = dispatchBesideCompute()
    program.compute(2)
    var costs = HandCosts([20])
    costs.computes[1] = ComputeTime(alone: 100, besideTransfer: 100)
    costs.computes[2] = ComputeTime(alone: 100, besideTransfer: 200)
    costs.transfers[9] = .network(100)
    let outcome = try simulate([program], costs)
    // The transfer runs from 20 to 120, beside layer 1 only, which it doesn't slow down.
    #expect(try outcome.times(0, 1) == [20, 120])
    #expect(outcome.end == 220)
  }

  @Test func groupStartsWhenItsLastRankComesAndTheExposureNamesIt() throws {
    var program = HandProgram()
    program.compute(0)
    program.dispatch(9, after: [0])
    program.compute(1, after: [1])
    var costs = HandCosts([100, 10])
    costs.transfers[9] = .network(40)
    costs.notify = 7
    let outcome = try simulate(
      [program], data: 3, costs, faults: Faults(slowGPUs: [1: 0.5]))
    // Rank 1 takes 200 for its first compute; the transfer runs from 207 to 247 on all.
    for rank in 0..<3 { #expect(try outcome.times(rank, 1) == [207, 247]) }
    let exposures = outcome.step.exposures.sorted { $0.worldRank < $1.worldRank }
    #expect(exposures.map(\.worldRank) == [0, 1, 2])
    #expect(exposures.map(\.picoseconds) == [147, 47, 147])
    #expect(exposures.map(\.barrier) == [107, 7, 107])
    #expect(exposures.map(\.start) == [100, 200, 100])
    #expect(exposures.allSatisfy { $0.lastRank == 1 && $0.waiting.layer == 1 })
    // Rank 1 ends 10 later than the others, whose compute isn't slow.
    #expect(outcome.step.bubbles.map(\.picoseconds) == [10, 0, 10])
  }

  @Test func waitThatBeginsAtTheBarrierIsSplitThere() throws {
    var program = dispatchBesideCompute()
    program.compute(2, after: [1])
    var costs = HandCosts([10, 15, 5])
    costs.transfers[9] = .network(30)
    costs.notify = 20
    let outcome = try simulate([program], costs)
    // Barrier 10 to 30, transfer to 60; the rank idles from 25 on, 5 of that at the barrier.
    let exposure = try #require(outcome.step.exposures.first)
    #expect(exposure.picoseconds == 35 && exposure.barrier == 5 && exposure.start == 25)
    #expect(outcome.step.spent[0].exposed == 35)
  }

  @Test func exchangeBelongsToItsOwnAction() throws {
    // The forward's combine is still under way when the backward's first exchange queues behind
    // it; the backward's compute waits for the second only.
    var program = HandProgram()
    program.compute(0)
    program.dispatch(8, after: [0])
    program.actions.append(.backward)
    program.dispatch(9, after: [0])
    program.compute(1, after: [2])
    var costs = HandCosts([10, 10])
    costs.transfers = [8: .network(50), 9: .network(30)]
    let outcome = try simulate([program], costs)
    let spent = outcome.step.spent[0]
    #expect(outcome.end == 10 + 50 + 30 + 10)
    #expect(spent[.forward] == 10 + 50 && spent[.backward] == 30 + 10)
    #expect(spent.exposed == 80 && spent.bubble == 0)
  }

  @Test func onlyTheAwaitedExchangeIsToBlame() throws {
    // The second rank's compute waits for its exchange 10 … 60 and for a message that lands at 200;
    // another exchange, 60 … 90, is over by then, but nobody waited for it.
    var first = HandProgram()
    first.compute(3)
    first.send(0, to: 1, after: [0])
    var second = HandProgram()
    second.receive(0, from: 0)
    second.compute(0)
    second.dispatch(8, after: [1])
    second.dispatch(9, after: [1])
    second.compute(1, after: [0, 2])
    var costs = HandCosts([10, 10])
    costs.computes[3] = ComputeTime(alone: 200, besideTransfer: 200)
    costs.transfers = [8: .network(50), 9: .network(30)]
    let outcome = try simulate([first, second], costs)
    let spent = outcome.step.spent[1]
    #expect(outcome.end == 210)
    #expect(spent[.forward] == 10 + 50 + 10)
    #expect(spent.exposed == 50 && spent.bubble == 140)
  }
}
