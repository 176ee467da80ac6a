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
      time = segment.pieces.reduce(.zero) { $0 + self.time(ofPiece: $1, rank) }
    }
    ranks[rank].compute.isRunning = true
    ranks[rank].compute.start = now
    ranks[rank].compute.since = now
    ranks[rank].compute.piece = segment.pieces.lowerBound
    ranks[rank].compute.remaining = -1
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

  /// A transfer starts or ends beside the running segment, whose operations are slowed each by its
  /// own factor.
  func changeComputeRate(_ rank: Int, transferring: Bool, _ now: Int64) {
    guard ranks[rank].compute.isRunning else { return }
    var stream = ranks[rank].compute
    let program = programs[Int(ranks[rank].program)]
    let pieces = program.segments[Int(stream.done)].pieces
    var elapsed = now - stream.since
    // So far the other rate was in force.
    var time = time(ofPiece: stream.piece, rank)
    var left = time.left(of: stream.remaining, besideTransfer: !transferring)
    while elapsed >= left && stream.piece + 1 < pieces.upperBound {
      elapsed -= left
      stream.piece += 1
      stream.remaining = -1
      time = self.time(ofPiece: stream.piece, rank)
      left = time.left(of: -1, besideTransfer: !transferring)
    }
    let done = transferring ? elapsed : Int64((Double(elapsed) / time.ratio).rounded())
    let before = stream.remaining < 0 ? time.alone : stream.remaining
    if elapsed > 0 { stream.remaining = max(before - done, 0) }
    stream.since = now
    stream.end = now + time.left(of: stream.remaining, besideTransfer: transferring)
    for next in stream.piece + 1..<pieces.upperBound {
      stream.end += self.time(ofPiece: next, rank).left(of: -1, besideTransfer: transferring)
    }
    ranks[rank].compute = stream
  }

  /// The time that one operation of a segment takes on a rank.
  private func time(ofPiece number: Int32, _ rank: Int) -> ComputeTime {
    let program = Int(ranks[rank].program)
    let piece = programs[program].pieces[Int(number)]
    var time = piece.fixed
    if piece.routed >= 0 {
      let step = programs[program].routed[Int(piece.routed)]
      time = costs.compute(
        step.operation, pairs: rows.pairs(rank, step.cell), overlapped: step.overlapped)
    }
    return ranks[rank].slowness == 1 ? time : time.scaled(by: ranks[rank].slowness)
  }

  /// Books the idle time in front of a segment: exchanges have taken theirs when they ended, the
  /// update's goes to collectives under way, the rest is bubble.
  private func account(_ rank: Int, _ segment: Segment, _ now: Int64) {
    let idle = now - ranks[rank].compute.idleSince - ranks[rank].compute.exposed
    let waited = ranks[rank].collective.waited
    ranks[rank].collective.waited = 0
    ranks[rank].compute.exposed = 0
    let bubble = segment.action == nil ? min(waited, idle) : idle
    ranks[rank].spent.bubble += bubble
    ranks[rank].spent.optimizer += idle - bubble
    ranks[rank].spent.exposedCollectives += idle - bubble
  }
}

extension ComputeTime {
  /// Beside a transfer over alone.
  fileprivate var ratio: Double {
    alone > 0 ? Double(besideTransfer) / Double(alone) : 1
  }

  fileprivate func scaled(by factor: Double) -> Self {
    Self(
      alone: Int64((Double(alone) * factor).rounded()),
      besideTransfer: Int64((Double(besideTransfer) * factor).rounded()))
  }

  /// What is left takes so long.
  ///
  /// - Parameter remaining: in time alone; −1 for all.
  fileprivate func left(of remaining: Int64, besideTransfer isBeside: Bool) -> Int64 {
    guard remaining >= 0 else { return isBeside ? besideTransfer : alone }
    return isBeside ? Int64((Double(remaining) * ratio).rounded()) : remaining
  }
}
