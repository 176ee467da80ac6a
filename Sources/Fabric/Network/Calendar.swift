// When each link's next flow ends, and which is the first of them all.

/// A time per link and the earliest of them, in blocks: a change costs nothing until somebody asks,
/// and then a look through the blocks that changed.
struct Calendar: ~Copyable {
  private static let blockSize = 32
  private var times: Column<Double>
  private var first: Column<Int32>
  private var isStale: Column<Bool>
  private var blocks: Int

  init(links: Int) {
    blocks = max(1, (links + Self.blockSize - 1) / Self.blockSize)
    times = Column(blocks * Self.blockSize, filledWith: .infinity)
    first = Column(blocks, filledWith: 0)
    isStale = Column(blocks, filledWith: true)
  }

  mutating func grow(to links: Int) {
    let wanted = (links + Self.blockSize - 1) / Self.blockSize
    guard wanted > blocks else { return }
    times.grow(to: wanted * Self.blockSize, filledWith: .infinity)
    first.grow(to: wanted, filledWith: 0)
    isStale.grow(to: wanted, filledWith: true)
    for block in blocks..<wanted { isStale[block] = true }
    blocks = wanted
  }

  /// When the link's next flow ends; infinity if it holds none.
  subscript(link: Int32) -> Double {
    @inline(__always) get { times[link] }
    @inline(__always) set {
      times[link] = newValue
      isStale[Int(link) / Self.blockSize] = true
    }
  }

  /// The link whose flow ends first, the lowest of several.
  mutating func earliest() -> (time: Double, link: Int32) {
    var best = (time: Double.infinity, link: Int32(0))
    for block in 0..<blocks {
      if isStale[block] { refresh(block) }
      let link = first[block]
      if times[link] < best.time { best = (times[link], link) }
    }
    return best
  }

  private func refresh(_ block: Int) {
    let start = block * Self.blockSize
    var link = start
    for other in start + 1..<start + Self.blockSize where times[other] < times[link] {
      link = other
    }
    first[block] = Int32(link)
    isStale[block] = false
  }
}
