// The routed experts of one rank: a SwiGLU each, over the tokens that were sent to it. The gate is
// multiplied onto the expert's inner activation, so that a token's outputs can be summed on the
// way back and the gate's gradient needs no kept output: d gate = ⟨Wdᵀ dy, silu(g)·u⟩.

internal import Kernels
internal import ModelSpec

package final class RoutedExperts {
  let hidden: Int
  let width: Int
  let gateUp: [Linear]
  let down: [Linear]
  let arithmetic: Arithmetic

  init(_ spec: ModelSpec, prefix: String, experts: Range<Int>, store: ParameterStore) {
    hidden = spec.hiddenSize
    width = spec.expertIntermediateSize
    arithmetic = store.arithmetic
    gateUp = experts.map {
      store.linear("\(prefix)\($0).gate_proj.weight", "\(prefix)\($0).up_proj.weight")
    }
    down = experts.map { store.linear("\(prefix)\($0).down_proj.weight") }
  }

  /// Numbers that one expert works on at a time. Where rows are kept as codes, a GPU's products
  /// read and write them without.
  private func scratch(_ rows: Int, _ columns: Int) -> Tensor {
    Tensor(rows, columns, for: arithmetic.isLow ? .emulation : .buffers)
  }

  /// Sum over a received token's local experts of gate · expert(token): [received, hidden].
  func forward(_ tokens: DispatchedTokens) -> (Tensor, ExpertActivations) {
    let saved = ExpertActivations(
      tokens, experts: gateUp.count, width: width, arithmetic: arithmetic)
    tokens.rows.count(as: .activations)
    let output = Tensor.zeros(tokens.rows.rows, hidden)
    let rows = scratch(saved.largest, hidden)
    let inner = saved.gateUp.isNumbers ? nil : scratch(saved.largest, 2 * width)
    let outer = saved.activated?.isNumbers == true ? nil : scratch(saved.largest, width)
    for expert in gateUp.indices {
      let range = saved.assignments(expert)
      if range.isEmpty { continue }
      let x = rows.matrix.rows(0..<range.count)
      tokens.rows.gatherRows(saved.rows[range], into: x)
      let hidden = saved.gateUp.place(range, scratch: inner)
      gateUp[expert].forward(x, into: hidden)
      arithmetic.round(hidden)
      saved.gateUp.store(hidden, at: range)
      let activated = saved.activated?.place(range, scratch: outer) ?? place(range, outer)
      swiGLU(hidden, gates: saved.gates.base + range.lowerBound, into: activated)
      arithmetic.round(activated)
      if let kept = saved.activated, case .e4m3 = arithmetic.operandCode {
        kept.store(activated, at: range, dequantised: activated)
      } else {
        saved.activated?.store(activated, at: range)
        arithmetic.quantise(activated)
      }
      down[expert].forward(activated, into: x)
      scatterAddRows(x, saved.rows[range], into: output.matrix)
    }
    arithmetic.round(output)
    return (output, saved)
  }

  private func place(_ range: Range<Int>, _ scratch: Tensor?) -> Matrix {
    guard let scratch else { preconditionFailure("what is not kept has room to be made in") }
    return scratch.matrix.rows(0..<range.count)
  }

  /// The input half: row gradients [received, hidden] and gate gradients [received, slots].
  func backward(_ dOutput: KeptMatrix, _ saved: ExpertActivations) -> (rows: Tensor, gates: Tensor)
  {
    let received = saved.tokens.rows.rows
    let dRows = Tensor.zeros(received, hidden)
    let slots = received == 0 ? 0 : saved.tokens.experts.count / received
    let dGates = Tensor.zeros(received, slots)
    let rows = scratch(saved.largest, hidden)
    let dActivated = scratch(saved.largest, width)
    let inner = saved.gateUp.isNumbers ? nil : scratch(saved.largest, 2 * width)
    let gateGradients = scratch(1, saved.largest)
    dOutput.count(as: .activations)
    for expert in gateUp.indices {
      let range = saved.assignments(expert)
      if range.isEmpty { continue }
      let dy = rows.matrix.rows(0..<range.count)
      dOutput.gatherRows(saved.rows[range], into: dy)
      let da = dActivated.matrix.rows(0..<range.count)
      down[expert].inputGradient(dy, into: da)
      arithmetic.round(da)
      let hidden = saved.gateUp.load(range, scratch: inner)
      if saved.activated == nil { recompute(expert, hidden, range, saved) }
      swiGLUGradient(
        da, gates: saved.gates.base + range.lowerBound, gateUp: hidden,
        gateGradients: gateGradients.base)
      for (i, slot) in saved.slots[range].enumerated() {
        dGates.base[Int(slot)] = gateGradients.base[i]
      }
      arithmetic.round(hidden)
      if !saved.gateUp.isNumbers {
        saved.gateUpGradients[expert] = saved.runs(expert).map {
          gateUp[expert].keepGradient(hidden.rows($0))
        }
        arithmetic.quantiseGradient(hidden)
      }
      gateUp[expert].inputGradient(hidden, into: dy)
      scatterAddRows(dy, saved.rows[range], into: dRows.matrix)
    }
    arithmetic.round(dRows)
    saved.outputGradient = dOutput
    saved.releaseInputs()
    return (dRows, dGates)
  }

  /// The output of SwiGLU again, for the weight half.
  private func recompute(
    _ expert: Int, _ hidden: Matrix, _ range: Range<Int>, _ saved: ExpertActivations
  ) {
    guard arithmetic.isLow else {
      let activated = Tensor(range.count, width, for: .activations)
      swiGLU(hidden, gates: saved.gates.base + range.lowerBound, into: activated.matrix)
      saved.activatedAgain[expert] = [.numbers(TensorView(activated))]
      return
    }
    let activated = scratch(range.count, width)
    swiGLU(hidden, gates: saved.gates.base + range.lowerBound, into: activated.matrix)
    arithmetic.round(activated)
    arithmetic.quantise(activated.matrix)
    saved.activatedAgain[expert] = saved.runs(expert).map {
      down[expert].keepQuantisedInput(activated.matrix.rows($0))
    }
  }

  /// Rows that were kept in runs, below one another.
  private func join(_ runs: [KeptMatrix], _ columns: Int) -> TensorView {
    if runs.count == 1 { return runs[0].load() }
    let joined = scratch(runs.reduce(0) { $0 + $1.rows }, columns)
    var row = 0
    for run in runs {
      run.load(into: joined.matrix.rows(row..<row + run.rows))
      row += run.rows
    }
    return TensorView(joined)
  }

  /// Makes an expert's rows what their codes for the weight gradient stand for.
  private func quantiseForWeights(_ x: Matrix, _ runs: [Range<Int>]) {
    for run in runs { arithmetic.quantiseForWeights(x.rows(run)) }
  }

  /// The weight half.
  func weightGradients(_ saved: ExpertActivations) {
    guard let dOutput = saved.outputGradient else {
      preconditionFailure("an expert's weight gradient comes after its input gradient")
    }
    let rows = scratch(saved.largest, hidden)
    let outer = saved.activated?.isNumbers == true ? nil : scratch(saved.largest, width)
    for expert in gateUp.indices {
      let range = saved.assignments(expert)
      if range.isEmpty { continue }
      let runs = arithmetic.isFP8 ? saved.runs(expert) : []
      let x = rows.matrix.rows(0..<range.count)
      dOutput.gatherRows(saved.rows[range], into: x)
      quantiseForWeights(x, runs)
      if let again = saved.activatedAgain[expert] {
        let loaded = join(again, width)
        down[expert].addGradient(x, loaded.matrix)
        withExtendedLifetime(loaded) {}
      } else if let kept = saved.activated {
        let activated = kept.load(range, scratch: outer)
        quantiseForWeights(activated, runs)
        down[expert].addGradient(x, activated)
      }
      saved.tokens.rows.gatherRows(saved.rows[range], into: x)
      quantiseForWeights(x, runs)
      if let gradient = saved.gateUpGradients[expert] {
        let loaded = join(gradient, 2 * width)
        gateUp[expert].addGradient(loaded.matrix, x)
        withExtendedLifetime(loaded) {}
      } else {
        gateUp[expert].addGradient(saved.gateUp.load(range, scratch: nil), x)
      }
    }
  }
}
