// Which layers a pipeline stage holds: split evenly by FLOPs, or as listed. The embedding costs
// nothing and stands with stage 0; final norm, head and MTP stand with the last stage and weigh
// there.

/// Runs of neighbouring layers, one for each stage; together all layers of the main model. The
/// first stage and the last have at least one layer; a stage between them may have none and hands
/// on what it gets, so that a schedule may have more stages than the model has layers.
package struct StagePartition: Equatable, Sendable {
  package let stages: [Range<Int>]

  /// Splits the layers over `stages` stages so that the largest stage's FLOPs are the least
  /// possible; among such splits the one with the least sum of squared FLOPs, and among those the
  /// one whose first differing stage has fewer layers.
  ///
  /// FLOPs are those of a causal forward pass at `sequenceLength`. Throws `ModelSpecError` when
  /// there is no layer for the first or the last stage.
  package init(_ spec: ModelSpec, stages: Int, sequenceLength: Int) throws(ModelSpecError) {
    try StagePartition.check(spec, stages: stages)
    let costs = StagePartition.costs(spec, sequenceLength: sequenceLength)
    let search = PartitionSearch(costs: costs.layers, lastStage: costs.lastStage, stages: stages)
    self.stages = search.best()
  }

  /// The listed numbers of layers, stage by stage. Throws `ModelSpecError` when they do not make
  /// `stages` stages that add up to the model's layers, or the first or the last has none.
  package init(
    _ spec: ModelSpec, stages: Int, layerCounts: [Int]
  ) throws(ModelSpecError) {
    try StagePartition.check(spec, stages: stages)
    guard layerCounts.count == stages else {
      throw StagePartition.error(
        "\(layerCounts) lists \(layerCounts.count) stages where the layout has \(stages)")
    }
    guard layerCounts.allSatisfy({ (0...spec.layers).contains($0) }) else {
      throw StagePartition.error(
        "\(layerCounts) has a stage outside 0 to \(spec.layers) layers")
    }
    guard layerCounts.first != 0, layerCounts.last != 0 else {
      throw StagePartition.error("\(layerCounts): the first and the last stage each need a layer")
    }
    let sum = layerCounts.reduce(0, +)
    guard sum == spec.layers else {
      throw StagePartition.error(
        "\(layerCounts) adds up to \(sum) layers where the model has \(spec.layers)")
    }
    var reached = 0
    self.stages = layerCounts.map { count in
      defer { reached += count }
      return reached..<(reached + count)
    }
  }

  /// Stage that holds layer `index`; MTP blocks are with the last.
  package func stage(ofLayer index: Int) -> Int {
    stages.firstIndex { $0.contains(index) } ?? stages.count - 1
  }

  /// FLOPs of one token's causal forward pass, stage by stage.
  package func forwardFLOPs(_ spec: ModelSpec, sequenceLength: Int) -> [Int] {
    let costs = StagePartition.costs(spec, sequenceLength: sequenceLength)
    return stages.map { stage in
      costs.layers[stage].reduce(stage.upperBound == spec.layers ? costs.lastStage : 0, +)
    }
  }

  /// FLOPs of each layer, and of what the last stage has beside its layers.
  private static func costs(
    _ spec: ModelSpec, sequenceLength: Int
  ) -> (layers: [Int], lastStage: Int) {
    let census = ParameterCensus(spec, sequenceLength: sequenceLength)
    let last = census.head + census.mtp
    return (
      (0..<spec.layers).map { census.layer($0).forwardFLOPs(causal: true) },
      last.forwardFLOPs(causal: true)
    )
  }

  private static func check(_ spec: ModelSpec, stages: Int) throws(ModelSpecError) {
    guard stages >= 1 else {
      throw error("\(stages) stages; at least 1 is needed")
    }
    guard spec.layers >= min(stages, 2) else {
      throw error(
        "\(stages) stages for \(spec.layers) layers; the first and the last each need one")
    }
  }

  private static func error(_ message: String) -> ModelSpecError {
    ModelSpecError(.badRequest, source: "pipeline stages", message: message)
  }
}

/// Exact search for the best split, over the number of layers left for the stages left.
private struct PartitionSearch {
  var costs: [Int]
  var lastStage: Int
  var stages: Int
  /// `sums[i]` is the cost of the first `i` layers.
  private let sums: [Int]

  init(costs: [Int], lastStage: Int, stages: Int) {
    self.costs = costs
    self.lastStage = lastStage
    self.stages = stages
    sums = costs.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
  }

  func best() -> [Range<Int>] {
    // Of suffixes: the least maximum, then under that maximum the least sum of squares. A sum of
    // squares is at most the square of the sum, and so fits 128 bits.
    let least = solve(worst: Int.max) { cost, rest in max(UInt128(cost), rest) }
    let bound = Int(least.value[stages][0] ?? 0)
    let squares = solve(worst: bound) { cost, rest in UInt128(cost) * UInt128(cost) + rest }
    var ranges: [Range<Int>] = []
    var first = 0
    for left in stride(from: stages, through: 1, by: -1) {
      let end = squares.end[left][first]
      ranges.append(first..<end)
      first = end
    }
    return ranges
  }

  private struct Table {
    /// `value[s][i]`: the best for layers `i...` on the last `s` stages, nil when none fits.
    var value: [[UInt128?]]
    /// Where the first of those stages ends; the least end among equals.
    var end: [[Int]]
  }

  private func solve(worst: Int, combine: (Int, UInt128) -> UInt128) -> Table {
    let layers = costs.count
    var table = Table(
      value: Array(repeating: Array(repeating: nil, count: layers + 1), count: stages + 1),
      end: Array(repeating: Array(repeating: layers, count: layers + 1), count: stages + 1))
    table.value[0][layers] = 0
    for left in 1...stages {
      for first in 0..<layers {
        let least = left == stages ? first + 1 : first
        let ends = left == 1 ? layers...layers : least...layers
        for end in ends {
          guard let rest = table.value[left - 1][end] else { continue }
          let cost = sums[end] - sums[first] + (end == layers ? lastStage : 0)
          guard cost <= worst else { continue }
          let value = combine(cost, rest)
          if value < table.value[left][first] ?? .max {
            table.value[left][first] = value
            table.end[left][first] = end
          }
        }
      }
    }
    return table
  }
}
