// The links that wait to be looked at, the lowest key first.

/// A binary heap of (key, link); ties go to the lower link, so that the order is always the same.
struct LinkQueue: ~Copyable {
  private var keys = Column<Double>(64, filledWith: 0)
  private var links = Column<Int32>(64, filledWith: 0)
  private(set) var count = 0

  var lowestKey: Double { count > 0 ? keys[0] : .infinity }

  /// The link at a place of the heap, for whoever wants them all.
  subscript(index: Int) -> Int32 { links[index] }

  mutating func removeAll() { count = 0 }

  @inline(__always) mutating func push(_ link: Int32, key: Double) {
    if count == keys.capacity {
      keys.grow(to: count + 1, filledWith: 0)
      links.grow(to: count + 1, filledWith: 0)
    }
    let (keys, links) = (keys.base, links.base)
    var place = count
    count &+= 1
    while place > 0 {
      let above = (place &- 1) >> 1
      guard Self.before(key, link, keys[above], links[above]) else { break }
      keys[place] = keys[above]
      links[place] = links[above]
      place = above
    }
    keys[place] = key
    links[place] = link
  }

  /// The lowest key and its link, which leaves; not of an empty queue.
  mutating func pop() -> (key: Double, link: Int32) {
    let (keys, links) = (keys.base, links.base)
    let first = (keys[0], links[0])
    count &-= 1
    let (key, link) = (keys[count], links[count])
    var place = 0
    while true {
      var below = 2 &* place &+ 1
      guard below < count else { break }
      if below &+ 1 < count,
        Self.before(keys[below &+ 1], links[below &+ 1], keys[below], links[below])
      {
        below &+= 1
      }
      guard Self.before(keys[below], links[below], key, link) else { break }
      keys[place] = keys[below]
      links[place] = links[below]
      place = below
    }
    keys[place] = key
    links[place] = link
    return first
  }

  @inline(__always)
  private static func before(_ key: Double, _ link: Int32, _ key2: Double, _ link2: Int32) -> Bool {
    key < key2 || (key == key2 && link < link2)
  }
}
