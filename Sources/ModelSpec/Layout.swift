// Who is who among the ranks: pipeline × data, with the expert group a run of neighbouring data
// ranks, and simulated nodes as consecutive groups of ranks (docs/architecture.md, "Layout of
// ranks"). Pure arithmetic; no MPI.

/// The parallel degrees of a run. World rank = pipeline rank × data + data rank.
package struct Layout: Hashable, Sendable {
  package var pipeline: Int
  package var data: Int
  package var expert: Int
  package var gpusPerNode: Int

  package init(pipeline: Int, data: Int, expert: Int, gpusPerNode: Int) {
    self.pipeline = pipeline
    self.data = data
    self.expert = expert
    self.gpusPerNode = gpusPerNode
  }

  package var worldSize: Int { pipeline * data }

  package func pipelineRank(of worldRank: Int) -> Int { worldRank / data }
  package func dataRank(of worldRank: Int) -> Int { worldRank % data }
  /// Position in the expert group: which slice of the experts the rank holds.
  package func expertRank(of worldRank: Int) -> Int { dataRank(of: worldRank) % expert }
  package func node(of worldRank: Int) -> Int { worldRank / gpusPerNode }
  package func worldRank(pipeline: Int, data dataRank: Int) -> Int { pipeline * data + dataRank }

  /// World ranks of the expert group that `worldRank` belongs to, ascending.
  package func expertGroup(of worldRank: Int) -> [Int] {
    let first = worldRank - expertRank(of: worldRank)
    return Array(first..<(first + expert))
  }
}
