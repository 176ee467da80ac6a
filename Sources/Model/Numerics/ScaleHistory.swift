// Delayed scaling: one scale for a tensor, from the largest magnitudes of the calls before. The
// report compares its tiles with it (section 3.3.2); it needs no look at the numbers before they
// are quantised, and is caught out when they grow.

internal import Kernels
internal import NumberFormats

/// The scale of one operand of one layer.
final class ScaleHistory {
  /// Calls whose largest magnitude counts.
  static let length = 16

  private var largest: [Float] = []
  /// The scale of the last call.
  private(set) var scale: Float = 1

  /// The scale for `x` from the calls before, from `x` itself at the first; then remembers `x`.
  func next(_ x: Matrix) -> Float {
    let magnitude = largestMagnitude(x)
    if largest.isEmpty { largest.append(magnitude) }
    scale = max(largest.reduce(0, max), 1e-30) / NumberFormat.e4m3.largest
    largest.append(magnitude)
    if largest.count > Self.length { largest.removeFirst() }
    return scale
  }

  private func largestMagnitude(_ x: Matrix) -> Float {
    var largest: Float = 0
    for row in 0..<x.rows {
      let line = x.row(row)
      for column in 0..<x.columns where abs(line[column]) > largest { largest = abs(line[column]) }
    }
    return largest
  }
}

/// Of a linear layer's two operands that change with every call.
final class LayerScales {
  let input = ScaleHistory()
  let gradient = ScaleHistory()
}
