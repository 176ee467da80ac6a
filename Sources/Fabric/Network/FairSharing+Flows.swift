// Flows that begin and end, and the heap of a link's held flows.

extension FairSharing {
  /// Lets a described flow take part from `now` on; `update` gives it its rate.
  mutating func start(_ flow: Int) {
    activeCount += 1
    changedCount += 1
    let count = Int(linkCounts[flow])
    precondition(count > 0, "a flow that uses no link has no rate")
    var best = (level: -Double.infinity, index: 0)
    for index in 0..<count {
      let link = links[hops[flow * width + index].link]
      let use = Double(hops[flow * width + index].uses)
      let level = link.spare / (link.weight + use)
      if index == 0 || level < best.level { best = (level, index) }
    }
    let link = hops[flow * width + best.index].link
    if links[link].weight == 0 {
      levels[link] = max(best.level, members[link].capacity * Self.tie)
    }
    hold(flow, by: link, remaining: remaining[flow])
    charge(flow, except: link, rate: levels[link])
  }

  /// The flow that ends first of all; nil when none is on its way.
  mutating func nextEnd() -> (time: Double, flow: Int)? {
    nextEnd(heldBy: calendar.earliest().link)
  }

  /// The flow that ends first of those that a link holds.
  @inline(__always) func nextEnd(heldBy link: Int32) -> (time: Double, flow: Int)? {
    let time = calendar[link]
    guard time < .infinity else { return nil }
    return (time, Int(members.base[Int(link)].held[0]))
  }

  /// Takes a flow out; the others keep their rates until `update`.
  mutating func end(_ flow: Int) {
    activeCount -= 1
    changedCount += 1
    let link = holder[flow]
    charge(flow, except: link, rate: -levels[link])
    release(flow)
    schedule(link)
    for index in 0..<Int(linkCounts[flow]) {
      let other = hops[flow * width + index].link
      if other != link { unpass(flow, index, other) }
    }
    remaining[flow] = 0
  }

  /// Adds `rate` to what a flow takes of its links other than `holder`, where it passes, and
  /// enters it there if it is new.
  private mutating func charge(_ flow: Int, except holder: Int32, rate: Double) {
    for index in 0..<Int(linkCounts[flow]) {
      let place = flow * width + index
      let link = hops[place].link
      if link != holder {
        let entry = links.base + Int(link)
        entry.pointee.spare -= rate * Double(hops[place].uses)
        entry.pointee.ceiling = max(entry.pointee.ceiling, rate)
        if rate > 0 { pass(flow, index, link) }
      }
      enqueue(link)
    }
  }

  /// Puts a link among those that `update` looks at.
  @inline(__always) mutating func enqueue(_ link: Int32) {
    let entry = links.base + Int(link)
    guard !entry.pointee.isQueued else { return }
    entry.pointee.isQueued = true
    queue.push(link, key: entry.pointee.weight > 0 ? levels[link] : entry.pointee.ceiling)
  }

  /// Notes when the link's next flow ends.
  @inline(__always) mutating func schedule(_ link: Int32) {
    let entry = members.base + Int(link)
    guard entry.pointee.held.count > 0 else {
      calendar[link] = .infinity
      return
    }
    let bytes = entry.pointee.ends[0] - entry.pointee.service
    calendar[link] = entry.pointee.servedUntil + max(0, bytes) / levels[link]
  }

  /// Counts the service of the link up to `now`, at the level it had.
  @inline(__always) func serve(_ link: Int32) {
    let entry = members.base + Int(link)
    if entry.pointee.servedUntil < now {
      entry.pointee.service += levels[link] * (now - entry.pointee.servedUntil)
      entry.pointee.servedUntil = now
    }
  }

  // MARK: - Passing

  @inline(__always) func pass(_ flow: Int, _ index: Int, _ link: Int32) {
    let entry = members.base + Int(link)
    hops[flow * width + index].place = Int32(entry.pointee.passing.count)
    entry.pointee.passing.append(
      Passing(flow: Int32(flow), other: other(than: link, of: flow)))
  }

  @inline(__always) func unpass(_ flow: Int, _ index: Int, _ link: Int32) {
    let entry = members.base + Int(link)
    let hole = hops[flow * width + index].place
    let last = entry.pointee.passing.popLast()
    guard last.flow != Int32(flow) else { return }
    entry.pointee.passing[Int(hole)] = last
    hops[Int(last.flow) * width + self.index(of: link, in: last.flow)].place = hole
  }

  /// Which of a flow's links `link` is.
  @inline(__always) func index(of link: Int32, in flow: Int32) -> Int {
    let start = hops.base + Int(flow) * width
    var index = 0
    while start[index].link != link { index &+= 1 }
    return index
  }

  // MARK: - Holding

  /// Makes `link` hold the flow, whose spare must already be without it.
  mutating func hold(_ flow: Int, by link: Int32, remaining: Double) {
    let entry = members.base + Int(link)
    if entry.pointee.held.count == 0 {
      entry.pointee.service = 0
      entry.pointee.servedUntil = now
    } else {
      serve(link)
    }
    holder[flow] = link
    links.base[Int(link)].weight += Double(
      hops[flow * width + index(of: link, in: Int32(flow))].uses)
    entry.pointee.ends.append(0)
    entry.pointee.held.append(0)
    entry.pointee.others.append(0)
    let place = Place(
      end: entry.pointee.service + remaining, flow: Int32(flow), other: other(than: link, of: flow))
    siftUp(entry, from: entry.pointee.held.count - 1, place)
  }

  /// The other link of a flow of two that it uses once each.
  func other(than link: Int32, of flow: Int) -> Int32 {
    let start = flow * width
    guard linkCounts[flow] == 2, hops[start].uses == 1, hops[start + 1].uses == 1 else {
      return Self.manyLinks
    }
    return hops[start].link == link ? hops[start + 1].link : hops[start].link
  }

  /// Takes the flow from its holder and notes the bytes it has left.
  mutating func release(_ flow: Int) {
    let link = holder[flow]
    serve(link)
    let entry = members.base + Int(link)
    let hole = Int(heldPlace[flow])
    remaining[flow] = max(0, entry.pointee.ends[hole] - entry.pointee.service)
    links.base[Int(link)].weight -= Double(
      hops[flow * width + index(of: link, in: Int32(flow))].uses)
    holder[flow] = Self.nobody
    let last = Place(
      end: entry.pointee.ends.popLast(), flow: entry.pointee.held.popLast(),
      other: entry.pointee.others.popLast())
    guard hole < entry.pointee.held.count else { return }
    if hole > 0, last.end < entry.pointee.ends[(hole - 1) >> 1] {
      siftUp(entry, from: hole, last)
    } else {
      siftDown(entry, from: hole, last)
    }
  }

  /// A held flow on its way through the heap.
  struct Place {
    var end: Double
    var flow: Int32
    var other: Int32
  }

  @inline(__always)
  private func put(_ entry: UnsafeMutablePointer<Members>, _ index: Int, _ value: Place) {
    entry.pointee.ends[index] = value.end
    entry.pointee.held[index] = value.flow
    entry.pointee.others[index] = value.other
    heldPlace[value.flow] = Int32(truncatingIfNeeded: index)
  }

  @inline(__always)
  private func get(_ entry: UnsafeMutablePointer<Members>, _ index: Int) -> Place {
    Place(
      end: entry.pointee.ends[index], flow: entry.pointee.held[index],
      other: entry.pointee.others[index])
  }

  private func siftUp(_ entry: UnsafeMutablePointer<Members>, from index: Int, _ value: Place) {
    var index = index
    while index > 0 {
      let above = (index &- 1) >> 1
      guard value.end < entry.pointee.ends[above] else { break }
      put(entry, index, get(entry, above))
      index = above
    }
    put(entry, index, value)
  }

  func siftDown(_ entry: UnsafeMutablePointer<Members>, from index: Int, _ value: Place) {
    let count = entry.pointee.held.count
    var index = index
    while true {
      var below = 2 &* index &+ 1
      guard below < count else { break }
      if below &+ 1 < count, entry.pointee.ends[below &+ 1] < entry.pointee.ends[below] {
        below &+= 1
      }
      guard entry.pointee.ends[below] < value.end else { break }
      put(entry, index, get(entry, below))
      index = below
    }
    put(entry, index, value)
  }

  /// Makes a heap of held flows that stand in any order.
  func heapify(_ link: Int32) {
    let entry = members.base + Int(link)
    let count = entry.pointee.held.count
    for index in stride(from: count / 2 - 1, through: 0, by: -1) {
      siftDown(entry, from: index, get(entry, index))
    }
    for index in 0..<count { heldPlace[entry.pointee.held[index]] = Int32(index) }
  }
}
