// Lowering against the files that PyTorch's own lowering wrote, and the checks of a plan whose
// communication came from elsewhere.

import Schedules
import Testing

@Suite struct LoweringTests {
  static let files = [
    "1f1b_pp4_mb8", "gpipe_pp4_mb8", "interleaved1f1b_pp4_mb8", "interleavedzerobubble_pp4_mb8",
    "loopedbfs_pp4_mb8", "zbvzerobubble_pp4_mb8", "dualpipev_pp4_mb8", "dualpipev_pp4_mb10",
  ]

  /// The lists of a file by plain string cutting, without FSDP's cells: independent of the reader.
  private func cells(_ path: String) throws -> [[String]] {
    try Fixtures.text(path).split(whereSeparator: \.isNewline).map { line in
      line.split(separator: ",").map(String.init).filter {
        !$0.contains("SHARD") && !$0.contains("REDUCE_GRAD")
      }
    }
  }

  private func texts(_ plan: SchedulePlan) -> [[String]] {
    plan.actions.map { $0.map(\.description) }
  }

  @Test(arguments: ["1f1b_pp4_mb8", "gpipe_pp4_mb8", "interleavedzerobubble_pp4_mb8"])
  func sendsAndReceivesStandWherePyTorchPutsThem(_ file: String) throws {
    let bytes = try Fixtures.bytes("pytorch/\(file)_compute.csv")
    let plan = try ScheduleCSV.read(bytes, name: file)
    #expect(texts(plan) == (try cells("pytorch/\(file)_comms.csv")))
  }

  /// PyTorch lowers with FSDP's UNSHARD and RESHARD among the actions, each of which takes a turn.
  /// Where those are uneven over the ranks, receives stand a few places elsewhere; all else is
  /// equal.
  @Test(arguments: files)
  func sendsFollowTheirComputeAndReceivesAreTheSameAsInPyTorch(_ file: String) throws {
    let bytes = try Fixtures.bytes("pytorch/\(file)_compute.csv")
    let plan = try ScheduleCSV.read(bytes, name: file)
    for (ours, theirs) in zip(texts(plan), try cells("pytorch/\(file)_comms.csv")) {
      #expect(ours.filter { !$0.contains("RECV") } == theirs.filter { !$0.contains("RECV") })
      #expect(ours.sorted() == theirs.sorted())
    }
    try plan.dryRun(Transport(sends: .rendezvous))
  }

  @Test(arguments: files)
  func deferredReceivesStandWherePyTorchPutsThem(_ file: String) throws {
    let bytes = try Fixtures.bytes("pytorch/\(file)_compute.csv")
    let schedule = try ScheduleCSV.read(bytes, name: file).schedule
    let plan = try SchedulePlan(lowering: schedule, receives: .deferred)
    #expect(texts(plan) == (try cells("pytorch/\(file)_comms_deferred.csv")))
  }

  @Test(arguments: files, ["_comms", "_comms_deferred"])
  func plansWrittenByPyTorchPassTheChecks(_ file: String, _ form: String) throws {
    let bytes = try Fixtures.bytes("pytorch/\(file)\(form).csv")
    let plan = try ScheduleCSV.read(bytes, name: file)
    #expect(texts(plan) == (try cells("pytorch/\(file)\(form).csv")))
  }

  @Test func everyMessageHasItsOwnTagAndBothEndsAgree() throws {
    let plan = try SchedulePlan(lowering: .dualpipe(ranks: 4, microbatches: 10))
    var ends: [Int: [(rank: Int, peer: Int, isSend: Bool)]] = [:]
    for (rank, list) in plan.actions.enumerated() {
      for action in list {
        guard let tag = plan.tag(of: action), let peer = plan.peer(of: action, onRank: rank) else {
          #expect(!action.isCommunication)
          continue
        }
        ends[tag, default: []].append((rank, peer, action.isSend))
      }
    }
    // Each of 10 micro-batches crosses 3 boundaries down and 3 back.
    #expect(ends.count == 60)
    for pair in ends.values {
      #expect(pair.count == 2)
      #expect(pair[0].isSend != pair[1].isSend)
      #expect(pair[0].rank == pair[1].peer && pair[1].rank == pair[0].peer)
    }
  }

  @Test func bothHalvesOfAPairAreSentAfterIt() throws {
    let plan = try SchedulePlan(lowering: .dualpipe(ranks: 4, microbatches: 8))
    let list = plan.actions[1]
    let pair = try #require(
      list.firstIndex { if case .overlapped = $0 { true } else { false } })
    guard case .overlapped(let forward, let backward) = list[pair] else { return }
    #expect(list[pair + 1] == .sendForward(forward))
    #expect(list[pair + 2] == .sendBackward(backward))
  }

  /// Deferred, rank 2 forwards twice and sends before it receives (`2F0 2SEND_F0 2F1 2SEND_F1 …
  /// 2RECV_B0`), while rank 3 sends `3SEND_B0` before it receives again: each waits for the other.
  @Test func deferredReceivesNeedBufferedSends() throws {
    let schedule = try Schedule.oneForwardOneBackward(ranks: 4, microbatches: 8)
    let plan = try SchedulePlan(lowering: schedule, receives: .deferred)
    try plan.dryRun(Transport(sends: .buffered))
    let error = try #require(
      scheduleError { () throws(ScheduleError) in
        try plan.dryRun(Transport(sends: .rendezvous))
      })
    #expect(error.rule == .deadlock)
    #expect(
      error.message == "rank 2 waits at action 5 `2SEND_F1` for `3RECV_F1` from rank 3, "
        + "which waits at action 3 `3SEND_B0` for `2RECV_B0` from rank 2")
    #expect(error.grid?.contains(">") == true)
  }

  @Test func evaluationRunsTheForwardsOnly() throws {
    let schedule = try Schedule.dualpipe(ranks: 4, microbatches: 8).forwardOnly
    #expect(schedule.purpose == .evaluation)
    let plan = try SchedulePlan(lowering: schedule)
    try plan.dryRun(Transport(sends: .rendezvous))
    let computed = plan.actions.joined().filter { !$0.isCommunication }
    #expect(computed.count == 32)
    #expect(computed.allSatisfy { if case .forward = $0 { true } else { false } })
    // Eight micro-batches over three boundaries, a send and a receive each.
    #expect(plan.actions.joined().count - computed.count == 8 * 3 * 2)
  }
}

@Suite struct PlanCheckTests {
  /// Two ranks, one micro-batch; each broken in one way.
  static let broken: [(text: String, rule: ScheduleError.Rule, says: String)] = [
    (
      "0F0,0SEND_F0,0RECV_B0,0B0\n1F0,1B0,1SEND_B0", .communication,
      "`1F0` comes without a `1RECV_F0` before it"
    ),
    (
      "0F0,0RECV_B0,0B0\n1RECV_F0,1F0,1B0,1SEND_B0", .communication,
      "`1RECV_F0`: rank 0 has no `0SEND_F0`"
    ),
    (
      "0SEND_F0,0F0,0RECV_B0,0B0\n1RECV_F0,1F0,1B0,1SEND_B0", .communication,
      "`0SEND_F0` is sent before it is made"
    ),
    (
      "0F0,0SEND_F0,0SEND_F0,0RECV_B0,0B0\n1RECV_F0,1F0,1B0,1SEND_B0", .communication,
      "`0SEND_F0` is sent a second time"
    ),
    (
      "0F0,0SEND_F0,0RECV_B0,0B0\n1RECV_F0,1RECV_F0,1F0,1B0,1SEND_B0", .communication,
      "`1RECV_F0` is received a second time"
    ),
    (
      "0F0,0SEND_F0,1SEND_B0,0RECV_B0,0B0\n1RECV_F0,1F0,1B0", .communication,
      "`1SEND_B0` belongs on rank 1"
    ),
    (
      "0F0,0SEND_F0,0SEND_B0,0RECV_B0,0B0\n1RECV_F0,1F0,1B0,1SEND_B0", .communication,
      "no such neighbour"
    ),
    (
      "0F0,0SEND_F0,0RECV_B0,0B0\n1RECV_F0,1F0,1B0,1SEND_B0,9SEND_F0", .communication,
      "no such neighbour"
    ),
    (
      "0F0,0RECV_B0,0SEND_F0,0B0\n1RECV_F0,1F0,1B0,1SEND_B0", .deadlock,
      "rank 0 waits at action 1 `0RECV_B0` for `1SEND_B0` from rank 1, "
        + "which waits at action 0 `1RECV_F0` for `0SEND_F0` from rank 0"
    ),
  ]

  @Test(arguments: broken)
  func brokenCommunicationIsRefused(
    _ text: String, _ rule: ScheduleError.Rule, _ says: String
  ) throws {
    let error = try #require(
      scheduleError { () throws(ScheduleError) in _ = try ScheduleCSV.read(text, name: "broken") })
    #expect(error.rule == rule)
    #expect(error.message.contains(says), "\(error)")
    #expect(error.grid?.contains(">") == true)
    #expect(error.textPosition != nil)
  }

  @Test func receivesPostedEarlyFinishOnlyWhereReceivesArePosted() throws {
    let text = "0RECV_B0,0F0,0SEND_F0,0B0\n1RECV_F0,1F0,1B0,1SEND_B0\n"
    let posted = Transport(sends: .rendezvous, receives: .posted)
    _ = try ScheduleCSV.read(text, name: "posted", transport: posted)
    let error = scheduleError { () throws(ScheduleError) in
      _ = try ScheduleCSV.read(text, name: "posted")
    }
    #expect(error?.rule == .deadlock)
  }
}
