// A matrix kept in few bytes: what a forward leaves for its backward, weights as the products take
// them, rows on their way to experts. The products themselves are taken in FP32, so a matrix is
// loaded before it is used.

package import NumberFormats

/// How a matrix is kept.
package enum StorageCode: Hashable, Sendable {
  case bf16
  /// Packed to twelve bits, power-of-two scales for 1 × 128 tiles.
  case e5m6
  /// E4M3 with scales.
  case e4m3(ScaleTile, ScaleKind)
}

/// A matrix [rows, columns] in codes, with their scales.
///
/// Unchecked Sendable: as a tensor's.
package final class StoredMatrix: @unchecked Sendable {
  package let rows: Int
  package let columns: Int
  package let code: StorageCode
  package let codes: UnsafeMutablePointer<UInt8>
  /// The tile's grid, row by row; nothing for BF16.
  package let scales: UnsafeMutablePointer<Float>
  /// Bytes of codes and of scales, which lie behind them in one block.
  package let codeBytes: Int
  package let scaleCount: Int
  /// What the bytes count as.
  package private(set) var category: MemoryCategory

  /// Room for codes and scales, not filled.
  package init(_ rows: Int, _ columns: Int, _ code: StorageCode, for category: MemoryCategory) {
    self.rows = rows
    self.columns = columns
    self.code = code
    self.category = category
    switch code {
    case .bf16: (codeBytes, scaleCount) = (rows * columns * 2, 0)
    case .e5m6:
      codeBytes = rows * packedE5M6Bytes(columns)
      scaleCount = rows * ((columns + ScaleTile.side - 1) / ScaleTile.side)
    case .e4m3(let tile, _):
      let grid = tile.grid(rows: rows, columns: columns)
      (codeBytes, scaleCount) = (rows * columns, grid.rows * grid.columns)
    }
    let memory = TensorMemory.acquire(
      Self.bytes(codeBytes, scaleCount), category)
    codes = memory.bindMemory(to: UInt8.self, capacity: Swift.max(codeBytes, 1))
    scales = (memory + (codeBytes + 3) / 4 * 4).bindMemory(
      to: Float.self, capacity: Swift.max(scaleCount, 1))
  }

  /// Codes of `x`. `dequantised`, if given, gets what the codes stand for; it may be x.
  package convenience init(
    _ x: Matrix, _ code: StorageCode, for category: MemoryCategory = .activations,
    dequantised: Matrix? = nil
  ) {
    self.init(x.rows, x.columns, code, for: category)
    store(x, dequantised: dequantised)
  }

  /// E4M3 codes of `x` under a scale that was chosen before; what is too large becomes 448 · scale.
  package convenience init(_ x: Matrix, scale: Float, for category: MemoryCategory) {
    self.init(x.rows, x.columns, .e4m3(.tensor, .float), for: category)
    scales[0] = scale
    withUnsafeTemporaryAllocation(of: Float.self, capacity: columns) { scratch in
      guard let line = scratch.baseAddress else { return }
      for row in 0..<x.rows {
        for column in 0..<columns { line[column] = x.row(row)[column] / scale }
        NumberFormat.e4m3.encode(line, count: columns, into: codes + row * columns)
      }
    }
  }

  /// Replaces all numbers, or those of the rows from `first`: tiles then lie in rows.
  package func store(_ x: Matrix, atRow first: Int = 0, dequantised: Matrix? = nil) {
    precondition(x.columns == columns && first + x.rows <= rows, "shapes differ")
    precondition(x.rows == rows || hasRowTiles, "tiles that span rows are made all at once")
    let codes = self.codes + first * codeRowBytes
    let scales = self.scales + (scaleCount == 0 ? 0 : first * (scaleCount / Swift.max(rows, 1)))
    switch code {
    case .bf16:
      for row in 0..<x.rows {
        NumberFormat.bf16.encode(
          x.row(row), count: columns, into: codes + row * codeRowBytes, overflow: .escape)
      }
    case .e5m6: packE5M6(x.floatRows, codes: codes, scales: scales)
    case .e4m3(let tile, let kind):
      quantise(
        x.floatRows, tile: tile, scales: kind, codes: codes, scales: scales,
        dequantised: dequantised?.floatRows)
      return
    }
    if let dequantised { load(rows: first..<first + x.rows, into: dequantised) }
  }

  deinit {
    TensorMemory.release(
      UnsafeMutableRawPointer(codes), Self.bytes(codeBytes, scaleCount), category)
  }

  /// Counts the matrix as something else from now on.
  package func count(as category: MemoryCategory) {
    if self.category == category { return }
    TensorMemory.recount(byteCount, from: self.category, as: category)
    self.category = category
  }

  private static func bytes(_ codes: Int, _ scales: Int) -> Int {
    scales == 0 ? codes : (codes + 3) / 4 * 4 + scales * 4
  }

  /// The numbers, in FP32.
  package func load(for category: MemoryCategory = .emulation) -> Tensor {
    let tensor = Tensor(rows, columns, for: category)
    load(into: tensor.matrix)
    return tensor
  }

  package func load(into x: Matrix) { load(rows: 0..<rows, into: x) }

  /// The numbers of some rows; of all of them unless tiles lie in rows.
  package func load(rows range: Range<Int>, into x: Matrix) {
    precondition(x.rows == range.count && x.columns == columns, "shapes differ")
    precondition(range.count == rows || hasRowTiles, "tiles that span rows are loaded all at once")
    let codes = self.codes + range.lowerBound * codeRowBytes
    let scales =
      self.scales + (scaleCount == 0 ? 0 : range.lowerBound * (scaleCount / Swift.max(rows, 1)))
    switch code {
    case .bf16:
      for row in 0..<x.rows {
        NumberFormat.bf16.decode(codes + row * codeRowBytes, count: columns, into: x.row(row))
      }
    case .e5m6: unpackE5M6(codes: codes, scales: scales, into: x.floatRows)
    case .e4m3(let tile, _):
      dequantise(codes: codes, scales: scales, tile: tile, into: x.floatRows)
    }
  }

  /// Whether each row can be read without the others.
  private var hasRowTiles: Bool {
    switch code {
    case .bf16, .e5m6, .e4m3(.row, _): true
    case .e4m3: false
    }
  }

  private var codeRowBytes: Int { rows == 0 ? 0 : codeBytes / rows }

  /// Bytes of memory.
  package var byteCount: Int { Self.bytes(codeBytes, scaleCount) }

  /// Row i of `x` = row `indices[i]`. Not for tiles that span rows.
  package func gatherRows(_ indices: ArraySlice<Int32>, into x: Matrix) {
    for (i, index) in indices.enumerated() {
      load(rows: Int(index)..<Int(index) + 1, into: x.rows(i..<i + 1))
    }
  }
}

extension Matrix {
  package var floatRows: FloatRows {
    FloatRows(base, rows: rows, columns: columns, stride: stride)
  }
}
