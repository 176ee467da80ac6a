// Who holds which weights, for every layout that the other tests train: everything is somewhere,
// the groups are the ones the design asks for, and DualPipe's embedding and head share a rank.

import Kernels
import Model
import ModelSpec
import Schedules
import Testing
import Training

@Suite struct PlacementTests {
  private func placement(_ layout: Layout, _ schedule: String) throws -> Placement {
    let setup = try SmallTraining.setup(layout, schedule: schedule)
    return Placement(
      spec: setup.spec, layout: layout, schedule: try setup.schedule(setup.plan.microBatches),
      stages: setup.stages)
  }

  static let layouts = [
    Layout(pipeline: 1, data: 1, expert: 1, gpusPerNode: 1),
    Layout(pipeline: 2, data: 2, expert: 2, gpusPerNode: 1),
    Layout(pipeline: 4, data: 4, expert: 2, gpusPerNode: 2),
    Layout(pipeline: 4, data: 4, expert: 4, gpusPerNode: 2),
  ]

  @Test(arguments: layouts, ["gpipe", "dualpipe"])
  func everyWeightIsHeldByExactlyItsHolders(_ layout: Layout, _ schedule: String) throws {
    if schedule == "dualpipe" && layout.pipeline == 1 { return }
    let placement = try placement(layout, schedule)
    var found: [String: [Int]] = [:]
    var claimed: [String: [Int]] = [:]
    for rank in 0..<layout.worldSize {
      for group in placement.groups(of: rank) {
        #expect(group.holders.contains(rank))
        for shape in group.shapes {
          found[shape.name, default: []].append(rank)
          claimed[shape.name] = group.holders
        }
      }
    }
    #expect(found == claimed)
    // The census of the model knows every weight; only the router biases are no weights.
    let names = SmallTraining.spec.parameters().filter { !$0.isBuffer }.map(\.name)
    #expect(Set(found.keys) == Set(names))
    let copies = schedule == "dualpipe" ? 2 : 1
    #expect(found["model.layers.1.mlp.gate.weight"]?.count == copies * layout.data)
    #expect(
      found["model.layers.1.mlp.experts.0.up_proj.weight"]?.count
        == copies * layout.data / layout.expert)
  }

  @Test func namesAndShapesAreThoseOfTheCensus() {
    let spec = SmallTraining.spec
    let stages = 0..<spec.layers
    let experts = ModelParameters.blockLayers(spec, stage: stages).flatMap {
      ModelParameters.expertShapes(spec, layer: $0, experts: 0..<spec.routedExperts)
    }
    let all =
      [ModelParameters.embeddingShape(spec)]
      + ModelParameters.denseShapes(spec, stage: stages) + experts
    let own = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0.count) })
    let census = Dictionary(
      uniqueKeysWithValues: spec.parameters().filter { !$0.isBuffer }.map {
        ($0.name, $0.elements)
      })
    #expect(own == census)
  }

  @Test func underDualPipeEmbeddingHeadAndMTPShareARankAndATensor() throws {
    let layout = Layout(pipeline: 4, data: 1, expert: 1, gpusPerNode: 1)
    let placement = try placement(layout, "dualpipe")
    let model = RankModel(
      placement, rank: 0, plan: SmallTraining.plan,
      transport: LocalTransport(experts: SmallTraining.spec.routedExperts))
    #expect(model.stageNumbers == [0, 3])
    let tables = model.store.groups.flatMap(\.parameters).filter {
      $0.name == ModelParameters.embedding
    }
    #expect(tables.count == 1, "one table for the first stage and for MTP on the last")
    #expect(model.store.find("lm_head.weight") != nil)
    // Under 1F1B the last stage needs a copy, and both ranks hold it in one group.
    let plain = try self.placement(layout, "1f1b")
    let group = plain.groups(of: 3).first { group in
      group.shapes.contains { $0.name == ModelParameters.embedding }
    }
    #expect(group?.holders == [0, 3])
  }

  @Test(arguments: [1, 2, 3, 7, 16], [0, 1, 15, 16, 17, 1000, 12345])
  func shardsCoverABufferInOrder(_ ranks: Int, _ count: Int) {
    let shards = GroupOptimizer.shards(of: count, over: ranks)
    #expect(shards.count == ranks)
    var end = 0
    for shard in shards {
      #expect(shard.lowerBound == end)
      end = shard.upperBound
    }
    #expect(end == count)
  }
}
