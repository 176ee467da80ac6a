// The routed experts of one rank: a SwiGLU each, over the tokens that were sent to it. The gate is
// multiplied onto the expert's inner activation, so that a token's outputs can be summed on the
// way back and the gate's gradient needs no kept output: d gate = ⟨Wdᵀ dy, silu(g)·u⟩.

internal import Kernels
internal import ModelSpec

/// What the experts' forward leaves for its backward: assignments sorted by expert.
final class ExpertActivations {
  let tokens: DispatchedTokens
  /// Received row and slot of each assignment, and where each expert's assignments start.
  var rows: [Int32] = []
  var slots: [Int32] = []
  var starts: [Int] = []
  let gates: Tensor
  /// [assignments, 2·width], overwritten with gradients in the backward.
  let gateUp: Tensor
  let activated: Tensor
  /// Output gradients [received, hidden]; set by the input half for the weight half.
  var outputGradient: Tensor?

  init(_ tokens: DispatchedTokens, experts: Int, width: Int) {
    self.tokens = tokens
    let slotsPerToken = tokens.rows.rows == 0 ? 0 : tokens.experts.count / tokens.rows.rows
    var counts = Array(repeating: 0, count: experts)
    for expert in tokens.experts where expert >= 0 { counts[Int(expert)] += 1 }
    starts = [0]
    for count in counts { starts.append(starts[starts.count - 1] + count) }
    let total = starts[experts]
    rows = Array(repeating: 0, count: total)
    slots = Array(repeating: 0, count: total)
    gates = Tensor(1, total)
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
    gateUp = Tensor(total, 2 * width)
    activated = Tensor(total, width)
  }

  func assignments(_ expert: Int) -> Range<Int> { starts[expert]..<starts[expert + 1] }

  var largest: Int {
    var most = 0
    for expert in 0..<(starts.count - 1) { most = max(most, assignments(expert).count) }
    return most
  }
}

package final class RoutedExperts {
  let hidden: Int
  let width: Int
  let gateUp: [Linear]
  let down: [Linear]

  init(_ spec: ModelSpec, prefix: String, experts: Range<Int>, store: ParameterStore) {
    hidden = spec.hiddenSize
    width = spec.expertIntermediateSize
    gateUp = experts.map {
      store.linear("\(prefix)\($0).gate_proj.weight", "\(prefix)\($0).up_proj.weight")
    }
    down = experts.map { store.linear("\(prefix)\($0).down_proj.weight") }
  }

  /// Sum over a received token's local experts of gate · expert(token): [received, hidden].
  func forward(_ tokens: DispatchedTokens) -> (Tensor, ExpertActivations) {
    let saved = ExpertActivations(tokens, experts: gateUp.count, width: width)
    let output = Tensor.zeros(tokens.rows.rows, hidden)
    let scratch = Tensor(saved.largest, hidden)
    for expert in gateUp.indices {
      let range = saved.assignments(expert)
      if range.isEmpty { continue }
      let x = scratch.matrix.rows(0..<range.count)
      gatherRows(tokens.rows.matrix, saved.rows[range], into: x)
      let inner = saved.gateUp.matrix.rows(range)
      multiplyTransposed(x, gateUp[expert].weight, into: inner)
      let activated = saved.activated.matrix.rows(range)
      swiGLU(inner, gates: saved.gates.base + range.lowerBound, into: activated)
      multiplyTransposed(activated, down[expert].weight, into: x)
      scatterAddRows(x, saved.rows[range], into: output.matrix)
    }
    return (output, saved)
  }

  /// The input half: row gradients [received, hidden] and gate gradients [received, slots].
  func backward(_ dOutput: Tensor, _ saved: ExpertActivations) -> (rows: Tensor, gates: Tensor) {
    let received = saved.tokens.rows.rows
    let dRows = Tensor.zeros(received, hidden)
    let slots = received == 0 ? 0 : saved.tokens.experts.count / received
    let dGates = Tensor.zeros(received, slots)
    let scratch = Tensor(saved.largest, hidden)
    let dActivated = Tensor(saved.largest, width)
    let gateGradients = Tensor(1, saved.largest)
    for expert in gateUp.indices {
      let range = saved.assignments(expert)
      if range.isEmpty { continue }
      let dy = scratch.matrix.rows(0..<range.count)
      gatherRows(dOutput.matrix, saved.rows[range], into: dy)
      let da = dActivated.matrix.rows(0..<range.count)
      multiply(dy, down[expert].weight, into: da)
      let inner = saved.gateUp.matrix.rows(range)
      swiGLUGradient(
        da, gates: saved.gates.base + range.lowerBound, gateUp: inner,
        gateGradients: gateGradients.base)
      for (i, slot) in saved.slots[range].enumerated() {
        dGates.base[Int(slot)] = gateGradients.base[i]
      }
      multiply(inner, gateUp[expert].weight, into: dy)
      scatterAddRows(dy, saved.rows[range], into: dRows.matrix)
    }
    saved.outputGradient = dOutput
    return (dRows, dGates)
  }

  /// The weight half.
  func weightGradients(_ saved: ExpertActivations) {
    guard let dOutput = saved.outputGradient else {
      preconditionFailure("an expert's weight gradient comes after its input gradient")
    }
    let scratch = Tensor(saved.largest, hidden)
    for expert in gateUp.indices {
      let range = saved.assignments(expert)
      if range.isEmpty { continue }
      let rows = scratch.matrix.rows(0..<range.count)
      gatherRows(dOutput.matrix, saved.rows[range], into: rows)
      down[expert].addGradient(rows, saved.activated.matrix.rows(range))
      gatherRows(saved.tokens.rows.matrix, saved.rows[range], into: rows)
      gateUp[expert].addGradient(saved.gateUp.matrix.rows(range), rows)
    }
  }
}
