// What no golden covers: a query without compression, and MTP of depth 2. Gradients against central
// differences of the loss, and forward passes against models that must compute the same.

import Kernels
import Model
import ModelSpec
import Testing

@Suite struct FiniteDifferenceTests {
  /// A tiny model with every part: 1 dense layer, 1 with experts, MTP as asked.
  static func spec(queryCompression: Int?, mtpDepth: Int) -> ModelSpec {
    var spec = ModelSpec(
      vocabularySize: 24, hiddenSize: 16, layers: 2, denseLayers: 1, denseIntermediateSize: 24,
      heads: 2, queryCompression: queryCompression, keyValueCompression: 8, nopeHeadDim: 6,
      ropeHeadDim: 4, valueHeadDim: 6, routedExperts: 4, sharedExperts: 1,
      expertIntermediateSize: 12, expertsPerToken: 2, expertGroups: 2, groupsPerToken: 1)
    spec.mtpDepth = mtpDepth
    spec.routedScalingFactor = 1.5
    return spec
  }

  static let length = 7

  static func batch() -> MicroBatch {
    var random = SplitMix64(state: 5)
    var tokens: [Int32] = []
    for _ in 0..<(2 * length) { tokens.append(Int32(random.next() % 24)) }
    return MicroBatch(sequences: 2, length: length, tokens: tokens)
  }

  /// Weights of deviation 1/√inputs, norms around 1. Router biases beyond any affinity fix the
  /// choice of experts, a step across which would be a jump of the loss: group 0 in even layers,
  /// group 1 in odd ones.
  static func model(
    _ spec: ModelSpec, _ convention: MTPConvention = .released
  ) -> Transformer {
    let model = Transformer(spec, convention: convention, positions: length)
    for parameter in model.store.groups.flatMap(\.parameters) {
      var random = SplitMix64(state: parameter.name.utf8.reduce(7) { $0 &* 31 &+ UInt64($1) })
      let isMatrix = parameter.shape.isMatrix
      let scale = 1 / Float(parameter.shape.columns).squareRoot()
      for i in 0..<parameter.shape.count {
        let value = random.gaussian()
        parameter.value.base[i] = isMatrix ? scale * value : 1 + 0.2 * value
      }
    }
    for block in model.stage.allBlocks {
      guard let bias = block.router?.bias else { continue }
      for expert in 0..<4 { bias.base[expert] = expert / 2 == block.layer % 2 ? 10 : 0 }
    }
    return model
  }

  private struct Case: Sendable, CustomTestStringConvertible {
    var queryCompression: Int?
    var mtpDepth: Int
    var convention: MTPConvention
    var isBalanced = false
    var testDescription: String {
      "query \(queryCompression.map { "\($0)" } ?? "direct"), MTP \(mtpDepth) \(convention)"
        + (isBalanced ? ", balanced routing" : "")
    }
  }

  private static let cases = [
    Case(queryCompression: nil, mtpDepth: 0, convention: .released),
    Case(queryCompression: nil, mtpDepth: 2, convention: .released),
    Case(queryCompression: 8, mtpDepth: 2, convention: .report),
    Case(queryCompression: 8, mtpDepth: 2, convention: .released),
    Case(queryCompression: 8, mtpDepth: 2, convention: .released, isBalanced: true),
  ]

  /// For each parameter, along its gradient plus as much of something random:
  /// d/dh L(θ + h u) = g · u. The five-point stencil is exact to h⁴; the loss is known to 1e-6
  /// of itself, so with h = 0.01 the quotient is to about 2e-4.
  @Test(arguments: cases)
  private func gradientsAreTheSlopesOfTheLoss(_ test: Case) throws {
    let spec = Self.spec(queryCompression: test.queryCompression, mtpDepth: test.mtpDepth)
    let batch = Self.batch()
    let model = Self.model(spec, test.convention)
    if test.isBalanced {
      for block in model.stage.allBlocks { block.router?.balanced = BalancedRouting(spec) }
    }
    _ = try model.evaluate(batch, mtpWeight: 0.5, gradients: true)
    let parameters = model.store.groups.flatMap(\.parameters)
    let gradients = parameters.map { parameter in
      (0..<parameter.shape.count).map { parameter.gradient.base[$0] }
    }
    let h: Float = 0.01
    for (parameter, gradient) in zip(parameters, gradients) {
      let direction = Self.direction(gradient, seed: UInt64(parameter.offset))
      let values = (0..<parameter.shape.count).map { parameter.value.base[$0] }
      func loss(_ step: Float) throws -> Double {
        for (i, value) in values.enumerated() {
          parameter.value.base[i] = value + step * h * direction[i]
        }
        return try model.evaluate(batch, mtpWeight: 0.5, gradients: false).loss
      }
      let near = try loss(1) - loss(-1)
      let far = try loss(2) - loss(-2)
      let slope = (8 * near - far) / (12 * Double(h))
      let expected = zip(gradient, direction).reduce(0.0) { $0 + Double($1.0 * $1.1) }
      let size = gradient.reduce(0.0) { $0 + Double($1 * $1) }.squareRoot()
      #expect(
        abs(slope - expected) <= 3e-4 + 5e-3 * size,
        "\(parameter.name): \(slope) for \(expected), |g| = \(size)")
      for (i, value) in values.enumerated() { parameter.value.base[i] = value }
    }
  }

  /// A vector of length 1: half along the gradient, half at random.
  private static func direction(_ gradient: [Float], seed: UInt64) -> [Float] {
    func normalised(_ vector: [Float]) -> [Float] {
      let size = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
      return size > 0 ? vector.map { $0 / size } : vector
    }
    var random = SplitMix64(state: seed)
    let other = normalised(gradient.map { _ in random.gaussian() })
    return normalised(zip(normalised(gradient), other).map { $0 + $1 })
  }

  /// With the identity as q_a_proj and 1 as the norms before and behind it, the compressed query is
  /// the input itself: its norm has been taken already. Then q_proj must do what q_b_proj does,
  /// to ε of the second norm (1e-6).
  @Test func aDirectQueryIsACompressedOneThroughTheIdentity() throws {
    let compressed = Self.model(Self.spec(queryCompression: 16, mtpDepth: 1))
    let direct = Self.model(Self.spec(queryCompression: nil, mtpDepth: 1))
    for layer in 0..<3 {
      let prefix = "model.layers.\(layer)."
      for norm in ["input_layernorm", "self_attn.q_a_layernorm"] {
        let weight = compressed.store["\(prefix)\(norm).weight"]
        for i in 0..<16 { weight.value.base[i] = 1 }
      }
      let down = compressed.store[prefix + "self_attn.q_a_proj.weight"]
      for i in 0..<256 { down.value.base[i] = i % 17 == 0 ? 1 : 0 }
    }
    for parameter in direct.store.groups.flatMap(\.parameters) {
      let name = parameter.name.replacing("q_proj", with: "q_b_proj")
      parameter.value.base.update(
        from: compressed.store[name].value.base, count: parameter.shape.count)
    }
    let batch = Self.batch()
    let a = try direct.evaluate(batch, mtpWeight: 0.3, gradients: true)
    let b = try compressed.evaluate(batch, mtpWeight: 0.3, gradients: true)
    #expect(relativeError(a.logits.array, b.logits.array) <= 1e-5)
    #expect(relativeError(a.mtpLogits[0].array, b.mtpLogits[0].array) <= 1e-5)
    for layer in 0..<3 {
      let prefix = "model.layers.\(layer).self_attn."
      let own = direct.store[prefix + "q_proj.weight"].gradient
      let other = compressed.store[prefix + "q_b_proj.weight"].gradient
      let count = own.rows * own.columns
      #expect(
        relativeError(
          Array(UnsafeBufferPointer(start: own.base, count: count)),
          Array(UnsafeBufferPointer(start: other.base, count: count))) <= 1e-4)
    }
  }

  /// The first of two modules knows nothing of the second.
  @Test(arguments: MTPConvention.allCases)
  func theFirstOfTwoModulesIsTheOnlyOneOfOne(_ convention: MTPConvention) throws {
    let one = Self.model(Self.spec(queryCompression: 8, mtpDepth: 1), convention)
    let two = Self.model(Self.spec(queryCompression: 8, mtpDepth: 2), convention)
    let a = try one.evaluate(Self.batch(), mtpWeight: 1, gradients: false)
    let b = try two.evaluate(Self.batch(), mtpWeight: 1, gradients: false)
    #expect(a.logits.array == b.logits.array)
    #expect(a.mtpLogits[0].array == b.mtpLogits[0].array)
    #expect(b.mtpLogits[1].rows == 2 * (Self.length - 3))
  }

  /// A sequence of one position has one target, which is the main model's: the MTP modules predict
  /// nothing, and what nobody passes is not unbalanced either.
  @Test(arguments: [MTPConvention.released, .report])
  func modulesThatReachBeyondTheSequenceHaveNoLoss(_ convention: MTPConvention) throws {
    let model = Self.model(Self.spec(queryCompression: 8, mtpDepth: 2), convention)
    model.store.startGradients()
    let result = try model.evaluate(
      MicroBatch(sequences: 2, length: 1, tokens: [3, 4, 5, 6]), mtpWeight: 0.5,
      balanceWeight: 0.1, gradients: true)
    model.store.completeGradients()
    #expect(result.mtpLoss == 0)
    #expect(result.mainLoss > 0 && result.loss.isFinite)
    for parameter in model.store.groups.flatMap(\.parameters) {
      for index in 0..<parameter.shape.count {
        #expect(parameter.gradient.base[index].isFinite, "\(parameter.name)")
      }
    }
  }
}
