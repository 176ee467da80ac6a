// softmax(Q Kᵀ · scale) V over causal sequences, one head of one sequence at a time in blocks of
// query rows: columns after the block are never computed. The backward computes the probabilities
// again from the kept log-sum-exp instead of storing them (arXiv 2205.14135). Keys and values are
// transposed once a head: small products of operands that lie row by row go fastest.

internal import Kernels

/// Shapes of one attention call. A head's columns: `query` wide in Q and K, `value` in V and O.
struct AttentionShape {
  var sequences: Int
  var length: Int
  var heads: Int
  var query: Int
  var value: Int
  var scale: Float

  /// Query rows of a block: small enough to skip most of the future, large enough for the GEMM.
  static let blockRows = 32

  func rows(_ sequence: Int) -> Range<Int> { sequence * length..<(sequence + 1) * length }
}

enum AttentionCore {
  /// Q, K [tokens, heads·query]; `valueColumns(head)` a head's columns in V; O [tokens,
  /// heads·value].
  /// Keeps the log-sum-exp of row i of (sequence b, head h) in logSum[(b·heads + h)·length + i].
  static func forward(
    _ shape: AttentionShape, q: Matrix, k: Matrix, v: Matrix, valueColumns: (Int) -> Range<Int>,
    output: Matrix, logSum: Tensor
  ) {
    let scores = Tensor(min(AttentionShape.blockRows, shape.length), shape.length)
    let keys = Tensor(shape.query, shape.length)
    for sequence in 0..<shape.sequences {
      let rows = shape.rows(sequence)
      for head in 0..<shape.heads {
        let columns = head * shape.query..<(head + 1) * shape.query
        let qs = q.rows(rows).columns(columns)
        let ks = k.rows(rows).columns(columns)
        let vs = v.rows(rows).columns(valueColumns(head))
        let os = output.rows(rows).columns(head * shape.value..<(head + 1) * shape.value)
        let kept = logSum.base + (sequence * shape.heads + head) * shape.length
        transpose(ks, into: keys.matrix)
        for block in blocks(shape) {
          let s = Matrix(scores.base, block.count, block.upperBound)
          multiply(qs.rows(block), keys.matrix.columns(0..<block.upperBound), into: s)
          causalSoftmax(
            s, first: block.lowerBound, scale: shape.scale, logSum: kept + block.lowerBound)
          multiply(s, vs.rows(0..<block.upperBound), into: os.rows(block))
        }
      }
    }
  }

  /// dQ [tokens, heads·query], dV by columns as V; dK of each (sequence, head) is handed to
  /// `keyGradient(sequence, head, dK [length, query])` as soon as it is complete.
  static func backward(
    _ shape: AttentionShape, q: Matrix, k: Matrix, v: Matrix, valueColumns: (Int) -> Range<Int>,
    output: Matrix, logSum: Tensor, dOutput: Matrix, dQ: Matrix, dV: Matrix,
    keyGradient: (Int, Int, Matrix) -> Void
  ) {
    let blockRows = min(AttentionShape.blockRows, shape.length)
    let scores = Tensor(blockRows, shape.length)
    let gradients = Tensor(blockRows, shape.length)
    let delta = Tensor(1, shape.length)
    let dK = Tensor(shape.length, shape.query)
    let keys = Tensor(shape.query, shape.length)
    let values = Tensor(shape.value, shape.length)
    for sequence in 0..<shape.sequences {
      let rows = shape.rows(sequence)
      for head in 0..<shape.heads {
        let columns = head * shape.query..<(head + 1) * shape.query
        let outputColumns = head * shape.value..<(head + 1) * shape.value
        let qs = q.rows(rows).columns(columns)
        let ks = k.rows(rows).columns(columns)
        let vs = v.rows(rows).columns(valueColumns(head))
        let dOs = dOutput.rows(rows).columns(outputColumns)
        let os = output.rows(rows).columns(outputColumns)
        let dQs = dQ.rows(rows).columns(columns)
        let dVs = dV.rows(rows).columns(valueColumns(head))
        let kept = logSum.base + (sequence * shape.heads + head) * shape.length
        transpose(ks, into: keys.matrix)
        transpose(vs, into: values.matrix)
        for i in 0..<shape.length { delta.base[i] = rowDot(dOs.row(i), os.row(i), shape.value) }
        for block in blocks(shape).reversed() {
          // The last block sees every column, so going backwards it can overwrite dK and dV.
          let beta: Float = block.upperBound == shape.length ? 0 : 1
          let columnsSeen = 0..<block.upperBound
          let p = Matrix(scores.base, block.count, block.upperBound)
          let dS = Matrix(gradients.base, block.count, block.upperBound)
          multiply(qs.rows(block), keys.matrix.columns(columnsSeen), into: p)
          causalSoftmaxAgain(
            p, first: block.lowerBound, scale: shape.scale, logSum: kept + block.lowerBound)
          transposedMultiply(p, dOs.rows(block), into: dVs.rows(columnsSeen), beta: beta)
          multiply(dOs.rows(block), values.matrix.columns(columnsSeen), into: dS)
          softmaxGradient(p, dS, delta: delta.base + block.lowerBound, scale: shape.scale)
          multiply(dS, ks.rows(columnsSeen), into: dQs.rows(block))
          transposedMultiply(
            dS, qs.rows(block), into: dK.matrix.rows(columnsSeen), beta: beta)
        }
        keyGradient(sequence, head, dK.matrix)
      }
    }
  }

  private static func blocks(_ shape: AttentionShape) -> [Range<Int>] {
    stride(from: 0, to: shape.length, by: AttentionShape.blockRows).map {
      $0..<min($0 + AttentionShape.blockRows, shape.length)
    }
  }
}
