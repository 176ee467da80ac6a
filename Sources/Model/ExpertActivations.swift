// What the routed experts' forward leaves for its backward: assignments sorted by expert, and the
// rows of all experts below one another.

internal import Kernels
internal import ModelSpec

/// A matrix that is made and read by runs of rows, one for each expert.
final class KeptRows {
  /// FP32 numbers, or codes.
  private let numbers: Tensor?
  private let stored: StoredMatrix?

  /// `code` nil: as the numbers they are.
  init(_ rows: Int, _ columns: Int, _ code: StorageCode?) {
    numbers = code == nil ? Tensor(rows, columns, for: .activations) : nil
    stored = code.map { StoredMatrix(rows, columns, $0, for: .activations) }
  }

  var isNumbers: Bool { numbers != nil }

  /// Where the rows of `range` are to be made: in place, or at the beginning of `scratch`.
  func place(_ range: Range<Int>, scratch: Tensor?) -> Matrix {
    if let numbers { return numbers.matrix.rows(range) }
    guard let scratch else { preconditionFailure("codes are made from a scratch") }
    return scratch.matrix.rows(0..<range.count)
  }

  /// Keeps rows that were made; `dequantised`, if given, gets what the codes stand for.
  func store(_ x: Matrix, at range: Range<Int>, dequantised: Matrix? = nil) {
    stored?.store(x, atRow: range.lowerBound, dequantised: dequantised)
  }

  /// The rows of `range`: in place, or loaded to the beginning of `scratch`.
  func load(_ range: Range<Int>, scratch: Tensor?) -> Matrix {
    let rows = place(range, scratch: scratch)
    stored?.load(rows: range, into: rows)
    return rows
  }
}

final class ExpertActivations {
  let tokens: DispatchedTokens
  /// Received row and slot of each assignment, and where each expert's assignments start.
  var rows: [Int32] = []
  var slots: [Int32] = []
  var starts: [Int] = []
  let gates: Tensor
  /// [assignments, 2·width]; as numbers, overwritten with gradients in the backward.
  private(set) var gateUp: KeptRows
  /// Output of SwiGLU [assignments, width]; nil: computed again.
  let activated: KeptRows?
  /// Output gradients [received, hidden]; set by the input half for the weight half. So is what
  /// follows, by expert: what is made in the input half and not kept in place.
  var outputGradient: KeptMatrix?
  var gateUpGradients: [Int: [KeptMatrix]] = [:]
  var activatedAgain: [Int: [KeptMatrix]] = [:]
  private let counted: CountedBytes

  init(_ tokens: DispatchedTokens, experts: Int, width: Int, arithmetic: Arithmetic) {
    self.tokens = tokens
    let slotsPerToken = tokens.rows.rows == 0 ? 0 : tokens.experts.count / tokens.rows.rows
    var counts = Array(repeating: 0, count: experts)
    for expert in tokens.experts where expert >= 0 { counts[Int(expert)] += 1 }
    starts = [0]
    for count in counts { starts.append(starts[starts.count - 1] + count) }
    let total = starts[experts]
    rows = Array(repeating: 0, count: total)
    slots = Array(repeating: 0, count: total)
    counted = CountedBytes(4 * (rows.count + slots.count), for: .activations)
    gates = Tensor(1, total, for: .activations)
    var next = starts
    for slot in tokens.experts.indices {
      let expert = Int(tokens.experts[slot])
      if expert < 0 { continue }
      let place = next[expert]
      next[expert] += 1
      rows[place] = Int32(slot / slotsPerToken)
      slots[place] = Int32(slot)
      gates.base[place] = tokens.gates[slot]
    }
    gateUp = KeptRows(total, 2 * width, arithmetic.swiGLUInputCode)
    activated =
      arithmetic.saves(.recomputeSwiGLU)
      ? nil : KeptRows(total, width, arithmetic.operandCode)
  }

  func assignments(_ expert: Int) -> Range<Int> { starts[expert]..<starts[expert + 1] }

  /// An expert's assignments, counted from its first, by the rank that sent them. Tiles of 128 × 1
  /// begin anew with each, so that they don't depend on who else sends to the expert.
  func runs(_ expert: Int) -> [Range<Int>] {
    let range = assignments(expert)
    var runs: [Range<Int>] = []
    var (start, source) = (range.lowerBound, 0)
    for place in range {
      let row = Int(rows[place])
      let before = source
      while source + 1 < tokens.sources.count && tokens.sources[source + 1] <= row { source += 1 }
      if source != before && place > start {
        runs.append(start - range.lowerBound..<place - range.lowerBound)
        start = place
      }
    }
    if start < range.upperBound {
      runs.append(start - range.lowerBound..<range.upperBound - range.lowerBound)
    }
    return runs
  }

  var largest: Int {
    var most = 0
    for expert in 0..<(starts.count - 1) { most = max(most, assignments(expert).count) }
    return most
  }

  /// Lets go of the inputs of SwiGLU where their gradients took no place of theirs.
  func releaseInputs() {
    if !gateUp.isNumbers { gateUp = KeptRows(0, 0, .bf16) }
  }
}
