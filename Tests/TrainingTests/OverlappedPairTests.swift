// A pair runs as in figure 4 of the report: each exchange is started before the other micro-batch's
// compute and finished after it. The transport writes down who asks for what, and when.

import Kernels
import Model
import ModelSpec
import Testing
import Training

/// A local transport that keeps a diary.
private final class DiaryTransport: ExpertTransport {
  private let local: LocalTransport
  var entries: [String] = []

  init(experts: Int) { local = LocalTransport(experts: experts) }

  var localExperts: Range<Int> { local.localExperts }

  func startDispatch(_ tokens: KeptMatrix, _ routing: Routing) -> ExpertTransfer {
    entries.append("DISPATCH(F)…")
    return local.startDispatch(tokens, routing)
  }

  func finishDispatch(_ transfer: ExpertTransfer) -> DispatchedTokens {
    entries.append("…DISPATCH(F)")
    return local.finishDispatch(transfer)
  }

  func startCombine(_ outputs: Tensor, _ tokens: DispatchedTokens) -> ExpertTransfer {
    entries.append("COMBINE(F)…")
    return local.startCombine(outputs, tokens)
  }

  func finishCombine(_ transfer: ExpertTransfer) -> Tensor {
    entries.append("…COMBINE(F)")
    return local.finishCombine(transfer)
  }

  func startCombineGradient(_ gradient: KeptMatrix, _ tokens: DispatchedTokens) -> ExpertTransfer {
    entries.append("COMBINE(B)…")
    return local.startCombineGradient(gradient, tokens)
  }

  func finishCombineGradient(_ transfer: ExpertTransfer) -> KeptMatrix {
    entries.append("…COMBINE(B)")
    return local.finishCombineGradient(transfer)
  }

  func startDispatchGradient(
    _ gradient: Tensor, gates: Tensor, _ tokens: DispatchedTokens
  ) -> ExpertTransfer {
    entries.append("DISPATCH(B)…")
    return local.startDispatchGradient(gradient, gates: gates, tokens)
  }

  func finishDispatchGradient(_ transfer: ExpertTransfer) -> (rows: Tensor, gates: Tensor) {
    entries.append("…DISPATCH(B)")
    return local.finishDispatchGradient(transfer)
  }
}

@Suite struct OverlappedPairTests {
  /// A middle stage of two expert layers, its transport's diary, and a fresh pass over it.
  private struct Bench {
    let transport: DiaryTransport
    let stage: Stage
    let store: ParameterStore

    init() {
      let spec = SmallTraining.spec
      let layers = 1..<3
      let experts = layers.flatMap {
        ModelParameters.expertShapes(spec, layer: $0, experts: 0..<spec.routedExperts)
      }
      store = ParameterStore(groups: [
        ParameterGroup(
          label: "stage", shapes: ModelParameters.denseShapes(spec, stage: layers) + experts)
      ])
      Initialiser.fill(store, seed: 4, deviation: 0.1)
      transport = DiaryTransport(experts: spec.routedExperts)
      stage = Stage(
        spec, layers: layers, convention: .released, store: store,
        rotary: RotaryEmbedding(spec, positions: 8), transport: transport)
    }

    func pass() -> StagePass {
      StagePass(
        stage,
        MicroBatch(sequences: 1, length: 8, tokens: Array(repeating: 1, count: 9)),
        scales: LossScales(main: 1, mtp: 1, balance: 0))
    }

    func hidden(_ seed: UInt64) -> Tensor {
      var generator = SeededGenerator(seed: seed)
      let values = (0..<8 * SmallTraining.spec.hiddenSize).map { _ in
        Float(generator.next(below: 2001)) / 1000 - 1
      }
      return Tensor(8, SmallTraining.spec.hiddenSize, values)
    }
  }

  @Test func exchangesAreInFlightUnderTheOthersCompute() throws {
    let bench = Bench()
    let before = bench.pass()
    try StageForward(before, input: bench.hidden(1)).run()
    bench.transport.entries.removeAll()
    let forward = StageForward(bench.pass(), input: bench.hidden(2))
    let backward = StageBackward(
      before, gradient: bench.hidden(3), weights: WeightGradients())
    try OverlappedPair.run(forward, backward)
    let layer = [
      "COMBINE(B)…",  // under ATTN(F)
      "DISPATCH(F)…", "…COMBINE(B)",  // under MLP(B), MLP(W)
      "DISPATCH(B)…", "…DISPATCH(F)",  // under MLP(F)
      "COMBINE(F)…", "…DISPATCH(B)",  // under ATTN(B), ATTN(W)
      "…COMBINE(F)",
    ]
    #expect(bench.transport.entries == layer + layer)
    #expect(forward.isDone && backward.isDone)
  }

  @Test func aPairComputesWhatItsHalvesComputeAlone() throws {
    let paired = Bench()
    let first = paired.pass()
    try StageForward(first, input: paired.hidden(1)).run()
    let forward = StageForward(paired.pass(), input: paired.hidden(2))
    let backward = StageBackward(
      first, gradient: paired.hidden(3), weights: WeightGradients())
    try OverlappedPair.run(forward, backward)

    let apart = Bench()
    let alone = apart.pass()
    try StageForward(alone, input: apart.hidden(1)).run()
    let weights = WeightGradients()
    let second = StageBackward(alone, gradient: apart.hidden(3), weights: weights)
    try second.run { weights.perform() }
    let other = StageForward(apart.pass(), input: apart.hidden(2))
    try other.run()

    #expect(forward.output?.array == other.output?.array)
    #expect(backward.inputGradient?.array == second.inputGradient?.array)
    #expect(paired.store.groups[0].gradients.array == apart.store.groups[0].gradients.array)
  }
}
