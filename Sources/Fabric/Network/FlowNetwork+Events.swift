// What happens next in a network: flows that end, flows whose latency is over, and then new rates.

extension FlowNetwork {
  /// Moments this close, relatively, are one: rounding must not make two events of one.
  private static let simultaneous = 1 + 1e-13

  /// When something ends or begins to use its links.
  mutating func nextTime() -> Double {
    min(starting.lowestKey, sharing.nextEnd()?.time ?? .infinity)
  }

  /// Does what happens next, if it happens by `limit`; appends what ended.
  mutating func step(until limit: Double, _ ended: inout [End]) -> Bool {
    let first = nextTime()
    guard first <= limit, first < .infinity else { return false }
    let now = endFlows(from: first, until: limit, &ended)
    sharing.now = now
    while starting.lowestKey <= now * Self.simultaneous {
      let (time, flow) = starting.pop()
      if flows[Int(flow)].bytes > 0 {
        sharing.start(Int(flow))
      } else {
        finish(Int(flow), at: time, &ended)
      }
    }
    sharing.update()
    return true
  }

  /// Ends the flows of one moment, or of one window of the tolerance; the moment of new rates.
  private mutating func endFlows(
    from first: Double, until limit: Double, _ ended: inout [End]
  ) -> Double {
    let latest = min(limit, starting.lowestKey)
    var close = tolerance > 0 ? max(first, latest) : first
    let together = first * Self.simultaneous
    while let (time, flow) = sharing.nextEnd() {
      if time > together {
        // Late by what is left of the window, or early by what it lacks.
        guard tolerance > 0, time <= latest, time - slack(of: flow) <= close else { break }
      }
      if tolerance > 0 { close = min(close, time + slack(of: flow)) }
      let link = sharing.holder[flow]
      take(flow, at: time, &ended)
      // Many flows of a link often end at once: no need to look at all links for each.
      while let (time, flow) = sharing.nextEnd(heldBy: link), time <= together {
        if tolerance > 0 { close = min(close, time + slack(of: flow)) }
        take(flow, at: time, &ended)
      }
      // What waits for these flows may start before the window would close.
      close = max(first, min(close, starting.lowestKey))
    }
    return close < .infinity ? close : first
  }

  private mutating func take(_ flow: Int, at time: Double, _ ended: inout [End]) {
    sharing.end(flow)
    finish(flow, at: time, &ended)
  }

  /// How long a flow may keep its links after its end, or leave them before it.
  private mutating func slack(of flow: Int) -> Double {
    if flows[flow].firstWait >= 0 { return 0 }
    return tolerance * flows[flow].bytes / sharing.rate(of: flow)
  }

  /// Tells the end of a flow to those that wait for it.
  private mutating func finish(_ flow: Int, at time: Double, _ ended: inout [End]) {
    ended.append(End(flow: flow, time: time))
    if flows[flow].cap >= 0 { sharing.removeLink(flows[flow].cap) }
    var next = flows[flow].firstWait
    while next >= 0 {
      let follower = Int(waits[Int(next)].flow)
      flows[follower].start = max(flows[follower].start, time)
      flows[follower].waitingFor -= 1
      if flows[follower].waitingFor == 0 {
        starting.push(
          Int32(follower), key: flows[follower].start + flows[follower].latency)
      }
      next = waits[Int(next)].next
    }
  }
}
