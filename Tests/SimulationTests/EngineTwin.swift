// A second event simulator, slow and plain: real numbers, dictionaries, every rate worked out anew
// at every event from what runs at that moment. It shares no code and no data structure with the
// engine; both follow the same description (docs/cluster-model.md).

import Fabric
import ModelSpec
import Simulation
import Units
import Workload

/// One operation of a rank under way.
struct TwinActivity {
  enum Phase { case waiting, delayed, moving }

  var number: Int
  var phase: Phase
  /// Before anything moves.
  var delay = 0.0
  /// In time alone, at full rate.
  var left = 0.0
  /// Beside a transfer over alone, for compute; the NIC's part of the time, for an exchange.
  var factor = 1.0
  var ready: Double
  var start: Double
}

/// What a rank has done.
struct TwinEvent {
  var number: Int
  var ready: Double
  var start: Double
  var end: Double
}

struct TwinRank {
  let pipeline: Int
  let data: Int
  let slowness: Double
  /// Numbers of operations that are still to start, by stream; receives happen to a rank.
  var queues: [Stream: [Int]] = [:]
  var done: Set<Int> = []
  var active: [Stream: TwinActivity] = [:]
  var history: [Stream: [TwinEvent]] = [:]
}

struct EngineTwin<Costs: StepCosting> {
  let workload: Workload
  let costs: Costs
  let nodesPerLeaf: Int
  private(set) var ranks: [TwinRank] = []
  private(set) var now = 0.0

  init(_ workload: Workload, costs: Costs, cluster: ClusterSpec) {
    self.workload = workload
    self.costs = costs
    nodesPerLeaf = cluster.network.nodesPerLeaf
    let layout = workload.layout
    for world in 0..<layout.worldSize {
      var rank = TwinRank(
        pipeline: layout.pipelineRank(of: world), data: layout.dataRank(of: world),
        slowness: 1 / (cluster.faults.slowGPUs[world] ?? 1))
      for (number, operation) in workload.programs[rank.pipeline].operations.enumerated()
      where operation.kind != .receive {
        rank.queues[operation.stream, default: []].append(number)
      }
      ranks.append(rank)
    }
  }

  mutating func run() {
    startEverything()
    while true {
      let rates = ranks.indices.map(rates)
      guard let next = shortest(rates) else { return }
      now += next
      for rank in ranks.indices {
        for (stream, activity) in ranks[rank].active {
          advance(rank, stream, activity, by: next, rates[rank][stream] ?? 1)
        }
      }
      startEverything()
    }
  }

  private mutating func advance(
    _ rank: Int, _ stream: Stream, _ activity: TwinActivity, by time: Double,
    _ rate: Double
  ) {
    switch activity.phase {
    case .waiting: break
    case .delayed:
      ranks[rank].active[stream]?.delay -= time
      guard activity.delay <= time + 1e-6 else { return }
      ranks[rank].active[stream]?.phase = .moving
      if stream == .exchange { ranks[rank].active[stream]?.start = now }
    case .moving:
      ranks[rank].active[stream]?.left -= time * rate
      if activity.left / rate <= time + 1e-6 { finish(rank, stream) }
    }
  }

  /// The time until something ends or begins to move; nil when nothing is under way.
  private func shortest(_ rates: [[Stream: Double]]) -> Double? {
    var least = Double.infinity
    for rank in ranks.indices {
      for (stream, activity) in ranks[rank].active {
        switch activity.phase {
        case .waiting: break
        case .delayed: least = min(least, max(activity.delay, 0))
        case .moving: least = min(least, max(activity.left, 0) / (rates[rank][stream] ?? 1))
        }
      }
    }
    return least < .infinity ? least : nil
  }

  private func operation(_ rank: Int, _ number: Int) -> Operation {
    workload.programs[ranks[rank].pipeline].operations[number]
  }

  private mutating func finish(_ rank: Int, _ stream: Stream) {
    guard let activity = ranks[rank].active.removeValue(forKey: stream) else { return }
    ranks[rank].done.insert(activity.number)
    ranks[rank].history[stream, default: []].append(
      TwinEvent(number: activity.number, ready: activity.ready, start: activity.start, end: now))
    let operation = operation(rank, activity.number)
    guard operation.kind == .send else { return }
    let peer = target(of: rank, operation)
    for (number, other) in workload.programs[ranks[peer].pipeline].operations.enumerated()
    where other.kind == .receive && other.stage == operation.stage
      && other.microbatch == operation.microbatch && other.pass == operation.pass
    {
      ranks[peer].done.insert(number)
    }
  }

  private func target(of rank: Int, _ operation: Operation) -> Int {
    workload.layout.worldRank(pipeline: Int(operation.peer), data: ranks[rank].data)
  }

  // MARK: Starting

  private mutating func startEverything() {
    for rank in ranks.indices {
      for stream in Stream.allCases where ranks[rank].active[stream] == nil {
        guard let number = ranks[rank].queues[stream]?.first,
          operation(rank, number).after.numbers.allSatisfy(ranks[rank].done.contains)
        else { continue }
        ranks[rank].queues[stream]?.removeFirst()
        ranks[rank].active[stream] = activity(rank, number)
      }
    }
    for rank in ranks.indices {
      startTogether(rank, .exchange)
      startTogether(rank, .collective)
    }
  }

  private func activity(_ rank: Int, _ number: Int) -> TwinActivity {
    let operation = operation(rank, number)
    var activity = TwinActivity(number: number, phase: .moving, ready: now, start: now)
    switch operation.stream {
    case .compute:
      let time = computeTime(rank, operation)
      activity.left = Double(time.alone) * ranks[rank].slowness
      activity.factor = time.alone > 0 ? Double(time.besideTransfer) / Double(time.alone) : 1
    case .pipeline:
      let time = costs.message(operation, distance(rank, target(of: rank, operation)))
      activity.phase = .delayed
      activity.delay = Double(time.latency)
      activity.left = Double(time.transfer)
    case .exchange, .collective: activity.phase = .waiting
    }
    return activity
  }

  /// Lets a group begin whose members all wait for the same thing.
  private mutating func startTogether(_ rank: Int, _ stream: Stream) {
    guard let activity = ranks[rank].active[stream], activity.phase == .waiting else { return }
    let operation = operation(rank, activity.number)
    let members = members(rank, operation)
    let allCame = members.allSatisfy {
      guard let other = ranks[$0].active[stream], other.phase == .waiting else { return false }
      return self.operation($0, other.number).kind == operation.kind
        && self.members($0, self.operation($0, other.number)) == members
    }
    guard allCame else { return }
    let group = stream == .collective ? group(rank, operation) : nil
    for member in members {
      guard var activity = ranks[member].active[stream] else { continue }
      activity.start = now
      if stream == .collective {
        activity.phase = .moving
        activity.left = Double(costs.collective(operation.kind, group))
      } else {
        let time = exchangeTime(member, operation)
        activity.phase = .delayed
        activity.delay = Double(costs.notify)
        activity.left = Double(time.whole)
        activity.factor = time.whole > 0 ? Double(time.network) / Double(time.whole) : 0
      }
      ranks[member].active[stream] = activity
    }
  }

  private func group(_ rank: Int, _ operation: Operation) -> ParameterGroup? {
    operation.kind == .allReduce
      ? nil : workload.programs[ranks[rank].pipeline].groups[Int(operation.tokens)]
  }

  private func members(_ rank: Int, _ operation: Operation) -> [Int] {
    let layout = workload.layout
    if operation.stream == .exchange { return layout.expertGroup(of: rank) }
    guard let group = group(rank, operation) else { return Array(ranks.indices) }
    return ranks.indices.filter {
      group.pipelineRanks.contains(ranks[$0].pipeline)
        && (!group.sameExpertPlace || layout.expertRank(of: $0) == layout.expertRank(of: rank))
    }
  }

  // MARK: Prices

  private func loads(_ rank: Int, _ operation: Operation) -> ExchangeLoads {
    let sources = workload.layout.expertGroup(of: rank).compactMap {
      workload.routing.rows(
        layer: Int(operation.layer), microbatch: Int(operation.microbatch),
        dataRank: ranks[$0].data)
    }
    return ExchangeLoads(sources, ExchangeGeometry(workload.layout, groupOf: rank))
  }

  private func exchangeTime(_ rank: Int, _ operation: Operation) -> TransferTime {
    let (loads, place) = (loads(rank, operation), workload.layout.expertRank(of: rank))
    return costs.exchange(
      operation, network: Int(max(loads.networkOut[place], loads.networkIn[place])),
      nvlink: Int(max(loads.nvlinkOut[place], loads.nvlinkIn[place])))
  }

  private func computeTime(_ rank: Int, _ operation: Operation) -> ComputeTime {
    if operation.kind == .optimizer {
      return costs.optimizer(workload.programs[ranks[rank].pipeline].groups[Int(operation.tokens)])
    }
    var pairs = workload.shape.tokens * workload.shape.expertsPerToken
    if operation.kind == .routedExperts, workload.routing != .none {
      pairs = Int(loads(rank, operation).pairs[workload.layout.expertRank(of: rank)])
    }
    let action = workload.programs[ranks[rank].pipeline].actions[Int(operation.action)]
    return costs.compute(operation, pairs: pairs, overlapped: action == .overlapped)
  }

  private func distance(_ left: Int, _ right: Int) -> Distance {
    let gpus = workload.layout.gpusPerNode
    if left / gpus == right / gpus { return .sameNode }
    let sameLeaf = left / gpus / nodesPerLeaf == right / gpus / nodesPerLeaf
    return sameLeaf && left % gpus == right % gpus ? .sameLeaf : .crossLeaf
  }
}

// MARK: - Rates

extension EngineTwin {
  private func rates(_ rank: Int) -> [Stream: Double] {
    let active = ranks[rank].active
    var rates: [Stream: Double] = [:]
    let isTransferring = active[.exchange]?.phase == .moving
    if let compute = active[.compute] { rates[.compute] = isTransferring ? 1 / compute.factor : 1 }
    if isTransferring {
      let limit = exchangeLimit(rank)
      let demand = demand(rank)
      let got = min(
        exchangePart(rank, messages: outgoing(rank)), exchangePart(rank, messages: incoming(rank)))
      rates[.exchange] = demand > 0 ? limit * got / demand : limit
    }
    if let send = active[.pipeline] {
      let peer = target(of: rank, operation(rank, send.number))
      rates[.pipeline] =
        outgoing(rank) == 0
        ? 1
        : min(messagePart(rank, messages: 1), messagePart(peer, messages: incoming(peer)))
    }
    return rates
  }

  private func exchangeLimit(_ rank: Int) -> Double {
    ranks[rank].active[.compute] == nil ? 1 : costs.overlapEfficiency
  }

  /// What the exchange would take of an empty port.
  private func demand(_ rank: Int) -> Double {
    guard let exchange = ranks[rank].active[.exchange], exchange.phase == .moving else { return 0 }
    return exchangeLimit(rank) * exchange.factor
  }

  private func outgoing(_ rank: Int) -> Int {
    guard let send = ranks[rank].active[.pipeline] else { return 0 }
    return distance(rank, target(of: rank, operation(rank, send.number))) == .sameNode ? 0 : 1
  }

  private func incoming(_ rank: Int) -> Int {
    ranks.indices.count { sender in
      guard let send = ranks[sender].active[.pipeline] else { return false }
      return outgoing(sender) == 1 && target(of: sender, operation(sender, send.number)) == rank
    }
  }

  private func flows(_ rank: Int) -> Int {
    let nodes = Set(workload.layout.expertGroup(of: rank).map(workload.layout.node(of:)))
    return max(nodes.count - 1, 1)
  }

  private func exchangePart(_ rank: Int, messages: Int) -> Double {
    fairShares(rank, messages).prefix(flows(rank)).reduce(0, +)
  }

  private func messagePart(_ rank: Int, messages: Int) -> Double {
    fairShares(rank, messages).last ?? 1
  }

  /// A port's flows: those of the exchange, each with its part of the demand as the most it takes,
  /// then messages, which take what they get.
  private func fairShares(_ rank: Int, _ messages: Int) -> [Double] {
    let flows = flows(rank)
    let most =
      Array(repeating: demand(rank) / Double(flows), count: flows)
      + Array(repeating: Double.infinity, count: messages)
    var shares = [Double?](repeating: nil, count: most.count)
    var capacity = 1.0
    while shares.contains(nil) {
      let level = capacity / Double(shares.count { $0 == nil })
      let content = most.indices.filter { shares[$0] == nil && most[$0] <= level }
      if content.isEmpty { return shares.map { $0 ?? level } }
      for flow in content {
        shares[flow] = most[flow]
        capacity -= most[flow]
      }
    }
    return shares.map { $0 ?? 0 }
  }
}
