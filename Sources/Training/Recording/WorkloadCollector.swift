// Puts together on rank 0 what the ranks recorded of a step. What the ranks of a pipeline rank did
// is sent when it changed, by the first of them; a digest of it and the rows go every time.

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

  /// What a rank says of its record: the digest of its structure, and how many words it sends of
  /// structure and rows.
  private struct Head: BitwiseCopyable {
    var digest: UInt64
    var structure: Int
    var rows: Int
  }

  /// Pipeline messages have lower tags.
  private static let tag = Communicator.tagLimit - 1

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

  /// The step as all ranks recorded it, on rank 0; nil on the others. Collective.
  ///
  /// - Throws: `TrainingError.recordsDiffer` on every rank when the data ranks of a pipeline rank
  ///   did not do the same; `MPIError`.
  func collect(_ record: StepRecorder, step: Int, shape: StepShape) throws -> Workload? {
    let layout = placement.layout
    let structure = StructureWords.write(record.writer)
    let digest = StructureWords.digest(structure)
    let isNew = digest != known && layout.dataRank(of: world.rank) == 0
    known = digest
    let rows = RowsWords.write(record.rows)
    let heads = try world.allGather([
      Head(digest: digest, structure: isNew ? structure.count : 0, rows: rows.count)
    ])
    for (rank, head) in heads.enumerated() {
      let pipelineRank = layout.pipelineRank(of: rank)
      guard head.digest == heads[pipelineRank * layout.data].digest else {
        throw TrainingError.recordsDiffer(step: step, pipelineRank: pipelineRank)
      }
    }
    let own = (isNew ? structure : []) + rows
    guard let all = try gather(own, counts: heads.map { $0.structure + $0.rows }) else {
      return nil
    }
    let routing = takeOver(all, heads)
    return Workload(layout: layout, shape: shape, programs: programs, routing: routing)
  }

  /// Puts new structures into the programs, and returns the rows.
  private func takeOver(_ words: [Int32], _ heads: [Head]) -> RoutingSource {
    let layout = placement.layout
    var table = RecordedRouting()
    var start = 0
    for (rank, head) in heads.enumerated() {
      let end = start + head.structure
      if head.structure > 0 {
        let pipelineRank = layout.pipelineRank(of: rank)
        (programs[pipelineRank].operations, programs[pipelineRank].actions) =
          StructureWords.read(words[start..<end])
      }
      let nodes = ExchangeGeometry(layout, groupOf: rank).nodes
      start = end + head.rows
      for chosen in RowsWords.read(words[end..<start], nodes: nodes, ranks: layout.expert) {
        let key = RecordedRouting.Key(
          layer: chosen.layer, microbatch: chosen.microbatch, dataRank: layout.dataRank(of: rank))
        table.rows[key] = chosen.rows
      }
    }
    return table.rows.isEmpty ? .none : .recorded(table)
  }

  /// The words of all ranks, one rank's behind the other's, on rank 0; nil on the others.
  private func gather(_ words: [Int32], counts: [Int]) throws -> [Int32]? {
    if world.rank != 0 {
      try words.withUnsafeBytes { bytes in
        if !bytes.isEmpty { try world.send(bytes, to: 0, tag: Self.tag).wait() }
      }
      return nil
    }
    var all = words
    all.reserveCapacity(counts.reduce(0, +))
    for count in counts.dropFirst() { all += [Int32](repeating: 0, count: count) }
    try all.withUnsafeMutableBytes { bytes in
      var transfers: [Transfer] = []
      var start = counts[0] * MemoryLayout<Int32>.size
      for (rank, count) in counts.enumerated().dropFirst() where count > 0 {
        let end = start + count * MemoryLayout<Int32>.size
        transfers.append(
          try world.receive(
            UnsafeMutableRawBufferPointer(rebasing: bytes[start..<end]), from: rank,
            tag: Self.tag))
        start = end
      }
      try waitAll(transfers)
    }
    return all
  }
}
