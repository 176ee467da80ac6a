// The fixed choice of experts for benchmarks: every expert alike, groups limited, no repeats.
import ModelSpec
import Schedules
import Testing
import Workload

@Suite struct BalancedRoutingTests {
  struct Shape: CustomTestStringConvertible {
    var experts: Int
    var groups: Int
    var groupsPerToken: Int
    var perToken: Int
    var spec: ModelSpec {
      .tiny(
        layers: 1, experts: experts, perToken: perToken, groups: groups,
        groupsPerToken: groupsPerToken)
    }
    var testDescription: String { "\(perToken) of \(experts), \(groupsPerToken) of \(groups)" }
  }

  /// All that validate: also shares that differ between a token's groups (5 experts in 2 groups),
  /// that do not divide a group (3 of 4), that fill it, and fewer experts than groups.
  static let shapes: [Shape] = [4, 6, 8, 12, 16, 256].flatMap { experts in
    [1, 2, 3, 4, 8].flatMap { groups in
      [1, 2, 3, 4, 8].flatMap { limit in
        [1, 2, 3, 5, 6, 8].compactMap { perToken -> Shape? in
          let shape = Shape(
            experts: experts, groups: groups, groupsPerToken: limit, perToken: perToken)
          guard experts % groups == 0 else { return nil }
          return (try? shape.spec.validate()) == nil ? nil : shape
        }
      }
    }
  }

  static func choices(_ spec: ModelSpec, tokens: Int) -> [[Int32]] {
    let routing = BalancedRouting(spec)
    return (0..<tokens).map { token in
      [Int32](unsafeUninitializedCapacity: spec.expertsPerToken) { buffer, count in
        routing.choose(
          token: token, into: UnsafeMutableBufferPointer(rebasing: buffer[..<spec.expertsPerToken])
        )
        count = spec.expertsPerToken
      }
    }
  }

  @Test func thereAreManyShapes() { #expect(Self.shapes.count > 150) }

  /// After groups × group size tokens every group has been each place of a token's as often as
  /// there are experts in it, each time one further: all experts have the same load.
  @Test(arguments: shapes)
  func everyExpertGetsTheSameLoadAndTheLimitHolds(shape: Shape) {
    let size = shape.experts / shape.groups
    let tokens = shape.groups * size
    var loads = [Int](repeating: 0, count: shape.experts)
    for chosen in Self.choices(shape.spec, tokens: tokens) {
      #expect(chosen.count == shape.perToken)
      #expect(zip(chosen, chosen.dropFirst()).allSatisfy { $0 < $1 })
      #expect(chosen.allSatisfy { (0..<shape.experts).contains(Int($0)) })
      #expect(Set(chosen.map { Int($0) / size }).count <= shape.groupsPerToken)
      for expert in chosen { loads[Int(expert)] += 1 }
    }
    #expect(loads == Array(repeating: tokens * shape.perToken / shape.experts, count: loads.count))
  }

  /// DeepSeek-V3 at EP 64: a token has 2 experts in each of 4 nodes, 16 places apart, so on 8
  /// ranks. 4096 tokens make 32768 pairs, 512 a rank; half the tokens come to each node.
  @Test func ranksAndNodesOfDeepSeekV3GetTheSame() throws {
    let spec = ModelPreset.deepseekV3.spec
    let workload = try Workload.built(
      spec, Layout(pipeline: 1, data: 64, expert: 64, gpusPerNode: 8),
      .init(
        name: "one", stages: 1, microbatches: 1,
        actions: [[.forward(cell(0)), .backward(cell(0))]]), tokens: 4096)
    let rows = try #require(workload.routing.rows(layer: 3, microbatch: 0, dataRank: 5))
    #expect(rows.pairs == Array(repeating: 512, count: 64))
    #expect(rows.toRank == Array(repeating: 512, count: 64))
    #expect(rows.toNode == Array(repeating: 2048, count: 8))
    // The MTP block has 4095 tokens.
    let mtp = try #require(workload.routing.rows(layer: 61, microbatch: 0, dataRank: 5))
    #expect(mtp.pairs.reduce(0, +) == 4095 * 8)
  }

  @Test func countedRowsAreThoseOfSets() {
    let spec = ModelPreset.mini.spec
    let nodeOfRank = [0, 0, 1, 1]
    let chosen = Self.choices(spec, tokens: 37)
    let rows = chosen.flatMap(\.self).withUnsafeBufferPointer {
      RoutedRows(
        choices: $0, perToken: spec.expertsPerToken, expertsPerRank: 2, nodeOfRank: nodeOfRank)
    }
    for rank in 0..<4 {
      let pairs = chosen.map { $0.filter { $0 / 2 == rank }.count }
      #expect(Int(rows.pairs[rank]) == pairs.reduce(0, +))
      #expect(Int(rows.toRank[rank]) == pairs.filter { $0 > 0 }.count)
    }
    for node in 0..<2 {
      let tokens = chosen.filter { $0.contains { nodeOfRank[Int($0) / 2] == node } }
      #expect(Int(rows.toNode[node]) == tokens.count)
    }
  }
}
