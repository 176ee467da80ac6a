// The compute stream: segments one after the other, slower while a transfer runs beside them, and
// the bookkeeping of what the stream waited for.

internal import Workload

extension StepEngine {
  func startCompute(_ rank: Int, _ now: Int64) {
    let program = Int(ranks[rank].program)
    let next = Int(ranks[rank].compute.done)
    guard next < programs[program].segments.count else { return }
    let segment = programs[program].segments[next]
    guard isDone(segment.waits, rank) else { return }
    account(rank, segment, now)
    var time = segment.fixed
    for index in segment.routed {
      let step = programs[program].routed[Int(index)]
      time =
        time
        + costs.compute(
          step.operation, pairs: rows.pairs(rank, step.cell), overlapped: step.overlapped)
    }
    if ranks[rank].slowness != 1 {
      time.alone = Int64((Double(time.alone) * ranks[rank].slowness).rounded())
      time.besideTransfer = Int64((Double(time.besideTransfer) * ranks[rank].slowness).rounded())
    }
    ranks[rank].compute.isRunning = true
    ranks[rank].compute.start = now
    ranks[rank].compute.since = now
    ranks[rank].compute.remaining = time.alone
    ranks[rank].compute.ratio =
      time.alone > 0 ? Double(time.besideTransfer) / Double(time.alone) : 1
    let beside = ranks[rank].exchange.phase == .transferring
    ranks[rank].compute.end = now + (beside ? time.besideTransfer : time.alone)
  }

  func finishCompute(_ rank: Int, _ now: Int64) {
    let segment = programs[Int(ranks[rank].program)].segments[Int(ranks[rank].compute.done)]
    let time = now - ranks[rank].compute.start
    if let action = segment.action {
      ranks[rank].spent.add(time, to: action)
    } else {
      ranks[rank].spent.optimizer += time
    }
    ranks[rank].spent.computing += time
    if ranks[rank].isTraced {
      recorder?.record(
        rank: places.worldRank[rank], stream: .compute, operations: segment.operations,
        start: ranks[rank].compute.start, end: now, ready: ranks[rank].compute.start)
    }
    ranks[rank].compute.isRunning = false
    ranks[rank].compute.done += 1
    ranks[rank].compute.idleSince = now
  }

  /// A transfer starts or ends beside the running segment.
  func changeComputeRate(_ rank: Int, transferring: Bool, _ now: Int64) {
    guard ranks[rank].compute.isRunning else { return }
    let stream = ranks[rank].compute
    let elapsed = now - stream.since
    // So far the other rate was in force.
    let done = transferring ? elapsed : Int64((Double(elapsed) / stream.ratio).rounded())
    let remaining = max(stream.remaining - done, 0)
    ranks[rank].compute.remaining = remaining
    ranks[rank].compute.since = now
    ranks[rank].compute.end =
      now + (transferring ? Int64((Double(remaining) * stream.ratio).rounded()) : remaining)
  }

  /// Books the idle time in front of a segment: to the exchange it waited for, from the moment the
  /// rank itself was ready for it; to collectives under way; the rest is bubble.
  private func account(_ rank: Int, _ segment: Segment, _ now: Int64) {
    let idle = now - ranks[rank].compute.idleSince
    let waited = ranks[rank].collective.waited
    ranks[rank].collective.waited = 0
    guard idle > 0 else { return }
    guard let action = segment.action else {
      let bubble = min(waited, idle)
      ranks[rank].spent.bubble += bubble
      ranks[rank].spent.optimizer += idle - bubble
      ranks[rank].spent.exposedCollectives += idle - bubble
      return
    }
    let exposed = exposedTime(rank, segment.waits, idle, now)
    ranks[rank].spent.exposed += exposed
    ranks[rank].spent.add(exposed, to: action)
    ranks[rank].spent.bubble += idle - exposed
    if exposed > exposures.least {
      let program = programs[Int(ranks[rank].program)]
      let exchange = program.exchanges[Int(ranks[rank].exchange.done) - 1]
      exposures.add(
        Exposure(
          picoseconds: exposed, worldRank: places.worldRank[rank], operation: exchange.operation,
          waiting: program.operations[Int(segment.operations.lowerBound)],
          barrier: min(
            exposed, max(ranks[rank].exchange.doneStart - ranks[rank].exchange.doneReady, 0)),
          lastRank: ranks[rank].exchange.doneLastRank, start: now - exposed))
    }
  }

  /// The part of the idle time that an exchange is to blame for: while it was at its barrier or
  /// under way.
  private func exposedTime(_ rank: Int, _ waits: Waits, _ idle: Int64, _ now: Int64) -> Int64 {
    let exchange = Stream.exchange.rawValue
    guard
      waits.first.stream == exchange || waits.second.stream == exchange
        || waits.third.stream == exchange
    else { return 0 }
    let from = max(ranks[rank].exchange.doneReady, now - idle)
    return max(ranks[rank].exchange.doneEnd - from, 0)
  }
}
