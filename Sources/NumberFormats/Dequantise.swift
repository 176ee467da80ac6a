// E4M3 with scales back to FP32.

/// x = code · scale.
package func dequantise(
  codes: UnsafePointer<UInt8>, scales: UnsafePointer<Float>, tile: ScaleTile, into x: FloatRows
) {
  let side = ScaleTile.side
  let grid = tile.grid(rows: x.rows, columns: x.columns)
  for row in 0..<x.rows {
    let source = codes + row * x.columns
    let target = x.base + row * x.stride
    switch tile {
    case .row, .block:
      let scales = scales + (tile == .row ? row : row / side) * grid.columns
      for index in 0..<grid.columns {
        let start = index &* side
        let scale = Floats(repeating: scales[index])
        dequantiseRun(source + start, min(side, x.columns &- start), target + start) { _, _ in
          scale
        }
      }
    case .column:
      let scales = scales + row / side * grid.columns
      dequantiseRun(source, x.columns, target) { start, lanes in
        load(scales + start, lanes, as: Floats.self)
      }
    case .tensor:
      let scale = Floats(repeating: scales[0])
      dequantiseRun(source, x.columns, target) { _, _ in scale }
    }
  }
}

@inline(__always)
private func dequantiseRun(
  _ codes: UnsafePointer<UInt8>, _ count: Int, _ x: UnsafeMutablePointer<Float>,
  scale: (Int, Int) -> Floats
) {
  @inline(__always)
  func step(_ start: Int, _ lanes: Int) {
    let code = Words(truncatingIfNeeded: load(codes + start, lanes, as: SIMD8<UInt8>.self))
    store(E4M3.values(code) * scale(start, lanes), lanes, to: x + start)
  }
  forEachVector(count, step)
}
