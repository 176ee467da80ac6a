// Progressive filling from scratch of the links that a change can reach: all rates rise together,
// the link that is full first holds its flows at that level, the others rise on.

/// What a filling remembers between calls, so that it need not allocate.
struct FillScratch: ~Copyable {
  var links: [Int32] = []
  var flows: [Int32] = []
  var isReached = Column<Bool>(64, filledWith: false)
  var isTaken = Column<Bool>(64, filledWith: false)
}

extension FairSharing {
  /// Recomputes every link that shares flows, through any number of others, with a queued one.
  mutating func fill() {
    reach()
    for link in scratch.links {
      serve(link)
      let entry = members.base + Int(link)
      for index in 0..<entry.pointee.held.count {
        let flow = entry.pointee.held[index]
        remaining[flow] = max(0, entry.pointee.ends[index] - entry.pointee.service)
        holder[flow] = Self.nobody
      }
      let slack = links[link].slack
      links[link] = Link(
        spare: entry.pointee.capacity, weight: 0, ceiling: 0, slack: slack, isQueued: false)
    }
    for flow in scratch.flows {
      let start = Int(flow) * width
      for index in start..<start + Int(linkCounts[flow]) {
        links.base[Int(hops[index].link)].weight += Double(hops[index].uses)
      }
    }
    raise()
    rebuild()
  }

  /// Finds the links and flows of the components that queued links belong to; empties the queue.
  private mutating func reach() {
    scratch.isReached.grow(to: linkCount, filledWith: false)
    scratch.isTaken.grow(to: flowCount, filledWith: false)
    scratch.links.removeAll(keepingCapacity: true)
    scratch.flows.removeAll(keepingCapacity: true)
    for index in 0..<queue.count {
      let link = queue[index]
      if !scratch.isReached[link] {
        scratch.isReached[link] = true
        scratch.links.append(link)
      }
    }
    queue.removeAll()
    var next = 0
    while next < scratch.links.count {
      let entry = members.base + Int(scratch.links[next])
      next += 1
      for index in 0..<entry.pointee.held.count { reach(entry.pointee.held[index]) }
      for index in 0..<entry.pointee.passing.count { reach(entry.pointee.passing[index].flow) }
    }
    for link in scratch.links { scratch.isReached[link] = false }
    for flow in scratch.flows { scratch.isTaken[flow] = false }
  }

  private mutating func reach(_ flow: Int32) {
    guard !scratch.isTaken[flow] else { return }
    scratch.isTaken[flow] = true
    scratch.flows.append(flow)
    let start = Int(flow) * width
    for index in start..<start + Int(linkCounts[flow]) {
      let link = hops[index].link
      if !scratch.isReached[link] {
        scratch.isReached[link] = true
        scratch.links.append(link)
      }
    }
  }

  /// Freezes the links of `scratch` in the order of their levels.
  private mutating func raise() {
    for link in scratch.links where links[link].weight > 0 {
      queue.push(link, key: links[link].spare / links[link].weight)
    }
    var level = 0.0
    while queue.count > 0 {
      let link = queue.pop().link
      let entry = links[link]
      guard entry.weight > 0 else { continue }
      let own = entry.spare / entry.weight
      // A level only rises while lower links freeze: what the queue knows of it is a lower bound.
      if own > queue.lowestKey * (1 + Self.tie) {
        queue.push(link, key: own)
        continue
      }
      if own > level * (1 + Self.tie) { level = own }
      levels[link] = level
      let members = members[link]
      for index in 0..<members.held.count { freeze(members.held[index], link, level) }
      for index in 0..<members.passing.count { freeze(members.passing[index].flow, link, level) }
    }
  }

  @inline(__always) private func freeze(_ flow: Int32, _ link: Int32, _ level: Double) {
    guard holder[flow] == Self.nobody else { return }
    holder[flow] = link
    let start = Int(flow) &* width
    for index in start..<start &+ Int(linkCounts[flow]) where hops[index].link != link {
      let entry = links.base + Int(hops[index].link)
      let use = Double(hops[index].uses)
      entry.pointee.spare -= level * use
      entry.pointee.weight -= use
      entry.pointee.ceiling = level
    }
  }

  /// Enters every flow of `scratch` anew with its holder and where it passes.
  private mutating func rebuild() {
    for link in scratch.links {
      let entry = members.base + Int(link)
      entry.pointee.service = 0
      entry.pointee.servedUntil = now
      entry.pointee.ends.removeAll()
      entry.pointee.held.removeAll()
      entry.pointee.others.removeAll()
      entry.pointee.passing.removeAll()
    }
    for flow in scratch.flows {
      let link = holder[flow]
      for index in 0..<Int(linkCounts[flow]) {
        let other = hops[Int(flow) * width + index].link
        if other != link {
          pass(Int(flow), index, other)
          continue
        }
        let entry = members.base + Int(link)
        heldPlace[flow] = Int32(entry.pointee.held.count)
        entry.pointee.ends.append(remaining[flow])
        entry.pointee.held.append(flow)
        entry.pointee.others.append(self.other(than: link, of: Int(flow)))
      }
    }
    for link in scratch.links {
      heapify(link)
      schedule(link)
    }
  }
}
