// When each link's next flow ends, and which is the first of them all.

/// A time per link and the earliest of them, in blocks and blocks of blocks: a change costs nothing
/// until somebody asks, and then a look through the blocks that changed.
struct Calendar: ~Copyable {
  private static let blockSize = 32
  private static let groupSize = blockSize * blockSize
  private var times: Column<Double>
  /// The earliest link of each block and of each group of blocks.
  private var first: Column<Int32>
  private var firstOfGroup: Column<Int32>
  private var isStale: Column<Bool>
  private var isGroupStale: Column<Bool>
  private var groups: Int

  init(links: Int) {
    groups = max(1, (links + Self.groupSize - 1) / Self.groupSize)
    times = Column(groups * Self.groupSize, filledWith: .infinity)
    first = Column(groups * Self.blockSize, filledWith: 0)
    firstOfGroup = Column(groups, filledWith: 0)
    isStale = Column(groups * Self.blockSize, filledWith: true)
    isGroupStale = Column(groups, filledWith: true)
  }

  mutating func grow(to links: Int) {
    let wanted = (links + Self.groupSize - 1) / Self.groupSize
    guard wanted > groups else { return }
    times.grow(to: wanted * Self.groupSize, filledWith: .infinity)
    first.grow(to: wanted * Self.blockSize, filledWith: 0)
    firstOfGroup.grow(to: wanted, filledWith: 0)
    isStale.grow(to: wanted * Self.blockSize, filledWith: true)
    isGroupStale.grow(to: wanted, filledWith: true)
    groups = wanted
  }

  /// When the link's next flow ends; infinity if it holds none.
  subscript(link: Int32) -> Double {
    @inline(__always) get { times[link] }
    @inline(__always) set {
      times[link] = newValue
      isStale[Int(link) / Self.blockSize] = true
      isGroupStale[Int(link) / Self.groupSize] = true
    }
  }

  /// The link whose flow ends first, the lowest of several.
  mutating func earliest() -> (time: Double, link: Int32) {
    var best = (time: Double.infinity, link: Int32(0))
    for group in 0..<groups {
      if isGroupStale[group] { refresh(group: group) }
      let link = firstOfGroup[group]
      if times[link] < best.time { best = (times[link], link) }
    }
    return best
  }

  private func refresh(group: Int) {
    let start = group * Self.blockSize
    var best = start
    for block in start..<start + Self.blockSize {
      if isStale[block] { refresh(block: block) }
      if times[first[block]] < times[first[best]] { best = block }
    }
    firstOfGroup[group] = first[best]
    isGroupStale[group] = false
  }

  private func refresh(block: Int) {
    let start = block * Self.blockSize
    var link = start
    for other in start + 1..<start + Self.blockSize where times[other] < times[link] {
      link = other
    }
    first[block] = Int32(link)
    isStale[block] = false
  }
}
