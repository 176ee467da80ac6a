// The slow and obvious max-min sharing that the fast one is compared with: at every event all rates
// from scratch, all flows looked at, nothing remembered.

import Fabric
import Units

/// Progressive filling (Bertsekas and Gallager, Data Networks, 6.5.2) from event to event.
struct NetworkReference {
  var ends: [Double]
  /// Rates at each event, for tests of the rates themselves.
  var states: [(time: Double, rates: [Int: Double])] = []

  init(_ scenario: NetworkScenario) throws {
    let routes = try scenario.flows.indices.map { try scenario.route(of: $0) }
    let flows = scenario.flows
    ends = Array(repeating: .infinity, count: flows.count)
    var left: [Int: Double] = [:]
    var hasStarted = Set<Int>()
    var now = 0.0
    while ends.contains(.infinity) {
      let rates = Self.rates(left.keys.sorted(), scenario, routes)
      states.append((now, rates))
      var next = Double.infinity
      for (flow, bytes) in left { next = min(next, now + bytes / (rates[flow] ?? 0)) }
      var begins: [Int: Double] = [:]
      for (index, flow) in flows.enumerated() where !hasStarted.contains(index) {
        let ready = flow.after.map { ends[$0] }.reduce(flow.start, max)
        begins[index] = ready + Double(routes[index].latency.picoseconds) / 1e12
        next = min(next, begins[index] ?? .infinity)
      }
      guard next < .infinity else { break }
      for (flow, bytes) in left {
        let rate = rates[flow] ?? 0
        if now + bytes / rate <= next * (1 + 1e-14) {
          left[flow] = nil
          ends[flow] = next
        } else {
          left[flow] = bytes - rate * (next - now)
        }
      }
      now = next
      for (flow, begin) in begins where begin <= now * (1 + 1e-14) {
        hasStarted.insert(flow)
        if flows[flow].bytes > 0 { left[flow] = flows[flow].bytes } else { ends[flow] = begin }
      }
    }
  }

  /// All rates rise together until a link is full or a cap reached, whose flows then stay.
  static func rates(
    _ active: [Int], _ scenario: NetworkScenario, _ routes: [Topology.Route]
  ) -> [Int: Double] {
    var rates: [Int: Double] = [:]
    var spare = scenario.topology.capacities
    var rising = Set(active)
    while !rising.isEmpty {
      var users = [Int](repeating: 0, count: spare.count)
      for flow in rising { for link in routes[flow].links { users[Int(link)] += 1 } }
      var level = Double.infinity
      for link in spare.indices where users[link] > 0 {
        level = min(level, max(0, spare[link]) / Double(users[link]))
      }
      for flow in rising {
        level = min(level, scenario.flows[flow].rateCap?.bytesPerSecond ?? .infinity)
      }
      let full = Set(
        spare.indices.filter {
          users[$0] > 0 && spare[$0] / Double(users[$0]) <= level * (1 + 1e-12)
        })
      for flow in rising.sorted() {
        let cap = scenario.flows[flow].rateCap?.bytesPerSecond ?? .infinity
        guard cap <= level || routes[flow].links.contains(where: { full.contains(Int($0)) })
        else { continue }
        rates[flow] = level
        rising.remove(flow)
        for link in routes[flow].links { spare[Int(link)] -= level }
      }
    }
    return rates
  }
}

/// Numbers of a seed, for scenarios that are always the same.
struct NetworkDice {
  private var state: UInt64

  init(_ seed: Int) { state = UInt64(seed) &* 0x9E37_79B9_7F4A_7C15 &+ 12345 }

  /// A number in 0..<count.
  mutating func below(_ count: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int(state >> 33) % count
  }

  mutating func pick<Value>(_ values: [Value]) -> Value { values[below(values.count)] }
}

extension NetworkScenario {
  /// A small network with up to 60 flows of all kinds: chains, joins, caps, relays, arrivals, equal
  /// and unequal sizes, none at all, oversubscribed leaves and hashed spines.
  static func random(_ seed: Int) throws -> NetworkScenario {
    var dice = NetworkDice(seed)
    let perNode = dice.pick([1, 2, 4])
    let nodes = dice.pick([2, 3, 4, 6])
    let isFast = dice.below(2) == 0
    func latency(_ value: Double) -> VirtualDuration {
      VirtualDuration(microseconds: isFast ? 0 : value)
    }
    let topology = try Topology(
      .init(
        nodes: nodes, gpusPerNode: perNode,
        nvlink: Bandwidth(gigabytesPerSecond: dice.pick([160, 90, 50])),
        nic: Bandwidth(gigabytesPerSecond: dice.pick([50, 25, 7])),
        nodesPerLeaf: dice.pick([1, 2, 4, 32]), oversubscription: dice.pick([1, 1.5, 2, 4, 0.5]),
        fabric: dice.pick([.multiRail, .multiRail, .multiPlane(planes: 4, down: 1)]),
        routing: dice.pick([.adaptive, .adaptive, .hashed(spines: 1), .hashed(spines: 3)]),
        latency: .init(nvlink: latency(3.33), sameLeaf: latency(2.8), crossLeaf: latency(3.7))))
    let gpus = nodes * perNode
    let sizes = dice.pick([[1e6], [1e6, 2e6, 3e6], []])
    var flows: [Flow] = []
    for index in 0..<2 + dice.below(58) {
      var stops = [dice.below(gpus)]
      for _ in 0..<1 + (dice.below(4) == 0 ? 1 + dice.below(3) : 0) {
        var next = dice.below(gpus)
        while next == stops[stops.count - 1] { next = dice.below(gpus) }
        stops.append(next)
      }
      let bytes = sizes.isEmpty ? Double(1 + dice.below(5_000_000)) : dice.pick(sizes)
      flows.append(
        Flow(
          start: dice.below(3) == 0 ? Double(dice.below(200)) * 1e-6 : 0,
          source: stops[0], target: stops[stops.count - 1],
          bytes: dice.below(20) == 0 ? 0 : bytes,
          after: index > 0 && dice.below(4) == 0
            ? (0...dice.below(3)).map { _ in dice.below(index) } : [],
          via: Array(stops.dropFirst().dropLast()),
          rateCap: dice.below(8) == 0
            ? Bandwidth(gigabytesPerSecond: Double(1 + dice.below(40))) : nil))
    }
    return NetworkScenario(name: "random \(seed)", topology: topology, flows: flows)
  }
}
