// Scaled FP8 as the report has it (section 3.3.2, figure 7): neighbours share a scale that brings
// the largest of them to 448, found online.

/// Neighbours that share a scale.
package enum ScaleTile: Hashable, Sendable, CaseIterable {
  /// 1 × 128 of a row: activations and output gradients.
  case row
  /// 128 × 1 of a column: the same, transposed, for the weight gradient.
  case column
  /// 128 × 128: weights.
  case block
  /// All of the matrix.
  case tensor

  package static let side = 128

  /// Rows and columns of scales for a matrix.
  package func grid(rows: Int, columns: Int) -> (rows: Int, columns: Int) {
    func parts(_ count: Int) -> Int { (count + Self.side - 1) / Self.side }
    return switch self {
    case .row: (rows, parts(columns))
    case .column: (parts(rows), columns)
    case .block: (parts(rows), parts(columns))
    case .tensor: (1, 1)
    }
  }
}

/// Which numbers a scale may be.
package enum ScaleKind: Hashable, Sendable, CaseIterable {
  case float
  /// The next power of two above, which scales without rounding and fits the 8 bits of UE8M0.
  case powerOfTwo
}

/// A row-major matrix of floats whose rows are `stride` apart.
package struct FloatRows {
  package var base: UnsafeMutablePointer<Float>
  package var rows: Int
  package var columns: Int
  package var stride: Int

  package init(_ base: UnsafeMutablePointer<Float>, rows: Int, columns: Int, stride: Int) {
    self.base = base
    self.rows = rows
    self.columns = columns
    self.stride = stride
  }
}

/// The scale that brings a magnitude of `largest`, at least `smallest`, to `top`, the largest
/// number of a format.
@inline(__always)
func tileScale(
  _ largest: Float, _ kind: ScaleKind, smallest: Float, top: Float = 448
) -> Float {
  let scale = max(largest, smallest) / top
  switch kind {
  case .float: return scale
  case .powerOfTwo: return Float(bitPattern: (scale.bitPattern &+ 0x7f_ffff) & 0x7f80_0000)
  }
}

/// `tileScale` of eight magnitudes.
@inline(__always)
func tileScales(_ largest: Floats, _ kind: ScaleKind, smallest: Float) -> Floats {
  let scale = floats(atLeast(smallest.bitPattern, bits(largest))) / Float(448)
  switch kind {
  case .float: return scale
  case .powerOfTwo: return floats((bits(scale) &+ 0x7f_ffff) & 0x7f80_0000)
  }
}
