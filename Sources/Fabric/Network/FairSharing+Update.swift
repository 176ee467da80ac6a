// After flows began or ended: new levels for the links that this touches, and only those.
//
// Links whose spare or weight changed are looked at from the lowest level upwards. A link whose
// level changes tells each link on which its held flows pass; a link that falls below one of its
// passing flows takes that flow over. What a link's level depends on lies below it, so that nearly
// every link is looked at once; when nothing waits any more, the state is fair by the definition in
// FairSharing.swift, whatever the order was. A great change, or one that is not settled in a
// reasonable number of looks, is filled from scratch.

extension FairSharing {
  /// Makes the rates right for the flows that are there at `now`.
  mutating func update() {
    defer { changedCount = 0 }
    guard queue.count > 0 else { return }
    if changedCount * 8 >= activeCount { return fill() }
    var looks = 0
    let enough = 64 + 16 * linkCount
    while queue.count > 0 {
      let link = queue.pop().link
      links.base[Int(link)].isQueued = false
      look(at: link)
      looks += 1
      if looks > enough { return fill() }
    }
  }

  /// Brings one link in order.
  private mutating func look(at link: Int32) {
    let entry = links.base + Int(link)
    let isOver = entry.pointee.spare < -Double(entry.pointee.slack)
    guard entry.pointee.weight > 0 || isOver else { return schedule(link) }
    var level = -Double.infinity
    if entry.pointee.weight > 0 { level = entry.pointee.spare / entry.pointee.weight }
    if level < entry.pointee.ceiling * (1 - Self.tie) { level = takeOver(link, level) }
    guard entry.pointee.weight > 0 else { return schedule(link) }
    let change = level - levels[link]
    if abs(change) > 0.1 * Self.tie * levels[link] {
      serve(link)
      levels[link] = level
      tell(link, change, level)
    }
    schedule(link)
  }

  /// Charges a change of level to the links on which the held flows pass.
  private mutating func tell(_ link: Int32, _ change: Double, _ level: Double) {
    let base = links.base
    let others = members.base[Int(link)].others
    for index in 0..<others.count {
      let other = others[index]
      guard other >= 0 else {
        tellMany(members.base[Int(link)].held[index], from: link, change, level)
        continue
      }
      let entry = base + Int(other)
      entry.pointee.spare -= change
      if entry.pointee.ceiling < level { entry.pointee.ceiling = level }
      if !entry.pointee.isQueued { enqueue(other) }
    }
  }

  private mutating func tellMany(
    _ flow: Int32, from link: Int32, _ change: Double, _ level: Double
  ) {
    let start = Int(flow) * width
    for index in start..<start + Int(linkCounts[flow]) where hops[index].link != link {
      let entry = links.base + Int(hops[index].link)
      entry.pointee.spare -= change * Double(hops[index].uses)
      entry.pointee.ceiling = max(entry.pointee.ceiling, level)
      enqueue(hops[index].link)
    }
  }

  /// Makes the link hold the passing flows that are faster than its level, the fastest first, and
  /// returns the level that this gives.
  private mutating func takeOver(_ link: Int32, _ asked: Double) -> Double {
    let entry = links.base + Int(link)
    var level = asked
    var (faster, ceiling) = passing(on: link, fasterThan: level * (1 + Self.tie))
    if faster.count > 1 {
      faster.sort { $0.rate > $1.rate || ($0.rate == $1.rate && $0.flow < $1.flow) }
    }
    for (rate, flow) in faster {
      let isFull = entry.pointee.weight > 0 || entry.pointee.spare < -Double(entry.pointee.slack)
      guard isFull, rate > level * (1 + Self.tie) else {
        ceiling = max(ceiling, rate)
        break
      }
      move(Int(flow), to: link)
      level = entry.pointee.spare / entry.pointee.weight
    }
    entry.pointee.ceiling = ceiling
    return level
  }

  /// The passing flows over a rate, and the highest rate of the others.
  private mutating func passing(
    on link: Int32, fasterThan limit: Double
  ) -> (faster: UnsafeMutableBufferPointer<Rated>, ceiling: Double) {
    let list = members.base[Int(link)].passing
    rated.grow(to: list.count + 1, filledWith: (0, 0))
    let (rated, levels, holder) = (rated.base, levels.base, holder.base)
    var count = 0
    var ceiling = 0.0
    for index in 0..<list.count {
      let (flow, other) = (list[index].flow, list[index].other)
      let rate = levels[Int(other >= 0 ? other : holder[Int(flow)])]
      // Without a branch that nobody can foresee: what is not faster is written over by the next.
      rated[count] = (rate, flow)
      let isFaster = rate > limit
      count &+= isFaster ? 1 : 0
      ceiling = max(ceiling, isFaster ? 0 : rate)
    }
    return (UnsafeMutableBufferPointer(start: rated, count: count), ceiling)
  }

  /// Hands a flow that passes on `link` over to it, at the levels that both have now.
  private mutating func move(_ flow: Int, to link: Int32) {
    let old = holder[flow]
    let rate = levels[old]
    release(flow)
    if links[link].weight == 0 { levels[link] = rate }
    let level = levels[link]
    for index in 0..<Int(linkCounts[flow]) {
      let other = hops[flow * width + index].link
      let use = Double(hops[flow * width + index].uses)
      let entry = links.base + Int(other)
      if other == link {
        entry.pointee.spare += rate * use
        unpass(flow, index, link)
        continue
      }
      entry.pointee.spare -= (other == old ? level : level - rate) * use
      entry.pointee.ceiling = max(entry.pointee.ceiling, level)
      if other == old { pass(flow, index, old) }
      enqueue(other)
    }
    hold(flow, by: link, remaining: remaining[flow])
  }
}
