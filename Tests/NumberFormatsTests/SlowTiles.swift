// The slow twin of the scaled tiles: element by element, with the slow casts.

import NumberFormats

/// Which scale an element of a grid of `columns` has.
func scaleIndex(_ tile: ScaleTile, _ row: Int, _ column: Int, columns: Int) -> Int {
  switch tile {
  case .row: row * columns + column / 128
  case .column: row / 128 * columns + column
  case .block: row / 128 * columns + column / 128
  case .tensor: 0
  }
}

/// A scale by its definition.
func slowScale(_ largest: Float, _ kind: ScaleKind, smallest: Float, top: Float) -> Float {
  let scale = max(largest, smallest) / top
  guard kind == .powerOfTwo else { return scale }
  let power = Float(sign: .plus, exponent: scale.exponent, significand: 1)
  return power == scale ? scale : 2 * power
}

/// Codes, scales and the numbers that the codes stand for; a matrix without stride.
func slowQuantise(
  _ x: [Float], rows: Int, columns: Int, tile: ScaleTile, kind: ScaleKind, smallest: Float = 1e-30
) -> (codes: [UInt8], scales: [Float], values: [Float]) {
  let grid = tile.grid(rows: rows, columns: columns)
  var scales = [Float](repeating: 0, count: grid.rows * grid.columns)
  let places = (0..<rows * columns).map {
    scaleIndex(tile, $0 / columns, $0 % columns, columns: grid.columns)
  }
  for (value, place) in zip(x, places) where value.isFinite {
    scales[place] = max(scales[place], abs(value))
  }
  scales = scales.map { slowScale($0, kind, smallest: smallest, top: 448) }
  let codes = zip(x, places).map { value, place in
    UInt8(NumberFormat.e4m3.slowCode(value / scales[place], .escape))
  }
  let values = zip(codes, places).map { code, place in
    NumberFormat.e4m3.slowValue(UInt16(code)) * scales[place]
  }
  return (codes, scales, values)
}

/// Packed rows of E5M6, scales, and the numbers.
func slowPack(
  _ x: [Float], rows: Int, columns: Int
) -> (codes: [UInt8], scales: [Float], values: [Float]) {
  let rowBytes = packedE5M6Bytes(columns)
  let tiles = (columns + 127) / 128
  var codes = [UInt8](repeating: 0, count: rows * rowBytes)
  var scales = [Float](repeating: 0, count: rows * tiles)
  var values = x
  for row in 0..<rows {
    for column in 0..<columns {
      let tile = column / 128 * 128..<min(columns, column / 128 * 128 + 128)
      let largest = tile.map { abs(x[row * columns + $0]) }.filter(\.isFinite).max() ?? 0
      let scale = slowScale(largest, .powerOfTwo, smallest: 1e-30, top: 65024)
      scales[row * tiles + column / 128] = scale
      let code = NumberFormat.e5m6.slowCode(x[row * columns + column] / scale, .escape)
      values[row * columns + column] = NumberFormat.e5m6.slowValue(code) * scale
      // Bit by bit: number n of a row has bits 12n to 12n + 11.
      for bit in 0..<12 where code >> UInt16(bit) & 1 == 1 {
        let place = 12 * column + bit
        codes[row * rowBytes + place / 8] |= 1 << UInt8(place % 8)
      }
    }
  }
  return (codes, scales, values)
}
