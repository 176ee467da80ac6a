// Bytes of the weights that a rank of the trainer works with, matrix by matrix: under FP8 each
// 128 × 128 block has a scale, also where a matrix does not fill it.

internal import ModelSpec
internal import Schedules

struct TrainedWeights {
  let spec: ModelSpec
  let numerics: Numerics
  let layout: Layout

  private typealias Shape = (rows: Int, columns: Int)

  /// Of a rank that holds `layers` (MTP blocks among them), with what else stands on it.
  func bytes(layers: [Int], hasHead: Bool, hasEmbedding: Bool) -> Int {
    var bytes = 0
    let hidden = spec.hiddenSize
    for layer in layers {
      bytes += norms(2 * hidden + (spec.queryCompression ?? 0) + spec.keyValueCompression)
      for shape in linear(layer) { bytes += linear(shape) }
      if spec.hasExperts(layer: layer) { bytes += high(spec.routedExperts * hidden) }
      if layer >= spec.layers {
        bytes += norms(3 * hidden) + linear((hidden, 2 * hidden))
      }
    }
    if hasHead { bytes += norms(hidden) + high(spec.vocabularySize * hidden) }
    if hasEmbedding { bytes += high(spec.vocabularySize * hidden) }
    return bytes
  }

  /// Norms are FP32, embedding, head and router at least BF16.
  private func norms(_ count: Int) -> Int { 4 * count }
  private func high(_ count: Int) -> Int { count * (numerics.precision == .fp32 ? 4 : 2) }

  private func linear(_ shape: Shape) -> Int {
    let count = shape.rows * shape.columns
    guard numerics.precision == .fp8 else { return high(count) }
    func blocks(_ size: Int) -> Int { (size + StorageFormat.tile - 1) / StorageFormat.tile }
    return TrainedSizes.bytes(
      count, scales: numerics.scaling == .tiles ? blocks(shape.rows) * blocks(shape.columns) : 1)
  }

  /// Weights of linear layers of one block, other than embedding, head and router.
  private func linear(_ layer: Int) -> [Shape] {
    let (hidden, latent) = (spec.hiddenSize, spec.keyValueCompression)
    let queries = spec.heads * spec.queryHeadDim
    var shapes: [Shape] = [
      (latent + spec.ropeHeadDim, hidden),
      (spec.heads * (spec.nopeHeadDim + spec.valueHeadDim), latent),
      (hidden, spec.heads * spec.valueHeadDim),
    ]
    if let rank = spec.queryCompression {
      shapes += [(rank, hidden), (queries, rank)]
    } else {
      shapes.append((queries, hidden))
    }
    func feedForward(_ width: Int) -> [Shape] {
      [(width, hidden), (width, hidden), (hidden, width)]
    }
    guard spec.hasExperts(layer: layer) else {
      return shapes + feedForward(spec.denseIntermediateSize)
    }
    if spec.sharedExperts > 0 {
      shapes += feedForward(spec.sharedExperts * spec.expertIntermediateSize)
    }
    let own = spec.routedExperts / layout.expert
    return shapes + (0..<own).flatMap { _ in feedForward(spec.expertIntermediateSize) }
  }
}
