// Which GPUs are simulated and where they stand. In full every world rank; folded one data rank for
// each pipeline rank, when all data ranks do the same at the same time.

package import Fabric
package import ModelSpec

/// The simulated ranks, numbered so that the members of an expert group are neighbours.
package struct RankPlaces: Sendable {
  package let layout: Layout
  /// Data ranks that are simulated of each pipeline rank: the first so many.
  package let dataRanks: Int
  let worldRank: [Int32]
  let program: [Int32]
  let dataRank: [Int32]
  let group: [Int32]
  /// By expert group: its simulated ranks.
  let groups: [Range<Int>]
  /// By expert group: how many nodes it covers.
  let nodesOfGroup: [Int]
  private let nodesPerLeaf: Int

  /// - Parameter isFolded: simulate one data rank for all.
  package init(_ layout: Layout, network: NetworkSpec, isFolded: Bool) {
    self.layout = layout
    nodesPerLeaf = network.nodesPerLeaf
    dataRanks = isFolded ? 1 : layout.data
    let perGroup = isFolded ? 1 : layout.expert
    var (worldRank, program, dataRank, group) = ([Int32](), [Int32](), [Int32](), [Int32]())
    var groups: [Range<Int>] = []
    var nodesOfGroup: [Int] = []
    for pipeline in 0..<layout.pipeline {
      for data in 0..<dataRanks {
        let world = layout.worldRank(pipeline: pipeline, data: data)
        if data % perGroup == 0 {
          groups.append(worldRank.count..<worldRank.count + perGroup)
          nodesOfGroup.append(Set(layout.expertGroup(of: world).map(layout.node(of:))).count)
        }
        worldRank.append(Int32(world))
        program.append(Int32(pipeline))
        dataRank.append(Int32(data))
        group.append(Int32(groups.count - 1))
      }
    }
    self.worldRank = worldRank
    self.program = program
    self.dataRank = dataRank
    self.group = group
    self.groups = groups
    self.nodesOfGroup = nodesOfGroup
  }

  package var count: Int { worldRank.count }
  var isFolded: Bool { dataRanks < layout.data }

  /// The simulated rank of pipeline rank `pipeline` with the data rank of `index`.
  func index(pipeline: Int, like index: Int) -> Int {
    pipeline * dataRanks + Int(dataRank[index])
  }

  /// How far a message between two simulated ranks goes.
  func distance(_ left: Int, _ right: Int) -> Distance {
    let (a, b) = (Int(worldRank[left]), Int(worldRank[right]))
    let (nodeA, nodeB) = (layout.node(of: a), layout.node(of: b))
    if nodeA == nodeB { return .sameNode }
    let sameRail = a % layout.gpusPerNode == b % layout.gpusPerNode
    return sameRail && nodeA / nodesPerLeaf == nodeB / nodesPerLeaf ? .sameLeaf : .crossLeaf
  }
}
