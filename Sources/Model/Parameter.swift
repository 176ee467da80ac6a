// Parameters live side by side in flat buffers, one buffer for each group of ranks that holds the
// same parameters, so that ZeRO-1 can scatter and gather them without copying. Under FP32 a rank
// works with these numbers. Under BF16 and FP8 it works with codes of them, and the numbers are
// there only while they are being set or saved: the master weights are the optimizer's.

package import Kernels
package import ModelSpec
internal import NumberFormats

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

/// One weight and its gradient.
package final class Parameter {
  package let shape: ParameterShape
  /// Offset in the group's buffers, in floats.
  package let offset: Int
  package let gradient: Matrix
  /// Whether the gradient holds something of this step; if not, the first to add overwrites.
  fileprivate(set) var hasGradient = true
  /// The weight as its products take it, under BF16 and FP8.
  let working: StoredMatrix?
  fileprivate var numbers: UnsafeMutablePointer<Float>?
  /// Keep the memory alive.
  fileprivate var numbersOwner: Tensor?
  private let gradientOwner: Tensor

  fileprivate init(
    _ shape: ParameterShape, offset: Int, working: StorageCode?, gradients: Tensor
  ) {
    self.shape = shape
    self.offset = offset
    self.working = working.map { StoredMatrix(shape.rows, shape.columns, $0, for: .parameters) }
    gradient = Matrix(gradients.base + offset, shape.rows, shape.columns)
    gradientOwner = gradients
  }

  package var name: String { shape.name }

  /// The FP32 numbers: those of norms always, of a matrix while its group is expanded.
  package var value: Matrix {
    guard let numbers else {
      preconditionFailure("the master weights of \(name) are the optimizer's")
    }
    return Matrix(numbers, shape.rows, shape.columns)
  }

  /// Row i of `x` = row `indices[i]`.
  func gatherRows(_ indices: ArraySlice<Int32>, into x: Matrix) {
    if let working {
      working.gatherRows(indices, into: x)
    } else {
      Kernels.gatherRows(value, indices, into: x)
    }
  }

  /// Makes the gradient ready to be added to, element by element.
  func accumulation() -> Matrix {
    if !hasGradient {
      gradient.base.update(repeating: 0, count: shape.count)
      hasGradient = true
    }
    return gradient
  }

  func markGradient() { hasGradient = true }
}

/// Parameters that the same ranks hold: values and gradients in one flat buffer each.
package final class ParameterGroup {
  package let label: String
  package let parameters: [Parameter]
  package let count: Int
  /// [1, count]
  package let gradients: Tensor
  /// Whether the rank works with codes.
  package let isLow: Bool
  /// The numbers [1, count]: always under FP32, otherwise while expanded.
  private var numbers: Tensor?
  /// The numbers of norms, side by side, where the group is not expanded.
  private let norms: Tensor

  /// All weights are zero, and the group is expanded.
  package init(label: String, shapes: [ParameterShape], numerics: Numerics = Numerics()) {
    self.label = label
    count = shapes.reduce(0) { $0 + $1.count }
    isLow = numerics.precision != .fp32
    gradients = .zeros(1, count, for: .gradients)
    var offset = 0
    var list: [Parameter] = []
    for shape in shapes {
      let code = ModelParameters.workingCode(of: shape, numerics)
      list.append(Parameter(shape, offset: offset, working: code, gradients: gradients))
      offset += shape.count
    }
    parameters = list
    let normCount = isLow ? list.filter { $0.working == nil }.reduce(0) { $0 + $1.shape.count } : 0
    norms = Tensor(1, normCount, for: .parameters)
    expand().fill(0)
  }

  /// The numbers of all weights [1, count], one after the other. Under BF16 and FP8 their contents
  /// are undefined where `expand()` had to make room for them.
  package var values: Tensor {
    guard let numbers else { preconditionFailure("the group \(label) is not expanded") }
    return numbers
  }

  /// Makes room for the FP32 numbers of all weights.
  @discardableResult
  package func expand() -> Tensor {
    if let numbers { return numbers }
    let tensor = Tensor(1, count, for: isLow ? .emulation : .parameters)
    numbers = tensor
    for parameter in parameters {
      parameter.numbers = tensor.base + parameter.offset
      parameter.numbersOwner = tensor
    }
    return tensor
  }

  /// Under BF16 and FP8, lets go of the numbers; codes are as they were.
  package func collapse() {
    guard isLow else { return }
    numbers = nil
    var next = norms.base
    for parameter in parameters {
      parameter.numbers = parameter.working == nil ? next : nil
      parameter.numbersOwner = parameter.working == nil ? norms : nil
      if parameter.working == nil { next += parameter.shape.count }
    }
  }

  /// Makes the codes of all weights from those of their master weights in BF16 [count], and lets
  /// go of the numbers.
  package func adopt(bf16 codes: UnsafePointer<UInt8>) {
    collapse()
    for parameter in parameters {
      let source = codes + 2 * parameter.offset
      switch parameter.working?.code {
      case .bf16:
        parameter.working?.codes.update(from: source, count: 2 * parameter.shape.count)
      case .some:
        let scratch = Tensor(parameter.shape.rows, parameter.shape.columns, for: .emulation)
        NumberFormat.bf16.decode(source, count: scratch.count, into: scratch.base)
        parameter.working?.store(scratch.matrix)
      case nil:
        NumberFormat.bf16.decode(
          source, count: parameter.shape.count, into: parameter.value.base)
      }
    }
  }

  /// The same from the numbers, after they were set.
  package func adoptValues() {
    guard isLow else { return }
    let codes = StoredMatrix(1, count, .bf16, for: .emulation)
    codes.store(values.matrix)
    adopt(bf16: codes.codes)
  }

  /// The memory of the weights as the rank works with them, piece by piece, always in the same
  /// order; with the bytes of one number: numbers in FP32, or codes and their scales.
  package func forEachWorkingPiece(
    _ body: (_ bytes: UnsafeMutableRawBufferPointer, _ numberBytes: Int) -> Void
  ) {
    func numbers(_ base: UnsafeMutablePointer<Float>, _ count: Int) {
      body(UnsafeMutableRawBufferPointer(start: base, count: 4 * count), 4)
    }
    guard isLow else { return numbers(values.base, count) }
    for parameter in parameters {
      guard let working = parameter.working else {
        numbers(parameter.value.base, parameter.shape.count)
        continue
      }
      body(
        UnsafeMutableRawBufferPointer(start: working.codes, count: working.codeBytes),
        working.code == .bf16 ? 2 : 1)
      if working.scaleCount > 0 { numbers(working.scales, working.scaleCount) }
    }
  }
}

/// All parameters of a rank, by name.
package final class ParameterStore {
  package let groups: [ParameterGroup]
  private let byName: [String: Parameter]
  let arithmetic: Arithmetic

  package init(groups: [ParameterGroup], numerics: Numerics = Numerics()) {
    self.groups = groups
    arithmetic = Arithmetic(numerics)
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
    Linear(names.map { self[$0] }, arithmetic)
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
