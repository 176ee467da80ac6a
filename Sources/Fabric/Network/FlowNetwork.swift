// Flows over a topology: each waits for its start, for others to end and for its latency, then
// shares its links max-min fairly until its bytes are through.

package import Units

/// The flows of a network and the moments at which they end.
///
/// Either all at once (`add`, `wait`, then `run`) or as the network of a discrete-event simulation
/// (`start`, `nextEvent`, `advance`). Moments are seconds in doubles: ends are exact to rounding,
/// about 1e-12 of their value, and the same calls give the same bits anywhere.
///
/// **Tolerance.** With a tolerance E > 0 the rates are not recomputed at every end. A flow that
/// ends keeps its share of the links for a while, as if it had up to E of its bytes more, or gives
/// it up with up to E of them left; so a whole window of ends costs one recomputation. Guaranteed
/// is: the rates are at every moment the exact max-min rates of flows of b_i(1 + e_i) bytes, |e_i|
/// ≤ E, and the end that is told of a flow is the moment at which its own b_i bytes are through at
/// the rate that it had last. Proof: a flow that would end at t_i at its rate r_i is taken out at
/// the window's close c only if |c − t_i| ≤ E·b_i/r_i. No rate changes within a window, so by c it
/// has moved b_i + r_i(c − t_i) bytes, which is within E·b_i of b_i. A window closes before
/// anything starts, and a flow that another one waits for is taken out at its own end, so nothing
/// else is late. Hence where the flows of a bottleneck share alike, ends are within E of the exact
/// ones. Over several links no such bound holds for single ends, for this or any other change of
/// sizes: max-min sharing is not monotone, and a flow that ends a little later can let a third one
/// end earlier or later. The tests measure less than E on 48 GPUs; on 512 a few flows of 261,632
/// are off by up to 1.8 E (docs/cluster-model.md).
package struct FlowNetwork: ~Copyable {
  package typealias FlowID = Int

  /// A flow that ended, and when, in seconds.
  package struct End: Equatable, Sendable {
    package var flow: FlowID
    package var time: Double
  }

  package let topology: Topology
  package let tolerance: Double
  var sharing: FairSharing
  var flows: [Flow] = []
  /// Flows whose latency runs, by the moment at which it is over.
  var starting = LinkQueue()
  var waits: [Wait] = []
  private var free: [Int32] = []
  private var path: [Int32] = []
  private var uses: [Int32] = []

  struct Flow {
    var start: Double
    var latency: Double
    var bytes: Double
    /// The link that stands for the flow's own cap; -1 for none.
    var cap: Int32 = -1
    /// Flows that it still waits for, and the first of those that wait for it, in `waits`.
    var waitingFor: Int32 = 0
    var firstWait: Int32 = -1
    var isRecycled = false
  }

  /// A flow that waits for another, and the next one that waits for the same.
  struct Wait {
    var flow: Int32
    var next: Int32
  }

  /// - Parameters:
  ///   - tolerance: E above; 0 for exact ends.
  ///   - mostRelays: the most relays that a route has.
  package init(_ topology: Topology, tolerance: Double = 0, mostRelays: Int = 2) {
    precondition(tolerance >= 0 && tolerance < 1, "a tolerance is a share from 0 to below 1")
    self.topology = topology
    self.tolerance = tolerance
    // A leg's ports, its leaf links if they can limit, and a link for the flow's own cap.
    let leg = topology.canLimit.dropFirst(4 * topology.gpus).contains(true) ? 4 : 2
    sharing = FairSharing(
      capacities: topology.capacities, longestPath: leg * (mostRelays + 1) + 1)
  }

  // MARK: - All at once

  /// Adds a flow that is ready `start` seconds after the beginning; flows are numbered as added.
  ///
  /// - Parameters:
  ///   - bytes: not negative; without any, the flow ends when its latency is over.
  ///   - rateCap: what the flow itself cannot exceed.
  package mutating func add(
    _ route: Topology.Route, bytes: Double, start: Double = 0, rateCap: Bandwidth? = nil
  ) -> FlowID {
    describe(flows.count, route, bytes: bytes, start: start, rateCap: rateCap)
  }

  /// Makes room for flows that will be added.
  package mutating func reserve(_ count: Int) {
    flows.reserveCapacity(count)
    sharing.reserve(count)
  }

  /// Lets `flow` be ready no earlier than the end of `other`.
  package mutating func wait(_ flow: FlowID, for other: FlowID) {
    waits.append(Wait(flow: Int32(flow), next: flows[other].firstWait))
    flows[other].firstWait = Int32(waits.count - 1)
    flows[flow].waitingFor += 1
  }

  /// The end of every flow in seconds, by number; infinity for flows that wait for one another.
  package consuming func run(progress: (Int) -> Void = { _ in }) -> [Double] {
    for index in flows.indices where flows[index].waitingFor == 0 {
      starting.push(Int32(index), key: flows[index].start + flows[index].latency)
    }
    var ends = [Double](repeating: .infinity, count: flows.count)
    var ended: [End] = []
    var count = 0
    while step(until: .infinity, &ended) {
      for end in ended { ends[end.flow] = end.time }
      count += ended.count
      ended.removeAll(keepingCapacity: true)
      progress(count)
    }
    return ends
  }

  // MARK: - Event by event

  /// Starts a flow at a moment not before the last `advance`. Its number is free for another flow
  /// as soon as `advance` has told its end.
  package mutating func start(
    _ route: Topology.Route, bytes: Double, at instant: VirtualInstant, rateCap: Bandwidth? = nil
  ) -> FlowID {
    let start = Double(instant.picoseconds) / 1e12
    let number = free.popLast().map(Int.init) ?? flows.count
    let flow = describe(number, route, bytes: bytes, start: start, rateCap: rateCap)
    flows[flow].isRecycled = true
    starting.push(Int32(flow), key: start + flows[flow].latency)
    return flow
  }

  /// When `advance` is due: no flow ends and no rate changes before. Nil when nothing is under way.
  package mutating func nextEvent() -> VirtualInstant? {
    let time = nextTime()
    guard time < .infinity else { return nil }
    var instant = VirtualInstant(picoseconds: Int64((time * 1e12).rounded()))
    while Self.limit(instant) < time { instant.picoseconds += 1 }
    return instant
  }

  /// Lets time go on to the picosecond `instant` and returns what ended by then, in order.
  package mutating func advance(to instant: VirtualInstant) -> [End] {
    var ended: [End] = []
    while step(until: Self.limit(instant), &ended) {}
    ended.sort { $0.time < $1.time || ($0.time == $1.time && $0.flow < $1.flow) }
    for end in ended where flows[end.flow].isRecycled { free.append(Int32(end.flow)) }
    return ended
  }

  /// Bytes a second that a flow gets now: zero before its latency is over.
  package func rate(of flow: FlowID) -> Double { sharing.rate(of: flow) }

  /// Moments that round to the picosecond or to an earlier one.
  private static func limit(_ instant: VirtualInstant) -> Double {
    (Double(instant.picoseconds) + 0.5) / 1e12
  }

  // MARK: - Flows

  private mutating func describe(
    _ flow: Int, _ route: Topology.Route, bytes: Double, start: Double, rateCap: Bandwidth?
  ) -> Int {
    precondition(bytes >= 0 && bytes.isFinite, "a flow has a number of bytes")
    path.removeAll(keepingCapacity: true)
    uses.removeAll(keepingCapacity: true)
    for link in route.links where topology.canLimit[Int(link)] {
      if let index = path.firstIndex(of: link) {
        uses[index] += 1
      } else {
        path.append(link)
        uses.append(1)
      }
    }
    var description = Flow(
      start: start, latency: Double(route.latency.picoseconds) / 1e12, bytes: bytes)
    if let rateCap {
      description.cap = sharing.addLink(capacity: rateCap.bytesPerSecond)
      path.append(description.cap)
      uses.append(1)
    }
    sharing.describe(flow, path: path, uses: uses, bytes: bytes)
    if flow == flows.count {
      flows.append(description)
    } else {
      flows[flow] = description
    }
    return flow
  }
}
