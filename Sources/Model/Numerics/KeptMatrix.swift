// What a forward leaves for its backward, and rows on their way to experts: FP32 numbers where they
// are, or codes in few bytes.

package import Kernels

/// A view together with the tensor that keeps it alive.
package struct TensorView {
  package let owner: Tensor
  package let matrix: Matrix

  package init(_ tensor: Tensor) {
    owner = tensor
    matrix = tensor.matrix
  }

  init(_ tensor: Tensor, columns: Range<Int>) {
    owner = tensor
    matrix = tensor.matrix.columns(columns)
  }
}

/// A matrix [rows, columns] that is kept.
package enum KeptMatrix {
  /// The numbers themselves.
  case numbers(TensorView)
  case codes(StoredMatrix)

  package var rows: Int {
    switch self {
    case .numbers(let view): view.matrix.rows
    case .codes(let stored): stored.rows
    }
  }

  package var columns: Int {
    switch self {
    case .numbers(let view): view.matrix.columns
    case .codes(let stored): stored.columns
    }
  }

  /// Counts the memory as something else from now on.
  func count(as category: MemoryCategory) {
    switch self {
    case .numbers(let view): view.owner.count(as: category)
    case .codes(let stored): stored.count(as: category)
    }
  }

  /// The numbers; those of codes in a copy.
  func load() -> TensorView {
    switch self {
    case .numbers(let view): view
    case .codes(let stored): TensorView(stored.load())
    }
  }

  /// Writes the numbers to `x`.
  func load(into x: Matrix) {
    switch self {
    case .numbers(let view): copy(view.matrix, to: x)
    case .codes(let stored): stored.load(into: x)
    }
  }

  /// Row i of `x` = row `indices[i]`.
  func gatherRows(_ indices: ArraySlice<Int32>, into x: Matrix) {
    switch self {
    case .numbers(let view): Kernels.gatherRows(view.matrix, indices, into: x)
    case .codes(let stored): stored.gatherRows(indices, into: x)
    }
  }
}
