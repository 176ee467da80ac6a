// Puts together on rank 0 what the ranks recorded of a step: one message from each rank, with a
// digest of what it did and the rows that its routers chose. What the ranks of a pipeline rank did
// is sent by the first of them, and only when it changed.

internal import MessagePassing
internal import ModelSpec
internal import Schedules
internal import Workload

final class WorkloadCollector {
  private let world: Communicator
  private let placement: Placement
  /// Digest of this rank's structure that rank 0 has.
  private var known: UInt64?
  /// On rank 0, by pipeline rank, of the last structure that came.
  private var programs: [Program] = []
  /// On rank 0: a pipeline rank whose data ranks did not all do the same in the last step.
  private(set) var differing: Int?

  /// Pipeline messages have lower tags.
  private static let tag = Communicator.tagLimit - 1
  /// Words in front of the rows: the digest, and the length of the structure that follows in a
  /// message of its own, or 0.
  private static let headWords = 3

  init(_ placement: Placement, world: Communicator) {
    self.placement = placement
    self.world = world
    guard world.rank == 0 else { return }
    programs = (0..<placement.layout.pipeline).map { pipelineRank in
      let first = placement.layout.worldRank(pipeline: pipelineRank, data: 0)
      return Program(
        operations: [], groups: placement.groups(of: first).map(parameterGroup), actions: [])
    }
  }

  private func parameterGroup(_ group: Placement.Group) -> ParameterGroup {
    let layout = placement.layout
    let pipelineRanks = Set(group.holders.map(layout.pipelineRank(of:))).sorted()
    return ParameterGroup(
      pipelineRanks: pipelineRanks,
      sameExpertPlace: group.holders.count < pipelineRanks.count * layout.data,
      elements: group.elements)
  }

  /// The step as all ranks recorded it, on rank 0; nil on the others, which don't wait for it.
  /// Collective.
  func collect(_ record: StepRecorder, shape: StepShape) throws -> Workload? {
    let structure = StructureWords.write(record.writer)
    let digest = StructureWords.digest(structure)
    let isNew = digest != known && placement.layout.dataRank(of: world.rank) == 0
    known = digest
    let head = [
      Int32(truncatingIfNeeded: digest), Int32(truncatingIfNeeded: digest >> 32),
      Int32(isNew ? structure.count : 0),
    ]
    let words = head + RowsWords.write(record.rows)
    guard world.rank == 0 else {
      try send(words)
      if isNew { try send(structure) }
      return nil
    }
    let messages = [words] + (try receive(capacity: capacity(shape)))
    for (rank, words) in messages.enumerated() where words[2] > 0 {
      let program = placement.layout.pipelineRank(of: rank)
      (programs[program].operations, programs[program].actions) = StructureWords.read(
        try rank == 0 ? structure : receive(from: rank, count: Int(words[2])))
    }
    differing = messages.indices.first { rank in
      messages[rank].prefix(2) != messages[rank - placement.layout.dataRank(of: rank)].prefix(2)
    }.map(placement.layout.pipelineRank(of:))
    return Workload(
      layout: placement.layout, shape: shape, programs: programs, routing: routing(messages))
  }

  /// The rows of all ranks.
  private func routing(_ messages: [[Int32]]) -> RoutingSource {
    let layout = placement.layout
    guard layout.expert > 1 else { return .none }
    var table = RecordedRouting()
    for (rank, words) in messages.enumerated() {
      let nodes = ExchangeGeometry(layout, groupOf: rank).nodes
      let rows = words.dropFirst(Self.headWords)
      for chosen in RowsWords.read(rows, nodes: nodes, ranks: layout.expert) {
        let key = RecordedRouting.Key(
          layer: chosen.layer, microbatch: chosen.microbatch, dataRank: layout.dataRank(of: rank))
        table.rows[key] = chosen.rows
      }
    }
    return table.rows.isEmpty ? .none : .recorded(table)
  }

  // MARK: Messages

  /// Most words of a rank's message: rows of all layers, with as many nodes as ranks.
  private func capacity(_ shape: StepShape) -> Int {
    let expert = placement.layout.expert
    let rows = expert > 1 ? RowsWords.length(nodes: expert, ranks: expert) : 0
    return Self.headWords + (shape.layers + shape.mtpDepth) * shape.microbatches * rows
  }

  private func send(_ words: [Int32]) throws {
    try words.withUnsafeBytes { try world.send($0, to: 0, tag: Self.tag).wait() }
  }

  private func receive(from rank: Int, count: Int) throws -> [Int32] {
    var words = [Int32](repeating: 0, count: count)
    try words.withUnsafeMutableBytes {
      try world.receive($0, from: rank, tag: Self.tag).wait()
    }
    return words
  }

  /// A message of at most `capacity` words from every other rank, by rank.
  private func receive(capacity: Int) throws -> [[Int32]] {
    let width = MemoryLayout<Int32>.size
    var words = [Int32](repeating: 0, count: (world.size - 1) * capacity)
    let counts = try words.withUnsafeMutableBytes { bytes in
      let transfers = try (1..<world.size).map { rank in
        let place = (rank - 1) * capacity * width..<rank * capacity * width
        return try world.receive(
          UnsafeMutableRawBufferPointer(rebasing: bytes[place]), from: rank, tag: Self.tag)
      }
      try waitAll(transfers)
      return transfers.map { $0.receivedBytes / width }
    }
    return counts.enumerated().map { Array(words[$0 * capacity..<$0 * capacity + $1]) }
  }
}
