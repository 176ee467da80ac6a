// Whether the routing of a workload that was read fits its step: rows for every exchange, each of
// the right sizes and with as many pairs as its tokens make.

internal import ModelSpec

/// One check of one workload's rows.
struct RowsCheck {
  private let workload: Workload
  private let source: String
  /// Expert groups lie on nodes as their first rank does in its own node: by that place.
  private let geometries: [Int: ExchangeGeometry]

  init(_ workload: Workload, source: String) {
    self.workload = workload
    self.source = source
    let layout = workload.layout
    var geometries: [Int: ExchangeGeometry] = [:]
    if workload.routing != .none {
      for first in stride(from: 0, to: layout.worldSize, by: layout.expert)
      where geometries[first % layout.gpusPerNode] == nil {
        geometries[first % layout.gpusPerNode] = ExchangeGeometry(layout, groupOf: first)
      }
    }
    self.geometries = geometries
  }

  func run() throws(WorkloadError) {
    switch workload.routing {
    case .none: return
    case .balanced(let rows):
      try checkGroupsAreAlike()
      try checkBalanced(rows)
    case .recorded(let table): try checkRecorded(table)
    case .sampled(let sampled):
      try checkGroupsAreAlike()
      try checkSampled(sampled)
    }
  }

  private func error(_ place: String?, _ message: String) -> WorkloadError {
    WorkloadError(.badData, source: source, place: place ?? "routing", message: message)
  }

  private func checkGroupsAreAlike() throws(WorkloadError) {
    guard Set(geometries.values.map(\.nodeOfRank)).count == 1 else {
      throw error(nil, "one table for all expert groups, which lie differently on nodes")
    }
  }

  private func checkBalanced(_ rows: [RoutedRows]) throws(WorkloadError) {
    let layers = workload.shape.layers + workload.shape.mtpDepth
    guard rows.count == layers else {
      throw error(nil, "rows of \(rows.count) layers where the step has \(layers)")
    }
    for (layer, rows) in rows.enumerated() {
      let tokens = workload.shape.tokens(layer: layer)
      if let problem = problem(of: rows, groupOf: 0, tokens: tokens) {
        throw error("routing of layer \(layer)", problem)
      }
    }
  }

  private func checkSampled(_ sampled: SampledRouting) throws(WorkloadError) {
    let dense = sampled.source.denseLayers
    for (rank, program) in workload.programs.enumerated() {
      for (number, operation) in program.operations.enumerated()
      where operation.stream == .exchange && operation.layer < dense {
        throw error(
          "pipeline rank \(rank), operation \(number)",
          "exchanges rows of layer \(operation.layer), which has no experts")
      }
    }
  }

  private func checkRecorded(_ table: RecordedRouting) throws(WorkloadError) {
    let layout = workload.layout
    var checked: Set<RecordedRouting.Key> = []
    for (rank, program) in workload.programs.enumerated() {
      for operation in program.operations where operation.stream == .exchange {
        for dataRank in 0..<layout.data {
          let key = RecordedRouting.Key(
            layer: Int(operation.layer), microbatch: Int(operation.microbatch),
            dataRank: dataRank)
          guard checked.insert(key).inserted else { continue }
          let place =
            "routing of layer \(key.layer), micro-batch \(key.microbatch), data rank \(dataRank)"
          guard let rows = table.rows[key] else {
            throw error(place, "is missing, and pipeline rank \(rank) exchanges it")
          }
          let world = layout.worldRank(pipeline: rank, data: dataRank)
          let first = world - layout.expertRank(of: world)
          let tokens = workload.shape.tokens(layer: Int(operation.layer))
          if let problem = problem(of: rows, groupOf: first, tokens: tokens) {
            throw error(place, problem)
          }
        }
      }
    }
    guard checked.count == table.rows.count else {
      throw error(nil, "\(table.rows.count - checked.count) rows that nobody exchanges")
    }
  }

  private func problem(
    of rows: RoutedRows, groupOf first: Int, tokens: Int
  ) -> String? {
    guard let geometry = geometries[first % workload.layout.gpusPerNode] else {
      preconditionFailure("every group's place has its geometry")
    }
    guard rows.toNode.count == geometry.nodes, rows.toRank.count == geometry.ranks else {
      return "rows to \(rows.toNode.count) nodes and \(rows.toRank.count) ranks where an expert "
        + "group has \(geometry.nodes) and \(geometry.ranks)"
    }
    for (node, count) in rows.toNode.enumerated() {
      let members = geometry.members[node].map { Int(rows.toRank[$0]) }
      let least = members.max() ?? 0
      let most = min(tokens, members.reduce(0, +))
      guard members.allSatisfy({ (0...tokens).contains($0) }), (least...most).contains(Int(count))
      else {
        return "\(count) rows to node \(node) and \(members) to its ranks contradict each other, "
          + "or \(tokens) tokens"
      }
    }
    let perRank = workload.shape.routedExperts / geometry.ranks
    for (rank, count) in rows.pairs.enumerated() {
      let tokens = Int(rows.toRank[rank])
      guard (tokens...tokens * perRank).contains(Int(count)) else {
        return "\(count) pairs on rank \(rank) of \(tokens) tokens and \(perRank) experts"
      }
    }
    let pairs = rows.pairs.reduce(0) { $0 + Int($1) }
    guard pairs == tokens * workload.shape.expertsPerToken else {
      return "\(pairs) pairs where \(tokens) tokens choose \(workload.shape.expertsPerToken) "
        + "experts each"
    }
    return nil
  }
}
