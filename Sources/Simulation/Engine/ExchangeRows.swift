// How many rows each rank's exchanges move and its experts work on. A group's rows of a layer and
// micro-batch are drawn, or looked up, when its dispatch starts, and serve the backward too.

internal import ModelSpec
internal import Workload

/// Rows by simulated rank and cell, where a cell is a (layer, micro-batch) of the rank's program.
struct ExchangeRows: ~Copyable {
  struct Rows {
    /// The larger of out and in.
    var network: Int32 = 0
    var nvlink: Int32 = 0
    var pairs: Int32 = 0
  }

  struct Total {
    var network: Int64 = 0
    var nvlink: Int64 = 0
  }

  private let routing: RoutingSource
  private let expert: Int
  private let cells: Int
  private let rows: UnsafeMutablePointer<Rows>
  private let count: Int
  private let totals: UnsafeMutablePointer<Total>
  /// Those that differ, and by expert group which is its own.
  private let geometries: [ExchangeGeometry]
  private let geometryOfGroup: [Int]
  /// By group: its first data rank.
  private let firstDataRank: [Int]
  /// Loads of balanced routing, by group and layer, as they were first asked for.
  private var balanced: [BalancedKey: ExchangeLoads] = [:]

  private struct BalancedKey: Hashable {
    var geometry: Int
    var layer: Int16
  }
  private let dead: Set<Int>
  private let worldRanks: [Int32]
  private let layout: Layout
  private let isFolded: Bool

  init(
    _ workload: Workload, _ programs: [CompiledProgram], _ places: RankPlaces,
    deadNICs: Set<Int>
  ) {
    routing = workload.routing
    layout = workload.layout
    expert = workload.layout.expert
    isFolded = places.isFolded
    worldRanks = places.worldRank
    dead = deadNICs
    cells = max(programs.map(\.cells).max() ?? 0, 1)
    count = places.count * cells
    rows = .allocate(capacity: count)
    rows.initialize(repeating: Rows(), count: count)
    totals = .allocate(capacity: places.groups.count * cells)
    totals.initialize(repeating: Total(), count: places.groups.count * cells)
    // Geometries repeat; equal ones share their arrays.
    var known: [ExchangeGeometry] = []
    geometryOfGroup = places.groups.map { members in
      let geometry = ExchangeGeometry(
        workload.layout, groupOf: Int(places.worldRank[members.lowerBound]))
      if let same = known.firstIndex(of: geometry) { return same }
      known.append(geometry)
      return known.count - 1
    }
    geometries = known
    firstDataRank = places.groups.map { Int(places.dataRank[$0.lowerBound]) }
  }

  deinit {
    rows.deallocate()
    totals.deallocate()
  }

  func network(_ rank: Int, _ cell: Int32) -> Int { Int(rows[rank * cells + Int(cell)].network) }
  func nvlink(_ rank: Int, _ cell: Int32) -> Int { Int(rows[rank * cells + Int(cell)].nvlink) }
  func pairs(_ rank: Int, _ cell: Int32) -> Int { Int(rows[rank * cells + Int(cell)].pairs) }
  func total(_ group: Int, _ cell: Int32) -> Total { totals[group * cells + Int(cell)] }

  /// Puts in the rows of a group's cell.
  mutating func fill(group: Int, members: Range<Int>, _ step: ExchangeStep) {
    let loads = loads(group, step)
    var total = Total()
    for place in 0..<loads.pairs.count {
      total.network += Int64(loads.networkOut[place])
      total.nvlink += Int64(loads.nvlinkOut[place])
    }
    // A folded rank stands for its whole group.
    totals[group * cells + Int(step.cell)] = total
    if isFolded {
      rows[members.lowerBound * cells + Int(step.cell)] = Rows(
        network: max(loads.networkOut.max() ?? 0, loads.networkIn.max() ?? 0),
        nvlink: max(loads.nvlinkOut.max() ?? 0, loads.nvlinkIn.max() ?? 0),
        pairs: loads.pairs.max() ?? 0)
      return
    }
    for (place, rank) in members.enumerated() {
      rows[rank * cells + Int(step.cell)] = Rows(
        network: max(loads.networkOut[place], loads.networkIn[place]),
        nvlink: max(loads.nvlinkOut[place], loads.nvlinkIn[place]), pairs: loads.pairs[place])
    }
    if !dead.isEmpty { moveDeadTraffic(members, step.cell) }
  }

  private mutating func loads(_ group: Int, _ step: ExchangeStep) -> ExchangeLoads {
    guard case .balanced = routing else { return sum(group, step) }
    let key = BalancedKey(geometry: geometryOfGroup[group], layer: step.operation.layer)
    if let known = balanced[key] { return known }
    let loads = sum(group, step)
    balanced[key] = loads
    return loads
  }

  private func sum(_ group: Int, _ step: ExchangeStep) -> ExchangeLoads {
    let first = firstDataRank[group]
    let sources = (0..<expert).map { place -> RoutedRows in
      let found = routing.rows(
        layer: Int(step.operation.layer), microbatch: Int(step.operation.microbatch),
        dataRank: first + place)
      guard let found else { preconditionFailure("a checked workload has rows for each exchange") }
      return found
    }
    return ExchangeLoads(sources, geometries[geometryOfGroup[group]])
  }

  /// A rank without NIC sends and receives by that of the next GPU of its node, over NVLink; all
  /// that share a NIC are done when it is.
  private mutating func moveDeadTraffic(_ members: Range<Int>, _ cell: Int32) {
    var moves: [(own: Int, helper: Int)] = []
    for rank in members where dead.contains(Int(worldRanks[rank])) {
      let node = layout.node(of: Int(worldRanks[rank]))
      let neighbours = members.filter {
        layout.node(of: Int(worldRanks[$0])) == node && !dead.contains(Int(worldRanks[$0]))
      }
      guard let helper = neighbours.first(where: { $0 > rank }) ?? neighbours.first else {
        continue
      }
      moves.append((rank * cells + Int(cell), helper * cells + Int(cell)))
    }
    for (own, helper) in moves {
      let moved = rows[own].network
      rows[helper].network += moved
      rows[helper].nvlink += moved
      rows[own].nvlink += moved
    }
    for (own, helper) in moves { rows[own].network = rows[helper].network }
  }
}
