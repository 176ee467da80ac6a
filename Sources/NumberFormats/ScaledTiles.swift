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

/// Quantises to E4M3 with a scale for each tile: scale = largest magnitude / 448, at least
/// `smallest` / 448; code = E4M3(x / scale).
///
/// - Parameters:
///   - codes: [rows, columns].
///   - scales: the tile's grid, row by row.
///   - smallest: magnitude below which a tile counts as so large; 1e-4 in DeepSeek's released
///     kernels, next to nothing for gradients, which are small.
///   - dequantised: if given, code · scale of each element, of x's shape; may be x itself.
package func quantise(
  _ x: FloatRows, tile: ScaleTile, scales kind: ScaleKind, smallest: Float = 1e-30,
  codes: UnsafeMutablePointer<UInt8>, scales: UnsafeMutablePointer<Float>,
  dequantised: FloatRows? = nil
) {
  let grid = tile.grid(rows: x.rows, columns: x.columns)
  for index in 0..<grid.rows * grid.columns { scales[index] = 0 }
  func place(_ row: Int, _ column: Int) -> Int {
    switch tile {
    case .row: row * grid.columns + column / ScaleTile.side
    case .column: row / ScaleTile.side * grid.columns + column
    case .block: row / ScaleTile.side * grid.columns + column / ScaleTile.side
    case .tensor: 0
    }
  }
  for row in 0..<x.rows {
    for column in 0..<x.columns {
      let at = place(row, column)
      scales[at] = max(scales[at], abs(x.base[row * x.stride + column]))
    }
  }
  for index in 0..<grid.rows * grid.columns {
    scales[index] = tileScale(scales[index], kind, smallest: smallest)
  }
  for row in 0..<x.rows {
    for column in 0..<x.columns {
      var scaled = x.base[row * x.stride + column] / scales[place(row, column)]
      NumberFormat.e4m3.encode(&scaled, count: 1, into: codes + row * x.columns + column)
    }
  }
  if let dequantised {
    dequantise(codes: codes, scales: scales, tile: tile, into: dequantised)
  }
}

/// The scale of a tile whose largest magnitude is given.
@inline(__always)
func tileScale(_ largest: Float, _ kind: ScaleKind, smallest: Float) -> Float {
  let scale = max(largest, smallest) / 448
  switch kind {
  case .float: return scale
  case .powerOfTwo:
    let bits = scale.bitPattern
    return Float(bitPattern: (bits &+ 0x7f_ffff) & 0x7f80_0000)
  }
}

/// x = code · scale.
package func dequantise(
  codes: UnsafePointer<UInt8>, scales: UnsafePointer<Float>, tile: ScaleTile, into x: FloatRows
) {
  let grid = tile.grid(rows: x.rows, columns: x.columns)
  for row in 0..<x.rows {
    NumberFormat.e4m3.decode(
      codes + row * x.columns, count: x.columns, into: x.base + row * x.stride)
    for column in 0..<x.columns {
      let at =
        switch tile {
        case .row: row * grid.columns + column / ScaleTile.side
        case .column: row / ScaleTile.side * grid.columns + column
        case .block: row / ScaleTile.side * grid.columns + column / ScaleTile.side
        case .tensor: 0
        }
      x.base[row * x.stride + column] *= scales[at]
    }
  }
}

/// Packs rows to E5M6, twelve bits a number, two in three bytes, each row rounded up to whole
/// bytes, with power-of-two scales for tiles of 1 × 128 that bring the largest below 65024.
///
/// - Parameters:
///   - codes: `packedE5M6Bytes(columns)` for each row.
///   - scales: [rows, ⌈columns / 128⌉].
package func packE5M6(
  _ x: FloatRows, codes: UnsafeMutablePointer<UInt8>, scales: UnsafeMutablePointer<Float>
) {
  let tiles = (x.columns + ScaleTile.side - 1) / ScaleTile.side
  for row in 0..<x.rows {
    let line = x.base + row * x.stride
    let target = codes + row * packedE5M6Bytes(x.columns)
    for tile in 0..<tiles {
      let range = tile * ScaleTile.side..<min((tile + 1) * ScaleTile.side, x.columns)
      let largest = range.reduce(Float(0)) { max($0, abs(line[$1])) }
      let ratio = max(largest, 1e-30) / 65024
      let scale = Float(bitPattern: (ratio.bitPattern &+ 0x7f_ffff) & 0x7f80_0000)
      scales[row * tiles + tile] = scale
      for column in range {
        var (scaled, code) = (line[column] / scale, UInt16(0))
        NumberFormat.e5m6.encode(&scaled, count: 1, into: &code)
        let at = column / 2 * 3
        if column % 2 == 0 {
          target[at] = UInt8(code & 0xff)
          target[at + 1] = UInt8(code >> 8)
        } else {
          target[at + 1] |= UInt8(code & 0xf) << 4
          target[at + 2] = UInt8(code >> 4)
        }
      }
    }
  }
}

/// Bytes of a row of `columns` packed numbers.
package func packedE5M6Bytes(_ columns: Int) -> Int { (columns * 12 + 7) / 8 }

/// The reverse of `packE5M6`.
package func unpackE5M6(
  codes: UnsafePointer<UInt8>, scales: UnsafePointer<Float>, into x: FloatRows
) {
  let tiles = (x.columns + ScaleTile.side - 1) / ScaleTile.side
  for row in 0..<x.rows {
    let source = codes + row * packedE5M6Bytes(x.columns)
    for column in 0..<x.columns {
      let at = column / 2 * 3
      var code =
        column % 2 == 0
        ? UInt16(source[at]) | UInt16(source[at + 1] & 0xf) << 8
        : UInt16(source[at + 1] >> 4) | UInt16(source[at + 2]) << 4
      NumberFormat.e5m6.decode(&code, count: 1, into: x.base + row * x.stride + column)
      x.base[row * x.stride + column] *= scales[row * tiles + column / ScaleTile.side]
    }
  }
}
