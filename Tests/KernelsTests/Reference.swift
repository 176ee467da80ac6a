// What the kernel tests compare with: matrices of Double with the obvious loops, random numbers
// from a seed, and views of a tensor that is wider than the matrix in it.

import Kernels
import Synchronization
import Testing

/// Sizes around the kernels' eight lanes, their pairs of eight, and none at all.
let oddSizes = [0, 1, 7, 8, 9, 16, 31, 64]

/// A matrix of Double, row by row.
struct Grid {
  var rows: Int
  var columns: Int
  var values: [Double]

  init(_ rows: Int, _ columns: Int, _ value: (Int, Int) -> Double = { _, _ in 0 }) {
    self.rows = rows
    self.columns = columns
    values = (0..<rows).flatMap { row in (0..<columns).map { value(row, $0) } }
  }

  subscript(row: Int, column: Int) -> Double {
    get { values[row * columns + column] }
    set { values[row * columns + column] = newValue }
  }

  var transposed: Grid { Grid(columns, rows) { self[$1, $0] } }

  func times(_ other: Grid) -> Grid {
    Grid(rows, other.columns) { row, column in
      (0..<columns).reduce(0) { $0 + self[row, $1] * other[$1, column] }
    }
  }
}

/// Numbers exactly representable in Float, so that the references see what the kernels see.
struct Numbers {
  private var state: UInt64

  init(seed: Int) { state = UInt64(seed) &* 0x9E37_79B9_7F4A_7C15 &+ 1 }

  /// Uniform in −1 ..< 1, in steps of 2⁻²³.
  mutating func next() -> Double {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Double(state >> 40) / Double(1 << 23) - 1
  }

  mutating func grid(_ rows: Int, _ columns: Int) -> Grid {
    var grid = Grid(rows, columns)
    for i in grid.values.indices { grid.values[i] = next() }
    return grid
  }
}

/// Addresses of all the tests' numbers: they live to the end of the process, so that a pointer
/// taken from an expression stays good.
private let kept = Mutex<[UInt]>([])

/// Floats that nobody frees.
private func memory(_ count: Int) -> UnsafeMutablePointer<Float> {
  let pointer = UnsafeMutablePointer<Float>.allocate(capacity: max(count, 1))
  kept.withLock { $0.append(UInt(bitPattern: pointer)) }
  return pointer
}

/// A matrix with a margin of 3 columns of a mark on its right.
struct Margined {
  static let mark: Float = -77
  let matrix: Matrix

  init(_ grid: Grid) {
    let stride = grid.columns + 3
    let base = memory(grid.rows * stride)
    base.update(repeating: Self.mark, count: grid.rows * stride)
    matrix = Matrix(base, grid.rows, grid.columns, stride: stride)
    for row in 0..<grid.rows {
      for column in 0..<grid.columns { matrix.row(row)[column] = Float(grid[row, column]) }
    }
  }

  /// Agrees with `expected` to `tolerance` of the larger of 1 and its largest entry, and the margin
  /// is as it was.
  func expect(
    _ expected: Grid, tolerance: Double = 2e-6, _ what: Comment? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let largest = expected.values.reduce(1) { max($0, abs($1)) }
    var worst = 0.0
    for row in 0..<expected.rows {
      for column in 0..<expected.columns {
        let difference = abs(Double(matrix.row(row)[column]) - expected[row, column])
        worst = difference <= worst ? worst : difference  // NaN counts as worst
      }
      for column in 0..<3 {
        #expect(
          matrix.row(row)[expected.columns + column] == Self.mark, what,
          sourceLocation: sourceLocation)
      }
    }
    #expect(worst <= tolerance * largest, what, sourceLocation: sourceLocation)
  }
}

/// A vector of Float.
func floats(_ values: [Double]) -> UnsafeMutablePointer<Float> {
  let base = memory(values.count)
  for (i, value) in values.enumerated() { base[i] = Float(value) }
  return base
}

/// Zeros.
func floats(_ count: Int) -> UnsafeMutablePointer<Float> {
  floats(Array(repeating: 0, count: count))
}

/// d f / d x[i] for all i by central differences with step 1e-5: error about 1e-10 for functions
/// whose third derivative is about 1.
func finiteDifferences(_ x: Grid, _ f: (Grid) -> Double) -> Grid {
  var gradient = Grid(x.rows, x.columns)
  for i in x.values.indices {
    var (above, below) = (x, x)
    above.values[i] += 1e-5
    below.values[i] -= 1e-5
    gradient.values[i] = (f(above) - f(below)) / 2e-5
  }
  return gradient
}

/// Σ a·b over all entries.
func dot(_ a: Grid, _ b: Grid) -> Double { zip(a.values, b.values).reduce(0) { $0 + $1.0 * $1.1 } }
