// Who gets how much of a NIC: an exchange has a flow to each other node of its group, a pipeline
// message is one more, and flows share a port max-min fairly, an exchange beside compute being held
// to what its SMs can move. Each port is solved by itself; a message goes at the lower of its two.

internal import Workload

extension StepEngine {
  /// The exchange's own limit on a rank: full rate alone, less beside compute.
  private func exchangeLimit(_ rank: Int) -> Double {
    ranks[rank].compute.isRunning ? costs.overlapEfficiency : 1
  }

  /// The NIC's part that the exchange would take if it were alone on it.
  private func networkDemand(_ rank: Int) -> Double {
    ranks[rank].exchange.phase == .transferring
      ? exchangeLimit(rank) * ranks[rank].exchange.networkShare : 0
  }

  private func exchangeFlows(_ rank: Int) -> Double {
    Double(max(places.nodesOfGroup[Int(ranks[rank].group)] - 1, 1))
  }

  /// The exchange's rate where messages share its NIC, in either direction.
  func exchangeRate(_ rank: Int) -> Double {
    let limit = exchangeLimit(rank)
    let others = max(
      ranks[rank].send.isRunning && ranks[rank].send.overNetwork ? 1 : 0,
      Int(ranks[rank].incomingCount))
    guard others > 0 else { return limit }
    let demand = limit * ranks[rank].exchange.networkShare
    let flows = exchangeFlows(rank)
    let fair = flows / (flows + Double(others))
    return demand > fair ? limit * fair / demand : limit
  }

  /// A message's part of a port with `others` messages in all.
  private func messageShare(_ rank: Int, messages: Int) -> Double {
    let demand = networkDemand(rank)
    let flows = exchangeFlows(rank)
    let fair = 1 / (flows + Double(messages))
    return demand > flows * fair ? fair : (1 - demand) / Double(messages)
  }

  /// Something on the rank changed that others of its NIC feel.
  func shareLinks(_ rank: Int, _ now: Int64) {
    if ranks[rank].exchange.phase == .transferring {
      let rate = exchangeRate(rank)
      if rate != ranks[rank].exchange.rate {
        let stream = ranks[rank].exchange
        let done = Int64((Double(now - stream.since) * stream.rate).rounded())
        ranks[rank].exchange.remaining = max(stream.remaining - done, 0)
        ranks[rank].exchange.since = now
        ranks[rank].exchange.rate = rate
        ranks[rank].exchange.end = now + duration(ranks[rank].exchange.remaining, rate)
      }
    }
    shareMessages(rank, now)
  }

  /// Rates of the messages from and to a rank.
  func shareMessages(_ rank: Int, _ now: Int64) {
    if ranks[rank].send.isRunning && ranks[rank].send.overNetwork { setMessageRate(rank, now) }
    var sender = ranks[rank].firstIncoming
    while sender >= 0 {
      setMessageRate(Int(sender), now)
      if Int(sender) != rank { tree.set(Int(sender), ranks[Int(sender)].nextEvent) }
      sender = ranks[Int(sender)].send.nextIncoming
    }
  }

  private func setMessageRate(_ sender: Int, _ now: Int64) {
    let receiver = Int(ranks[sender].send.peer)
    let rate = min(
      messageShare(sender, messages: 1),
      messageShare(receiver, messages: Int(ranks[receiver].incomingCount)))
    let stream = ranks[sender].send
    guard rate != stream.rate else { return }
    // Nothing moves before the latency is over.
    let elapsed = max(now - stream.since, 0)
    ranks[sender].send.remaining =
      max(stream.remaining - Int64((Double(elapsed) * stream.rate).rounded()), 0)
    ranks[sender].send.since = max(now, stream.since)
    ranks[sender].send.rate = rate
    ranks[sender].send.end =
      ranks[sender].send.since + duration(ranks[sender].send.remaining, rate)
  }

  // MARK: Pipeline messages

  func startSend(_ rank: Int, _ now: Int64) {
    guard !ranks[rank].send.isRunning else { return }
    let program = Int(ranks[rank].program)
    let next = Int(ranks[rank].send.done)
    guard next < programs[program].sends.count,
      isDone(programs[program].sends[next].waits, rank)
    else { return }
    let step = programs[program].sends[next]
    let peer = places.index(pipeline: Int(step.operation.peer), like: rank)
    let distance = places.distance(rank, peer)
    let time = costs.message(step.operation, distance)
    ranks[rank].send.isRunning = true
    ranks[rank].send.start = now
    ranks[rank].send.peer = Int32(peer)
    ranks[rank].send.remaining = time.transfer
    ranks[rank].send.rate = 1
    ranks[rank].send.since = now + time.latency
    ranks[rank].send.end = now + time.latency + time.transfer
    ranks[rank].send.overNetwork = distance != .sameNode
    guard distance != .sameNode else { return }
    ranks[rank].send.nextIncoming = ranks[peer].firstIncoming
    ranks[peer].firstIncoming = Int32(rank)
    ranks[peer].incomingCount += 1
    shareLinks(rank, now)
    shareLinks(peer, now)
    tree.set(peer, ranks[peer].nextEvent)
  }

  func finishSend(_ rank: Int, _ now: Int64) {
    let step = programs[Int(ranks[rank].program)].sends[Int(ranks[rank].send.done)]
    let peer = Int(ranks[rank].send.peer)
    if ranks[rank].isTraced {
      let bytes = costs.messageBytes(step.operation)
      let overNetwork = ranks[rank].send.overNetwork
      recorder?.record(
        rank: places.worldRank[rank], stream: .pipeline,
        operations: step.number..<step.number + 1, start: ranks[rank].send.start, end: now,
        ready: ranks[rank].send.start,
        bytes: PortBytes(network: overNetwork ? bytes : 0, nvlink: overNetwork ? 0 : bytes))
    }
    ranks[rank].send.isRunning = false
    ranks[rank].send.done += 1
    if ranks[rank].send.overNetwork {
      removeIncoming(rank, from: peer)
      shareLinks(rank, now)
      shareLinks(peer, now)
    }
    arrived[peer * messages + Int(step.ordinal)] = true
    advance(peer, now, wasComputing: ranks[peer].compute.isRunning)
  }

  private func removeIncoming(_ sender: Int, from receiver: Int) {
    ranks[receiver].incomingCount -= 1
    let next = ranks[sender].send.nextIncoming
    if ranks[receiver].firstIncoming == Int32(sender) {
      ranks[receiver].firstIncoming = next
      return
    }
    var at = Int(ranks[receiver].firstIncoming)
    while ranks[at].send.nextIncoming != Int32(sender) { at = Int(ranks[at].send.nextIncoming) }
    ranks[at].send.nextIncoming = next
  }

  // MARK: Collectives

  func startCollective(_ rank: Int, _ now: Int64) {
    guard ranks[rank].collective.phase == .idle else { return }
    let program = Int(ranks[rank].program)
    let next = Int(ranks[rank].collective.done)
    guard next < programs[program].collectives.count,
      isDone(programs[program].collectives[next].waits, rank)
    else { return }
    let step = programs[program].collectives[next]
    ranks[rank].collective.phase = .waiting
    ranks[rank].collective.ready = now
    let id = collectives.id(program: program, step.operation, dataRank: Int(ranks[rank].dataRank))
    guard let members = collectives.arrive(rank, at: id) else { return }
    let group =
      step.operation.kind == .allReduce
      ? nil : compiled[program].groups[Int(step.operation.tokens)]
    let time = costs.collective(step.operation.kind, group)
    let bytes = recorder == nil ? .zero : costs.collectiveBytes(step.operation.kind, group)
    for member in members {
      ranks[member].collective.phase = .running
      ranks[member].collective.start = now
      ranks[member].collective.end = now + time
      ranks[member].collective.waited += now - ranks[member].collective.ready
      if ranks[member].isTraced {
        let number = programs[Int(ranks[member].program)]
          .collectives[Int(ranks[member].collective.done)].number
        recorder?.record(
          rank: places.worldRank[member], stream: .collective, operations: number..<number + 1,
          start: now, end: now + time, ready: ranks[member].collective.ready, bytes: bytes)
      }
      tree.set(member, ranks[member].nextEvent)
    }
  }
}
