// Flows that share links max-min fairly: who holds which flow, and what every link has to spare.
// Progressive filling as in Bertsekas and Gallager, Data Networks (1992), section 6.5.2, kept up to
// date from event to event.
//
// In a max-min fair state every flow has a bottleneck: a link that is full and on which no flow is
// faster. One such link *holds* the flow; on its other links the flow *passes*. All flows that a
// link holds have one rate, the link's level:
//
//   level = (capacity − Σ rates of passing flows) / (number of held flows)
//
// and the state is max-min fair exactly when this is so on every link, no passing flow is faster
// than the level of a link that holds any, and no link is over its capacity. So a state is a level
// per link and a holder per flow; a change of one level costs a subtraction per held flow.
//
// What a held flow still has to send is counted against the link's service: the bytes that each of
// its held flows has got so far. A flow held at service v with b bytes left ends at service v + b,
// whatever the level does in between. The held flows are a heap of these ends.

/// The sharing of links at one moment, and the ends of flows that follow from it.
///
/// Links and flows are numbers. Bytes, bytes a second and seconds are doubles; time only goes
/// forward.
struct FairSharing: ~Copyable {
  /// What the loops over flows touch of a link: 32 bytes, two links a cache line.
  struct Link {
    /// Capacity less the rates of passing flows.
    var spare: Double
    /// Held flows; a flow that uses the link twice counts two.
    var weight: Double
    /// No passing flow is faster.
    var ceiling: Double
    /// What rounding may make of a spare of zero.
    var slack: Float
    var isQueued: Bool
  }

  /// The rest of a link.
  struct Members {
    var capacity: Double
    /// Bytes that each held flow has got, at the moment `servedUntil`.
    var service = 0.0
    var servedUntil = 0.0
    /// Held flows, a heap by the service at which each ends.
    var ends = PlainList<Double>()
    var held = PlainList<Int32>()
    /// The other link of a held flow of two links that uses each once, else `manyLinks`.
    var others = PlainList<Int32>()
    var passing = PlainList<Passing>()
  }

  /// A flow held elsewhere, and the link that holds it if it has only two, else `manyLinks`.
  struct Passing {
    var flow: Int32
    var other: Int32
  }

  /// A link of a flow's path.
  struct Hop {
    var link: Int32
    /// How often the flow uses it.
    var uses: Int32
    /// Where the flow stands among those that pass.
    var place: Int32
  }

  static let manyLinks: Int32 = -1
  static let nobody: Int32 = -1
  /// Levels this close, relatively, are the same.
  static let tie = 1e-12

  var links: Column<Link>
  var levels: Column<Double>
  var members: Column<Members>
  var linkCount: Int
  var spareLinks: [Int32] = []

  /// Of a flow: who holds it (nobody before its start and after its end) and where in the heap.
  var holder = Column<Int32>(64, filledWith: nobody)
  var heldPlace = Column<Int32>(64, filledWith: 0)
  var linkCounts = Column<Int32>(64, filledWith: 0)
  /// Bytes left, where no holder knows better.
  var remaining = Column<Double>(64, filledWith: 0)
  /// `width` places a flow.
  var hops: Column<Hop>
  let width: Int
  var flowCount = 0
  var activeCount = 0
  /// Flows that started or ended since the last update.
  var changedCount = 0

  /// A flow and its rate, and room for some.
  typealias Rated = (rate: Double, flow: Int32)
  var rated = Column<Rated>(64, filledWith: (0, 0))

  var queue = LinkQueue()
  var calendar: Calendar
  var now = 0.0
  var scratch = FillScratch()

  /// Links of the given capacities, all free; no path may have more than `longestPath` links.
  init(capacities: [Double], longestPath: Int) {
    linkCount = capacities.count
    width = max(1, longestPath)
    links = Column(linkCount, filledWith: Self.free(0))
    levels = Column(linkCount, filledWith: 0)
    members = Column(linkCount, filledWith: Members(capacity: 0))
    hops = Column(64 * width, filledWith: Hop(link: 0, uses: 0, place: 0))
    calendar = Calendar(links: linkCount)
    for (index, capacity) in capacities.enumerated() { reset(Int32(index), capacity) }
  }

  deinit {
    for link in 0..<linkCount {
      members.base[link].ends.free()
      members.base[link].held.free()
      members.base[link].others.free()
      members.base[link].passing.free()
    }
  }

  private static func free(_ capacity: Double) -> Link {
    Link(spare: capacity, weight: 0, ceiling: 0, slack: Float(capacity * tie), isQueued: false)
  }

  private mutating func reset(_ link: Int32, _ capacity: Double) {
    links[link] = Self.free(capacity)
    members.base[Int(link)].capacity = capacity
    calendar[link] = .infinity
  }

  /// A further link, such as the cap of one flow.
  mutating func addLink(capacity: Double) -> Int32 {
    let link: Int32
    if let spare = spareLinks.popLast() {
      link = spare
    } else {
      link = Int32(linkCount)
      linkCount += 1
      links.grow(to: linkCount, filledWith: Self.free(0))
      levels.grow(to: linkCount, filledWith: 0)
      members.grow(to: linkCount, filledWith: Members(capacity: 0))
      calendar.grow(to: linkCount)
    }
    reset(link, capacity)
    return link
  }

  /// Gives back a link that no flow uses.
  mutating func removeLink(_ link: Int32) { spareLinks.append(link) }

  /// Makes room for flows of lower numbers than `count`.
  mutating func reserve(_ count: Int) {
    holder.grow(to: count, filledWith: Self.nobody)
    heldPlace.grow(to: count, filledWith: 0)
    linkCounts.grow(to: count, filledWith: 0)
    remaining.grow(to: count, filledWith: 0)
    hops.grow(to: count * width, filledWith: Hop(link: 0, uses: 0, place: 0))
  }

  /// Writes down a flow under a number that is free; it begins with `start`.
  mutating func describe(
    _ flow: Int, path links: [Int32], uses counts: [Int32], bytes: Double
  ) {
    precondition(links.count <= width, "a path of more links than announced")
    if flow >= flowCount {
      flowCount = flow + 1
      reserve(flowCount)
    }
    linkCounts[flow] = Int32(links.count)
    remaining[flow] = bytes
    for index in links.indices {
      hops[flow * width + index] = Hop(link: links[index], uses: counts[index], place: 0)
    }
  }

  /// Bytes a second of a flow that has started, as of the last update.
  func rate(of flow: Int) -> Double {
    let link = holder[flow]
    return link == Self.nobody ? 0 : levels[link]
  }
}
