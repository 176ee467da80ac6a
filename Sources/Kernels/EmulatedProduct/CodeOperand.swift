// One operand of an emulated product: where its codes and scales lie, seen from the contraction;
// and what the 256 codes of E4M3 are.

internal import NumberFormats

/// A matrix [outer, k] in E4M3, k the contraction: rows of A or columns of B.
struct CodeOperand {
  let codes: UnsafePointer<UInt8>
  let scales: UnsafePointer<Float>
  /// Rows of op(A) or columns of op(B), and terms.
  let (outer, terms): (Int, Int)
  /// Codes from one to the next.
  let (outerStep, termStep): (Int, Int)
  /// Scales from one to the next, and how many outer ones share one.
  let (outerScaleStep, chunkScaleStep): (Int, Int)
  let outerShare: Int

  /// `outerIsRow`: whether a row of the matrix runs along the contraction.
  init(_ matrix: StoredMatrix, outerIsRow: Bool) {
    guard case .e4m3(let tile, _) = matrix.code else {
      preconditionFailure("the tensor core is emulated for E4M3 only")
    }
    precondition(
      tile != (outerIsRow ? .column : .row) || matrix.rows * matrix.columns == 0,
      "scales must lie along the contraction")
    codes = UnsafePointer(matrix.codes)
    scales = UnsafePointer(matrix.scales)
    (outer, terms) =
      outerIsRow ? (matrix.rows, matrix.columns) : (matrix.columns, matrix.rows)
    (outerStep, termStep) = outerIsRow ? (matrix.columns, 1) : (1, matrix.columns)
    let gridColumns = tile.grid(rows: matrix.rows, columns: matrix.columns).columns
    switch tile {
    case .tensor: (outerScaleStep, chunkScaleStep, outerShare) = (0, 0, 1)
    case .block:
      (outerScaleStep, chunkScaleStep) = outerIsRow ? (gridColumns, 1) : (1, gridColumns)
      outerShare = ScaleTile.side
    case .row, .column:
      (outerScaleStep, chunkScaleStep) = outerIsRow ? (gridColumns, 1) : (1, gridColumns)
      outerShare = 1
    }
  }

  var scaleIsConstant: Bool { chunkScaleStep == 0 }

  func code(_ index: Int, _ term: Int) -> UInt8 { codes[index * outerStep + term * termStep] }

  /// The scale of terms 128 · chunk ..< 128 · (chunk + 1).
  @inline(__always)
  func scale(_ index: Int, chunk: Int) -> Float {
    scales[index / outerShare * outerScaleStep + chunk * chunkScaleStep]
  }
}

/// What the codes of E4M3 stand for.
struct CodeTable: Sendable {
  /// Numbers by code.
  let values: [Float]
  /// Exponents by code: of a subnormal −6, and `zero` of a zero.
  let exponents: [Int8]

  /// Below any exponent of a product that isn't zero, and so is the sum with any exponent.
  static let zero: Int8 = -60

  static let e4m3: CodeTable = {
    let codes = (0...255).map { UInt8($0) }
    var values = [Float](repeating: 0, count: 256)
    NumberFormat.e4m3.decode(codes, count: 256, into: &values)
    let exponents = codes.map { code in
      code & 0x7f == 0 ? zero : Int8(max(code >> 3 & 15, 1)) - 7
    }
    return CodeTable(values: values, exponents: exponents)
  }()
}
