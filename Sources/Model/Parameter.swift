// Parameters live side by side in flat buffers, one buffer for each group of ranks that holds the
// same parameters, so that ZeRO-1 can scatter and gather them without copying.

package import Kernels

/// Name and shape of one weight; a norm's is [1, size].
package struct ParameterShape: Equatable, Sendable {
  package var name: String
  package var rows: Int
  package var columns: Int

  package init(_ name: String, _ rows: Int, _ columns: Int) {
    self.name = name
    self.rows = rows
    self.columns = columns
  }

  package var count: Int { rows * columns }
  package var isMatrix: Bool { rows > 1 }
}

/// One weight and its gradient, views into a group's flat buffers.
package final class Parameter {
  package let shape: ParameterShape
  /// Offset in the group's buffers, in floats.
  package let offset: Int
  package let value: Matrix
  package let gradient: Matrix
  /// Whether the gradient holds something of this step; if not, the first to add overwrites.
  fileprivate(set) var hasGradient = true
  private let storage: (Tensor, Tensor)

  init(_ shape: ParameterShape, offset: Int, values: Tensor, gradients: Tensor) {
    self.shape = shape
    self.offset = offset
    value = Matrix(values.base + offset, shape.rows, shape.columns)
    gradient = Matrix(gradients.base + offset, shape.rows, shape.columns)
    storage = (values, gradients)
  }

  package var name: String { shape.name }

  /// Makes the gradient ready to be added to, element by element.
  func accumulation() -> Matrix {
    if !hasGradient {
      gradient.base.update(repeating: 0, count: shape.count)
      hasGradient = true
    }
    return gradient
  }
}

/// Parameters that the same ranks hold: values and gradients in one flat buffer each.
package final class ParameterGroup {
  package let label: String
  package let parameters: [Parameter]
  /// [1, total]
  package let values: Tensor
  package let gradients: Tensor

  package init(label: String, shapes: [ParameterShape]) {
    self.label = label
    let total = shapes.reduce(0) { $0 + $1.count }
    values = .zeros(1, total)
    gradients = .zeros(1, total)
    var offset = 0
    var list: [Parameter] = []
    for shape in shapes {
      list.append(Parameter(shape, offset: offset, values: values, gradients: gradients))
      offset += shape.count
    }
    parameters = list
  }

  package var count: Int { values.count }
}

/// All parameters of a rank, by name.
package final class ParameterStore {
  package let groups: [ParameterGroup]
  private let byName: [String: Parameter]

  package init(groups: [ParameterGroup]) {
    self.groups = groups
    var byName: [String: Parameter] = [:]
    for group in groups {
      for parameter in group.parameters { byName[parameter.name] = parameter }
    }
    self.byName = byName
  }

  package func find(_ name: String) -> Parameter? { byName[name] }

  package subscript(name: String) -> Parameter {
    guard let parameter = byName[name] else {
      preconditionFailure("this rank holds no parameter named \(name)")
    }
    return parameter
  }

  /// A linear layer over one weight, or over several that share their input and stand side by
  /// side in the flat buffer (gate and up; the two down-projections of MLA).
  package func linear(_ names: String...) -> Linear {
    let parts = names.map { self[$0] }
    var rows = 0
    for part in parts {
      precondition(
        part.value.base == parts[0].value.base + rows * part.value.columns,
        "fused weights stand side by side: \(names)")
      rows += part.value.rows
    }
    let columns = parts[0].value.columns
    return Linear(
      weight: Matrix(parts[0].value.base, rows, columns),
      gradient: Matrix(parts[0].gradient.base, rows, columns), parameters: parts)
  }

  /// Begins a new sum of gradients. Their memory is stale until `completeGradients()`.
  package func startGradients() {
    for group in groups {
      for parameter in group.parameters { parameter.hasGradient = false }
    }
  }

  /// Ends a sum: weights that nothing was added to, such as idle experts', have gradient zero.
  package func completeGradients() {
    for group in groups {
      for parameter in group.parameters { _ = parameter.accumulation() }
    }
  }

  package var parameterCount: Int { groups.reduce(0) { $0 + $1.count } }
}

/// Y = X Wᵀ, W [out, in], with its gradient buffer.
package struct Linear {
  package let weight: Matrix
  package let gradient: Matrix
  let parameters: [Parameter]

  package var outputs: Int { weight.rows }
  package var inputs: Int { weight.columns }

  /// dW += dYᵀ X
  func addGradient(_ dy: Matrix, _ x: Matrix) {
    if x.rows == 0 { return }
    let first = !parameters[0].hasGradient
    transposedMultiply(dy, x, into: gradient, beta: first ? 0 : 1)
    if first { for part in parameters { part.hasGradient = true } }
  }

  /// [tokens, out]
  func forward(_ x: Matrix) -> Tensor {
    let y = Tensor(x.rows, outputs)
    multiplyTransposed(x, weight, into: y.matrix)
    return y
  }

  /// dX [tokens, in] = dY W
  func inputGradient(_ dy: Matrix) -> Tensor {
    let dx = Tensor(dy.rows, inputs)
    multiply(dy, weight, into: dx.matrix)
    return dx
  }
}
