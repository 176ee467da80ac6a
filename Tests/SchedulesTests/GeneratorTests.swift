// The generators against the orders that their authors' own code produced, and over all small
// shapes against the rules every schedule keeps.

import Schedules
import Testing

@Suite struct GeneratorTests {
  @Test(arguments: Reference.all)
  func everyReferenceOrderIsReproducedOpForOp(_ reference: Reference) throws {
    let schedule = try ScheduleCatalog.make(
      name: reference.name, ranks: reference.ranks, microbatches: reference.microbatches)
    let expected = try Fixtures.text("reference/\(reference.stem).csv")
    #expect(ScheduleCSV.text(of: schedule) == expected)
  }

  @Test(arguments: ["gpipe", "1f1b", "dualpipe"], 1...8)
  func everySmallShapePassesEveryCheck(_ name: String, _ ranks: Int) throws {
    let rule = try ScheduleCatalog.microbatchRule(name: name, ranks: ranks)
    var made = 0
    for microbatches in 1...24 {
      guard rule.allows(microbatches), name != "dualpipe" || ranks % 2 == 0 else {
        #expect(throws: ScheduleError.self) {
          try ScheduleCatalog.make(name: name, ranks: ranks, microbatches: microbatches)
        }
        continue
      }
      made += 1
      let schedule = try ScheduleCatalog.make(
        name: name, ranks: ranks, microbatches: microbatches)
      #expect(schedule.ranks == ranks)
      #expect(schedule.stages == ranks)
      #expect(schedule.microbatches == microbatches)
      try expectFinishes(SchedulePlan(lowering: schedule))
      let deferred = try SchedulePlan(lowering: schedule, receives: .deferred)
      try deferred.dryRun(Transport(sends: .buffered, receives: .blocking))
    }
    // DualPipe: even m from 2 × ranks to 24, so 13 − ranks of them.
    #expect(made == (name == "dualpipe" ? (ranks % 2 == 0 ? 13 - ranks : 0) : 24))
  }

  /// With receives made at the moment of their sends, any message passing will do.
  private func expectFinishes(_ plan: SchedulePlan) throws {
    for sends in [Transport.Sends.buffered, .rendezvous] {
      for receives in [Transport.Receives.blocking, .posted] {
        try plan.dryRun(Transport(sends: sends, receives: receives))
      }
    }
    // What a reader would check of it, too.
    let again = try SchedulePlan(schedule: plan.schedule, actions: plan.actions)
    #expect(again == plan)
  }

  /// Warm-up is min(m, P − rank) forwards: 2, 2, 2, 1 on four ranks with two micro-batches.
  @Test func fewerMicrobatchesThanRanksFillThePipeOnlyPartly() throws {
    let schedule = try Schedule.oneForwardOneBackward(ranks: 4, microbatches: 2)
    #expect(
      ScheduleCSV.text(of: schedule)
        == "0F0,0F1,0B0,0B1\r\n1F0,1F1,1B0,1B1\r\n2F0,2F1,2B0,2B1\r\n3F0,3B0,3F1,3B1\r\n")
  }

  @Test func aSingleRankNeedsNoCommunication() throws {
    for name in ["gpipe", "1f1b"] {
      let schedule = try ScheduleCatalog.make(name: name, ranks: 1, microbatches: 3)
      #expect(try SchedulePlan(lowering: schedule).actions == schedule.actions)
    }
  }

  @Test func dualPipeHoldsEachStageOnTwoRanks() throws {
    let schedule = try Schedule.dualpipe(ranks: 4, microbatches: 8)
    #expect((0..<4).map { schedule.stages(onRank: $0) } == [[0, 3], [1, 2], [1, 2], [0, 3]])
    #expect((0..<4).map { schedule.ranks(holding: $0) } == [[0, 3], [1, 2], [1, 2], [0, 3]])
    // Micro-batches 0–3 enter at rank 0, 4–7 at rank 3.
    for microbatch in 0..<8 {
      let path = (0..<4).map { schedule.rank(of: Cell(stage: $0, microbatch: microbatch)) }
      #expect(path == (microbatch < 4 ? [0, 1, 2, 3] : [3, 2, 1, 0]))
    }
    #expect(schedule.microbatches(ofStage: 0, onRank: 3) == [4, 5, 6, 7])
  }

  @Test func shapesThatDualPipeCannotDoAreRefusedWithRuleAndNumbers() throws {
    for (ranks, microbatches) in [(3, 8), (4, 7), (4, 6), (0, 0), (-2, 8), (4, 9)] {
      let error = try #require(
        scheduleError { () throws(ScheduleError) in
          _ = try Schedule.dualpipe(ranks: ranks, microbatches: microbatches)
        })
      #expect(error.rule == .shape)
      #expect(
        error.message == "DualPipe needs an even number of ranks and at least 2 × ranks "
          + "micro-batches, an even number: got \(ranks) ranks and \(microbatches) micro-batches")
    }
  }

  @Test(arguments: ["gpipe", "1f1b", "dualpipe"])
  func absurdShapesAreRefusedBeforeAnythingIsAllocated(_ name: String) {
    for (ranks, count) in [(Int.max, Int.max), (1 << 40, 4), (4, 1 << 40), (0, 4), (4, 0)] {
      #expect(throws: ScheduleError.self) {
        try ScheduleCatalog.make(name: name, ranks: ranks, microbatches: count)
      }
    }
  }

  @Test func aLargePipelineIsMadeAndLoweredQuickly() throws {
    let clock = ContinuousClock()
    let spent = try clock.measure {
      let schedule = try Schedule.dualpipe(ranks: 64, microbatches: 512)
      let plan = try SchedulePlan(lowering: schedule)
      try plan.dryRun(Transport(sends: .rendezvous))
    }
    #expect(spent < .seconds(5))
  }
}

@Suite struct CatalogTests {
  @Test func anUnknownNameIsAnsweredWithTheNamesAndTheNearest() throws {
    let error = try #require(
      scheduleError { () throws(ScheduleError) in
        _ = try ScheduleCatalog.make(name: "DualPip", ranks: 4, microbatches: 8)
      })
    #expect(error.rule == .name)
    #expect(
      error.message
        == "there is no schedule `DualPip`; there are gpipe, 1f1b, dualpipe; "
        + "did you mean `dualpipe`?")
    let far = scheduleError { () throws(ScheduleError) in
      _ = try ScheduleCatalog.microbatchRule(name: "xxxxxxxxxxxxxxx", ranks: 4)
    }
    #expect(
      far?.message == "there is no schedule `xxxxxxxxxxxxxxx`; there are gpipe, 1f1b, dualpipe")
  }

  @Test func aBatchRampRoundsToWhatTheScheduleTakes() throws {
    let dualpipe = try ScheduleCatalog.microbatchRule(name: "dualpipe", ranks: 4)
    #expect(dualpipe == MicrobatchRule(minimum: 8, multiple: 2))
    #expect([1, 7, 8, 9, 15].map(dualpipe.roundedDown) == [8, 8, 8, 8, 14])
    let any = try ScheduleCatalog.microbatchRule(name: "1f1b", ranks: 4)
    #expect([0, 1, 7].map(any.roundedDown) == [1, 1, 7])
  }
}
