// A line of loads.jsonl: how many tokens of a step each routed expert got.

internal import JSON

package struct ExpertLoads: Equatable, Sendable, Decodable {
  package struct Layer: Equatable, Sendable, Decodable {
    /// Of the model, from 0.
    package var layer: Int
    /// Of each expert, over the whole batch.
    package var tokens: [Int]

    package init(layer: Int, tokens: [Int]) {
      self.layer = layer
      self.tokens = tokens
    }

    package var mean: Double {
      tokens.isEmpty ? 0 : Double(tokens.reduce(0, +)) / Double(tokens.count)
    }

    /// The fullest expert and its load over the mean; nil without tokens.
    package var fullest: (expert: Int, ratio: Double)? {
      guard mean > 0, let most = tokens.max(), let expert = tokens.firstIndex(of: most) else {
        return nil
      }
      return (expert, Double(most) / mean)
    }
  }

  package var step: Int
  package var layers: [Layer]

  package init(step: Int, layers: [Layer]) {
    self.step = step
    self.layers = layers
  }

  /// The last step's of a file; nil when it has none that can be read.
  package static func last(of path: String) -> ExpertLoads? {
    LineTail.lastLine(of: path).flatMap { try? JSONValue.decode(ExpertLoads.self, from: $0) }
  }
}
