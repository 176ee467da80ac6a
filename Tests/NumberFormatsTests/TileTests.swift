// Scaled tiles against the goldens and, over shapes, strides and special values, against the slow
// twin. Everything is compared bit by bit.

import NumberFormats
import Testing

@Suite struct TileTests {
  @Test("activations in 1 × 128 tiles are the goldens", arguments: ScaleKind.allCases)
  func activationsAreTheGoldens(_ kind: ScaleKind) throws {
    let suffix = kind == .float ? "" : "_ue8m0"
    let x = try Goldens.tiles.elements("act.x", as: Float.self)
    let result = quantised(x, rows: 6, columns: 384, tile: .row, kind: kind, smallest: 1e-4)
    let scales = try Goldens.tiles.elements("act.scale" + suffix, as: Float.self)
    #expect(x.count == 6 * 384 && result.scales == scales)
    let codes = try Goldens.tiles.elements("act.codes" + suffix, as: UInt8.self)
    #expect(result.codes == codes)
  }

  @Test func weightsIn128x128BlocksAreTheGoldens() throws {
    let x = try Goldens.tiles.elements("weight.x", as: Float.self)
    let result = quantised(x, rows: 200, columns: 300, tile: .block, kind: .float)
    let scales = try Goldens.tiles.elements("weight.scale_inv", as: Float.self)
    let codes = try Goldens.tiles.elements("weight.codes", as: UInt8.self)
    let values = try Goldens.tiles.elements("weight.dequant", as: Float.self)
    #expect(result.scales == scales)
    #expect(result.codes == codes)
    #expect(result.values == values)
  }

  static let shapes = [
    (1, 1), (1, 128), (2, 130), (3, 15), (5, 517), (128, 16), (129, 7), (130, 257), (200, 300),
    (257, 1040),
  ]

  @Test("quantising is that of the slow twin", arguments: shapes)
  func quantisesLikeTheTwin(_ rows: Int, _ columns: Int) {
    var random = SplitMix64(seed: UInt64(rows * 1000 + columns))
    for hasSpecial in [false, true] {
      let x = numbers(rows * columns, hasSpecial: hasSpecial, &random)
      for tile in ScaleTile.allCases {
        for kind in ScaleKind.allCases {
          let slow = slowQuantise(x, rows: rows, columns: columns, tile: tile, kind: kind)
          for (padding, isInPlace) in [(0, false), (5, false), (3, true)] {
            let fast = quantised(
              x, rows: rows, columns: columns, tile: tile, kind: kind, padding: padding,
              isInPlace: isInPlace)
            let place = "\(tile) \(kind) \(padding) \(isInPlace) \(hasSpecial)"
            #expect(fast.codes == slow.codes, "\(place)")
            #expect(fast.scales == slow.scales, "\(place)")
            #expect(same(fast.values, slow.values) && fast.hasKeptPadding, "\(place)")
            #expect(same(fast.loaded, slow.values), "\(place)")
          }
        }
      }
    }
  }

  @Test("E5M6 is packed as by the slow twin", arguments: shapes)
  func packsLikeTheTwin(_ rows: Int, _ columns: Int) {
    var random = SplitMix64(seed: UInt64(columns))
    for (hasSpecial, padding) in [(false, 0), (true, 3)] {
      let x = numbers(rows * columns, hasSpecial: hasSpecial, &random)
      let slow = slowPack(x, rows: rows, columns: columns)
      var (padded, stride) = (spread(x, columns: columns, padding: padding), columns + padding)
      var codes = [UInt8](repeating: 0xaa, count: slow.codes.count + 4)
      var scales = [Float](repeating: 0, count: slow.scales.count)
      padded.withUnsafeMutableBufferPointer { buffer in
        guard let base = buffer.baseAddress else { return }
        let matrix = FloatRows(base, rows: rows, columns: columns, stride: stride)
        packE5M6(matrix, codes: &codes, scales: &scales)
        for place in buffer.indices where place % stride < columns { buffer[place] = -1 }
        unpackE5M6(codes: codes, scales: scales, into: matrix)
      }
      #expect(codes == slow.codes + [0xaa, 0xaa, 0xaa, 0xaa] && scales == slow.scales)
      let values = padded.indices.filter { $0 % stride < columns }.map { padded[$0] }
      #expect(same(values, slow.values))
      #expect(padded.indices.allSatisfy { $0 % stride < columns || padded[$0] == 7 })
    }
  }

  /// One NaN and one infinity: both have the code of NaN, and the scale is that of the others.
  @Test(arguments: ScaleTile.allCases)
  func whatIsNotFiniteIsSeenAndLeavesItsNeighboursAlone(_ tile: ScaleTile) {
    var x = (0..<40 * 40).map { Float($0 % 97) - 40 }
    let clean = quantised(x, rows: 40, columns: 40, tile: tile, kind: .float)
    // Neither is the largest of its row.
    (x[3 * 40 + 5], x[7 * 40 + 2]) = (.nan, -.infinity)
    let result = quantised(x, rows: 40, columns: 40, tile: tile, kind: .float)
    for (index, code) in result.codes.enumerated() {
      let expected: UInt8 = index == 125 ? 0x7f : index == 282 ? 0xff : clean.codes[index]
      // In a column each may have been the largest.
      if tile != .column || (index % 40 != 5 && index % 40 != 2) { #expect(code == expected) }
    }
    #expect(result.codes[125] == 0x7f && result.codes[282] == 0xff)
    #expect(result.scales.allSatisfy { $0.isFinite })
  }
}

/// What the fast code makes of a matrix.
private struct Quantised {
  var codes: [UInt8]
  var scales: [Float]
  /// Of `quantise` itself.
  var values: [Float]
  /// Of `dequantise`.
  var loaded: [Float]
  /// Whether what lies between rows and behind the codes stayed.
  var hasKeptPadding: Bool
}

private func quantised(
  _ x: [Float], rows: Int, columns: Int, tile: ScaleTile, kind: ScaleKind, smallest: Float = 1e-30,
  padding: Int = 0, isInPlace: Bool = false
) -> Quantised {
  let grid = tile.grid(rows: rows, columns: columns)
  let stride = columns + padding
  var source = spread(x, columns: columns, padding: padding)
  var target = [Float](repeating: 7, count: source.count)
  var loaded = target
  var codes = [UInt8](repeating: 0xaa, count: x.count + 4)
  var scales = [Float](repeating: 0, count: grid.rows * grid.columns)
  var bare = codes
  var bareScales = scales
  withMatrix(&source, rows, columns, stride) { x in
    // Without the numbers first: the same codes.
    quantise(x, tile: tile, scales: kind, smallest: smallest, codes: &bare, scales: &bareScales)
    withMatrix(&target, rows, columns, stride) { target in
      quantise(
        x, tile: tile, scales: kind, smallest: smallest, codes: &codes, scales: &scales,
        dequantised: isInPlace ? x : target)
    }
  }
  withMatrix(&loaded, rows, columns, stride) {
    dequantise(codes: codes, scales: scales, tile: tile, into: $0)
  }
  let written = isInPlace ? source : target
  let inside = written.indices.filter { $0 % stride < columns }
  let keeps = written.indices.allSatisfy {
    $0 % stride < columns || (written[$0] == 7 && loaded[$0] == 7)
  }
  return Quantised(
    codes: Array(codes.dropLast(4)), scales: scales, values: inside.map { written[$0] },
    loaded: inside.map { loaded[$0] },
    hasKeptPadding: keeps && codes.suffix(4) == [0xaa, 0xaa, 0xaa, 0xaa] && bare == codes
      && bareScales == scales)
}

private func withMatrix(
  _ numbers: inout [Float], _ rows: Int, _ columns: Int, _ stride: Int, _ body: (FloatRows) -> Void
) {
  numbers.withUnsafeMutableBufferPointer {
    guard let base = $0.baseAddress else { return }
    body(FloatRows(base, rows: rows, columns: columns, stride: stride))
  }
}

/// Rows with `padding` sevens behind each.
private func spread(_ x: [Float], columns: Int, padding: Int) -> [Float] {
  stride(from: 0, to: x.count, by: columns).flatMap {
    Array(x[$0..<$0 + columns]) + Array(repeating: 7, count: padding)
  }
}

/// Bits alike, all NaNs of a sign alike.
private func same(_ a: [Float], _ b: [Float]) -> Bool {
  a.count == b.count
    && zip(a, b).allSatisfy { $0.bitPattern == $1.bitPattern || ($0.isNaN && $1.isNaN) }
}

/// Numbers of many sizes, whole stretches of zeros and tiny ones, and if wanted what is not finite.
private func numbers(
  _ count: Int, hasSpecial: Bool, _ random: inout SplitMix64
) -> [Float] {
  (0..<count).map { index in
    let unit = Float.random(in: -1...1, using: &random)
    let size = Float.random(in: -12...12, using: &random)
    let value = unit * Float(sign: .plus, exponent: Int(size), significand: 1)
    switch (hasSpecial, Int.random(in: 0..<200, using: &random)) {
    case (true, 0): return .nan
    case (true, 1): return value < 0 ? -.infinity : .infinity
    case (true, 2): return Float.greatestFiniteMagnitude * unit
    case (_, 3...6): return 0
    case (_, 7): return -0.0
    case (_, 8): return Float.leastNormalMagnitude * unit
    default: return index / 128 % 5 == 3 ? value * 1e-36 : value
    }
  }
}
