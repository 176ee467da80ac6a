// FP32 to E4M3 with a scale for each tile: a pass for the largest magnitude of a tile, another that
// writes codes and what they stand for while the tile is still in the cache.

/// Quantises to E4M3 with a scale for each tile: scale = largest magnitude / 448, at least
/// `smallest` / 448; code = E4M3(x / scale), with a true division for all scales.
///
/// NaN and infinity do not count for the scale; both get the code of NaN, and their neighbours
/// the codes that they would have had without them.
///
/// - Parameters:
///   - codes: [rows, columns].
///   - scales: the tile's grid, row by row.
///   - smallest: magnitude below which a tile counts as so large; 1e-4 in DeepSeek's released
///     kernels, next to nothing for gradients, which are small. At least 1e-35, so that scales
///     are normal numbers.
///   - dequantised: if given, code · scale of each element, of x's shape; may be x itself.
package func quantise(
  _ x: FloatRows, tile: ScaleTile, scales kind: ScaleKind, smallest: Float = 1e-30,
  codes: UnsafeMutablePointer<UInt8>, scales: UnsafeMutablePointer<Float>,
  dequantised: FloatRows? = nil
) {
  precondition(smallest >= 1e-35, "scales must be normal numbers")
  let out = QuantisedRows(
    codes: codes, codeStride: x.columns, values: dequantised?.base,
    valueStride: dequantised?.stride ?? 0)
  let side = ScaleTile.side
  switch tile {
  case .row:
    let tiles = tile.grid(rows: x.rows, columns: x.columns).columns
    for row in 0..<x.rows {
      for index in 0..<tiles {
        let part = x.part(row, index * side, rows: 1, columns: side)
        scales[row * tiles + index] = quantiseTile(
          part, kind, smallest, out.part(row, index * side))
      }
    }
  case .column: quantiseColumns(x, kind, smallest, scales, out)
  case .block: quantiseBlocks(x, kind, smallest, scales, out)
  case .tensor: scales[0] = quantiseTile(x, kind, smallest, out)
  }
}

extension FloatRows {
  /// What there is of a tile whose first element is given.
  @inline(__always)
  func part(_ row: Int, _ column: Int, rows: Int, columns: Int) -> FloatRows {
    FloatRows(
      base + row &* stride + column, rows: min(rows, self.rows &- row),
      columns: min(columns, self.columns &- column), stride: stride)
  }
}

/// Where codes and, if wanted, the numbers that they stand for go.
private struct QuantisedRows {
  var codes: UnsafeMutablePointer<UInt8>
  var codeStride: Int
  var values: UnsafeMutablePointer<Float>?
  var valueStride: Int

  @inline(__always)
  func part(_ row: Int, _ column: Int) -> Self {
    Self(
      codes: codes + row &* codeStride + column, codeStride: codeStride,
      values: values.map { $0 + row &* valueStride + column }, valueStride: valueStride)
  }
}

/// Quantises a tile and returns its scale.
@inline(__always)
private func quantiseTile(
  _ x: FloatRows, _ kind: ScaleKind, _ smallest: Float, _ out: QuantisedRows
) -> Float {
  let (largest, isFinite) = finiteMagnitude(x)
  let scale = tileScale(largest, kind, smallest: smallest)
  let lanes = Floats(repeating: scale)
  writeRows(x, isFinite: isFinite, out) { _, _ in lanes }
  return scale
}

/// Columns of a strip of 128 rows: it stays in the L2 cache, and is long enough in each row for the
/// processor to fetch ahead.
private let stripColumns = 512

/// Blocks of 128 × 128, strip by strip: the scales of its blocks, then its rows.
private func quantiseBlocks(
  _ x: FloatRows, _ kind: ScaleKind, _ smallest: Float, _ scales: UnsafeMutablePointer<Float>,
  _ out: QuantisedRows
) {
  let side = ScaleTile.side
  let tiles = ScaleTile.block.grid(rows: x.rows, columns: x.columns).columns
  for row in stride(from: 0, to: x.rows, by: side) {
    for column in stride(from: 0, to: x.columns, by: stripColumns) {
      let strip = x.part(row, column, rows: side, columns: stripColumns)
      let target = scales + row / side * tiles + column / side
      var isFinite = true
      for start in stride(from: 0, to: strip.columns, by: side) {
        let block = strip.part(0, start, rows: side, columns: side)
        let largest = finiteMagnitude(block)
        isFinite = isFinite && largest.isAll
        target[start / side] = tileScale(largest.value, kind, smallest: smallest)
      }
      writeRows(strip, isFinite: isFinite, out.part(row, column)) { start, _ in
        Floats(repeating: target[start / side])
      }
    }
  }
}

/// The largest finite magnitude of a tile, and whether all of it is finite.
@inline(__always)
private func finiteMagnitude(_ x: FloatRows) -> (value: Float, isAll: Bool) {
  let largest = largestMagnitude(x.base, rows: x.rows, count: x.columns, stride: x.stride)
  if largest < FloatBits.exponent { return (Float(bitPattern: largest), true) }
  let finite = largestMagnitude(
    x.base, rows: x.rows, count: x.columns, stride: x.stride, finiteOnly: true)
  return (Float(bitPattern: finite), false)
}

/// Tiles of 128 × 1 across the columns, strip by strip.
private func quantiseColumns(
  _ x: FloatRows, _ kind: ScaleKind, _ smallest: Float, _ scales: UnsafeMutablePointer<Float>,
  _ out: QuantisedRows
) {
  let side = ScaleTile.side
  for row in stride(from: 0, to: x.rows, by: side) {
    for column in stride(from: 0, to: x.columns, by: stripColumns) {
      let part = x.part(row, column, rows: side, columns: stripColumns)
      let target = scales + row / side * x.columns + column
      let isFinite = largestMagnitudes(
        part.base, rows: part.rows, count: part.columns, stride: part.stride, finiteOnly: false,
        into: target)
      if !isFinite {
        _ = largestMagnitudes(
          part.base, rows: part.rows, count: part.columns, stride: part.stride, finiteOnly: true,
          into: target)
      }
      @inline(__always)
      func step(_ start: Int, _ lanes: Int) {
        let largest = load(target + start, lanes, as: Floats.self)
        store(tileScales(largest, kind, smallest: smallest), lanes, to: target + start)
      }
      forEachVector(part.columns, step)
      writeRows(part, isFinite: isFinite, out.part(row, column)) { start, lanes in
        load(target + start, lanes, as: Floats.self)
      }
    }
  }
}

/// Writes the codes of rows, and the numbers that they stand for if they are wanted.
///
/// - Parameters:
///   - isFinite: whether all numbers are.
///   - scale: the scales of a count of columns from a column on.
@inline(__always)
private func writeRows(
  _ x: FloatRows, isFinite: Bool, _ out: QuantisedRows, scale: (Int, Int) -> Floats
) {
  for row in 0..<x.rows {
    let line = x.base + row &* x.stride
    let codes = out.codes + row &* out.codeStride
    let values = out.values.map { $0 + row &* out.valueStride }
    switch (values, isFinite) {
    case (let values?, true):
      @inline(__always)
      func step(_ start: Int, _ lanes: Int) {
        write(line + start, lanes, scale(start, lanes), codes + start, values + start, true)
      }
      forEachVector(x.columns, step)
    case (nil, true):
      @inline(__always)
      func step(_ start: Int, _ lanes: Int) {
        write(line + start, lanes, scale(start, lanes), codes + start, nil, true)
      }
      forEachVector(x.columns, step)
    case (_, false):
      @inline(__always)
      func step(_ start: Int, _ lanes: Int) {
        write(
          line + start, lanes, scale(start, lanes), codes + start, values.map { $0 + start },
          false)
      }
      forEachVector(x.columns, step)
    }
  }
}

@inline(__always)
private func write(
  _ x: UnsafePointer<Float>, _ lanes: Int, _ scale: Floats, _ codes: UnsafeMutablePointer<UInt8>,
  _ values: UnsafeMutablePointer<Float>?, _ isFinite: Bool
) {
  let scaled = bits(load(x, lanes, as: Floats.self) / scale)
  let magnitude = scaled & FloatBits.magnitude
  // A finite number is at most 448 and a rounding error after the division.
  var (code, value) = E4M3.rounded(
    isFinite ? magnitude : atMost(E4M3.beyond, magnitude))
  if !isFinite {
    let isNaN = isAbove(magnitude, Float(464).bitPattern)
    value = floats(select(isNaN, FloatBits.quietNaN, bits(value)))
  }
  code |= E4M3.signCode(scaled)
  store(SIMD8<UInt8>(truncatingIfNeeded: code), lanes, to: codes)
  if let values {
    let signed = floats(bits(value) | (scaled & ~FloatBits.magnitude))
    store(signed * scale, lanes, to: values)
  }
}
