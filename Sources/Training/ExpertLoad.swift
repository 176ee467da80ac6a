// How many tokens each expert got in a step, over the whole batch: what the bias update goes by
// (report section 2.1.2), and the worst imbalance for the metrics.

internal import MessagePassing
internal import Model
internal import ModelSpec

/// Loads of all expert layers, MTP blocks included.
package struct ExpertLoad {
  /// By layer number.
  package private(set) var byLayer: [Int: [Int]] = [:]

  /// Sums what the ranks' routers counted. Collective over the world.
  init(_ model: RankModel, world: Communicator) throws {
    let spec = model.placement.spec
    let layers = (0..<spec.layers + spec.mtpDepth).filter { spec.hasExperts(layer: $0) }
    var counts = [Int](repeating: 0, count: layers.count * spec.routedExperts)
    for stage in model.stageNumbers {
      for (layer, router) in model.routers(stage: stage) {
        guard let place = layers.firstIndex(of: layer) else { continue }
        for (expert, count) in router.load.enumerated() {
          counts[place * spec.routedExperts + expert] += count
        }
      }
    }
    if counts.isEmpty { return }
    let sums = try world.allReduceSum(counts)
    for (place, layer) in layers.enumerated() {
      byLayer[layer] = Array(sums[place * spec.routedExperts..<(place + 1) * spec.routedExperts])
    }
  }

  /// One line of loads.jsonl, without the line end.
  package func line(step: Int) -> String {
    let layers = byLayer.sorted { $0.key < $1.key }.map { layer, tokens in
      "{\"layer\": \(layer), \"tokens\": [" + tokens.map(String.init).joined(separator: ", ") + "]}"
    }
    return "{\"step\": \(step), \"layers\": [" + layers.joined(separator: ", ") + "]}"
  }

  /// Largest load over mean load, worst layer.
  var worstRatio: Double {
    byLayer.values.reduce(0) { worst, load in
      let total = load.reduce(0, +)
      guard total > 0, let largest = load.max() else { return worst }
      return max(worst, Double(largest * load.count) / Double(total))
    }
  }

  /// Moves the biases of this rank's routers.
  func updateBiases(_ model: RankModel, speed: Double) {
    guard speed != 0 else { return }
    for stage in model.stageNumbers {
      for (layer, router) in model.routers(stage: stage) {
        if let load = byLayer[layer] { router.updateBias(load: load, speed: speed) }
      }
    }
  }
}
