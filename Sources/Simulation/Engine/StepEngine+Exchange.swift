// The exchange stream: dispatch and combine start together in the whole expert group, behind a
// barrier, and end on each rank when its own rows are through.

internal import Workload

/// The barrier of one expert group.
struct GroupState {
  var arrived: Int32 = 0
  /// World rank that came last.
  var lastRank: Int32 = -1
}

extension StepEngine {
  func startExchange(_ rank: Int, _ now: Int64) {
    guard ranks[rank].exchange.phase == .idle else { return }
    let program = Int(ranks[rank].program)
    let next = Int(ranks[rank].exchange.done)
    guard next < programs[program].exchanges.count,
      isDone(programs[program].exchanges[next].waits, rank)
    else { return }
    ranks[rank].exchange.phase = .waiting
    ranks[rank].exchange.ready = now
    let group = Int(ranks[rank].group)
    groups[group].arrived += 1
    guard groups[group].arrived == places.groups[group].count else { return }
    groups[group].arrived = 0
    groups[group].lastRank = places.worldRank[rank]
    if programs[program].exchanges[next].isFirst {
      rows.fill(group: group, members: places.groups[group], programs[program].exchanges[next])
    }
    tree.set(count + group, now + costs.notify)
  }

  /// The barrier is over: the group's transfers begin.
  func beginTransfers(ofGroup group: Int, _ now: Int64) {
    tree.set(count + group, TimeTree.never)
    let members = places.groups[group]
    let first = members.lowerBound
    let step = programs[Int(ranks[first].program)].exchanges[Int(ranks[first].exchange.done)]
    traffic.add(rows.total(group, step.cell), rowBytes: costs.rowBytes(step.operation))
    for rank in members {
      let network = rows.network(rank, step.cell)
      let nvlink = rows.nvlink(rank, step.cell)
      let time = costs.exchange(step.operation, network: network, nvlink: nvlink)
      ranks[rank].exchange.phase = .transferring
      ranks[rank].exchange.start = now
      ranks[rank].exchange.lastRank = groups[group].lastRank
      ranks[rank].exchange.since = now
      ranks[rank].exchange.remaining = time.whole
      ranks[rank].exchange.networkShare =
        time.whole > 0 ? Double(time.network) / Double(time.whole) : 0
      ranks[rank].exchange.rate = exchangeRate(rank)
      ranks[rank].exchange.end = now + duration(time.whole, ranks[rank].exchange.rate)
      changeComputeRate(rank, transferring: true, now)
      shareMessages(rank, now)
      tree.set(rank, ranks[rank].nextEvent)
    }
  }

  func finishExchange(_ rank: Int, _ now: Int64) {
    if ranks[rank].isTraced {
      let step = programs[Int(ranks[rank].program)].exchanges[Int(ranks[rank].exchange.done)]
      let rowBytes = Int64(costs.rowBytes(step.operation))
      recorder?.record(
        rank: places.worldRank[rank], stream: .exchange,
        operations: step.number..<step.number + 1, start: ranks[rank].exchange.start, end: now,
        ready: ranks[rank].exchange.ready,
        bytes: PortBytes(
          network: Int64(rows.network(rank, step.cell)) * rowBytes,
          nvlink: Int64(rows.nvlink(rank, step.cell)) * rowBytes))
    }
    bookExposure(rank, now)
    ranks[rank].exchange.phase = .idle
    ranks[rank].exchange.done += 1
    changeComputeRate(rank, transferring: false, now)
    shareMessages(rank, now)
  }

  /// An exchange ends that an idle compute stream waits for, itself or one behind it: the idle time
  /// while it was at its barrier or under way is its exposure, and part of its own action.
  private func bookExposure(_ rank: Int, _ now: Int64) {
    let program = programs[Int(ranks[rank].program)]
    let next = Int(ranks[rank].compute.done)
    guard !ranks[rank].compute.isRunning, next < program.segments.count else { return }
    let segment = program.segments[next]
    let exchange = ranks[rank].exchange
    let step = program.exchanges[Int(exchange.done)]
    guard let action = step.action, segment.waits.lastExchange >= exchange.done else { return }
    let from = max(exchange.ready, ranks[rank].compute.idleSince)
    guard now > from else { return }
    ranks[rank].compute.exposed += now - from
    ranks[rank].spent.exposed += now - from
    ranks[rank].spent.add(now - from, to: action)
    guard now - from > exposures.least else { return }
    exposures.add(
      Exposure(
        picoseconds: now - from, worldRank: places.worldRank[rank], operation: step.operation,
        waiting: compiled[Int(ranks[rank].program)].operations[Int(segment.operations.lowerBound)],
        barrier: max(exchange.start - from, 0), lastRank: exchange.lastRank, start: from))
  }

  func duration(_ work: Int64, _ rate: Double) -> Int64 {
    rate == 1 ? work : Int64((Double(work) / rate).rounded())
  }
}
