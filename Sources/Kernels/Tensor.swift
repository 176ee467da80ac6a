// A tensor owns a row-major fp32 matrix; a Matrix is a view of one, or of a part of its rows and
// columns. Kernels take views, owners allocate.

/// A row-major matrix [rows, columns] of Float, 64-byte aligned, contents undefined at first.
///
/// Unchecked Sendable: a rank is single-threaded, tensors never cross threads; the shared state
/// behind allocation is under a lock.
package final class Tensor: @unchecked Sendable {
  package let rows: Int
  package let columns: Int
  package let base: UnsafeMutablePointer<Float>

  /// What the bytes count as.
  package private(set) var category: MemoryCategory

  package init(_ rows: Int, _ columns: Int, for category: MemoryCategory = .buffers) {
    precondition(rows >= 0 && columns >= 0, "a tensor has no negative dimension")
    self.rows = rows
    self.columns = columns
    self.category = category
    base = TensorMemory.acquire(rows * columns * 4, category).bindMemory(
      to: Float.self, capacity: Swift.max(rows * columns, 1))
  }

  deinit { TensorMemory.release(UnsafeMutableRawPointer(base), rows * columns * 4, category) }

  /// Counts the tensor as something else from now on.
  package func count(as category: MemoryCategory) {
    if self.category == category { return }
    TensorMemory.recount(rows * columns * 4, from: self.category, as: category)
    self.category = category
  }

  package var count: Int { rows * columns }
  package var matrix: Matrix { Matrix(base, rows, columns) }
  package var buffer: UnsafeMutableBufferPointer<Float> { .init(start: base, count: count) }

  /// A tensor of zeros.
  package static func zeros(
    _ rows: Int, _ columns: Int, for category: MemoryCategory = .buffers
  ) -> Tensor {
    let tensor = Tensor(rows, columns, for: category)
    tensor.fill(0)
    return tensor
  }

  /// A tensor with the values of `array`, row by row.
  package convenience init(_ rows: Int, _ columns: Int, _ array: [Float]) {
    precondition(array.count == rows * columns, "as many values as the shape asks for")
    self.init(rows, columns)
    for (i, value) in array.enumerated() { base[i] = value }
  }

  package var array: [Float] { Array(buffer) }

  package func fill(_ value: Float) { base.update(repeating: value, count: count) }

  package func copy() -> Tensor {
    let tensor = Tensor(rows, columns)
    tensor.base.update(from: base, count: count)
    return tensor
  }
}

/// A view [rows, columns] of row-major floats whose rows are `stride` apart. Doesn't own.
package struct Matrix {
  package var base: UnsafeMutablePointer<Float>
  package var rows: Int
  package var columns: Int
  package var stride: Int

  @inline(__always)
  package init(_ base: UnsafeMutablePointer<Float>, _ rows: Int, _ columns: Int, stride: Int? = nil)
  {
    self.base = base
    self.rows = rows
    self.columns = columns
    self.stride = stride ?? columns
  }

  /// The first element of row `index`.
  @inline(__always)
  package func row(_ index: Int) -> UnsafeMutablePointer<Float> { base + index * stride }

  package func rows(_ range: Range<Int>) -> Matrix {
    Matrix(base + range.lowerBound * stride, range.count, columns, stride: stride)
  }

  package func columns(_ range: Range<Int>) -> Matrix {
    Matrix(base + range.lowerBound, rows, range.count, stride: stride)
  }
}
