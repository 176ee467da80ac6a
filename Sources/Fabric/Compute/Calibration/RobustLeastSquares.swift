// Linear least squares that single outliers do not pull along: weights after Huber, renewed until
// they settle.

enum RobustLeastSquares {
  /// The coefficients that bring `rows` · x near `targets`, none negative: a column that wants to
  /// be is dropped, its coefficient zero. Nil when the rows do not determine them.
  ///
  /// Residuals count in full up to twice their typical size, and grow linearly beyond.
  static func solve(rows: [[Double]], targets: [Double]) -> [Double]? {
    guard let width = rows.first?.count, rows.count >= width else { return nil }
    var columns = Array(0..<width)
    while !columns.isEmpty {
      let kept = rows.map { row in columns.map { row[$0] } }
      guard let solution = reweighted(kept, targets) else { return nil }
      guard let least = solution.indices.min(by: { solution[$0] < solution[$1] }),
        solution[least] < 0
      else {
        var full = [Double](repeating: 0, count: width)
        for (column, value) in zip(columns, solution) { full[column] = value }
        return full
      }
      columns.remove(at: least)
    }
    return nil
  }

  private static func reweighted(_ rows: [[Double]], _ targets: [Double]) -> [Double]? {
    var weights = [Double](repeating: 1, count: rows.count)
    var solution: [Double]?
    for _ in 0..<50 {
      guard let next = weighted(rows, targets, weights) else { return nil }
      solution = next
      let errors = zip(rows, targets).map { row, target in
        abs(zip(row, next).reduce(-target) { $0 + $1.0 * $1.1 })
      }
      // Of a normal distribution, the median error is 1 / 1.4826 of its standard deviation.
      let typical = 1.4826 * median(errors)
      guard typical > 1e-12 else { break }
      weights = errors.map { min(1, 2 * typical / max($0, 1e-300)) }
    }
    return solution
  }

  /// Normal equations, by elimination with pivots.
  private static func weighted(
    _ rows: [[Double]], _ targets: [Double], _ weights: [Double]
  ) -> [Double]? {
    let width = rows[0].count
    var matrix = [[Double]](
      repeating: [Double](repeating: 0, count: width + 1), count: width)
    for (index, row) in rows.enumerated() {
      for i in 0..<width {
        for j in 0..<width { matrix[i][j] += weights[index] * row[i] * row[j] }
        matrix[i][width] += weights[index] * row[i] * targets[index]
      }
    }
    let scale = (0..<width).map { matrix[$0][$0] }
    for pivot in 0..<width {
      let best = (pivot..<width).max { abs(matrix[$0][pivot]) < abs(matrix[$1][pivot]) } ?? pivot
      matrix.swapAt(pivot, best)
      guard abs(matrix[pivot][pivot]) > 1e-11 * scale[pivot] else { return nil }
      for row in 0..<width where row != pivot {
        let factor = matrix[row][pivot] / matrix[pivot][pivot]
        for column in pivot...width { matrix[row][column] -= factor * matrix[pivot][column] }
      }
    }
    return (0..<width).map { matrix[$0][width] / matrix[$0][$0] }
  }

  /// The middle value, or the mean of the two in the middle; zero of nothing.
  static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    guard !sorted.isEmpty else { return 0 }
    return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
  }
}
