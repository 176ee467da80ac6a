// The gate alone against Hugging Face's, in four settings (goldens "router": V3-like groups,
// negative biased scores, tiny scores that show a wrong ε, one group), the balance loss of
// equations 17–20 and the bias update (goldens "balance").

import Kernels
import Model
import ModelSpec
import Testing

@Suite struct RouterGoldenTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var name: String
    var experts, groups, groupsPerToken, chosen, hidden: Int
    var testDescription: String { name }
  }

  static let cases = [
    Case(name: "v3like", experts: 32, groups: 8, groupsPerToken: 4, chosen: 8, hidden: 24),
    Case(name: "negbias", experts: 16, groups: 4, groupsPerToken: 2, chosen: 4, hidden: 24),
    Case(name: "tinyscore", experts: 16, groups: 4, groupsPerToken: 3, chosen: 4, hidden: 25),
    Case(name: "onegroup", experts: 8, groups: 1, groupsPerToken: 1, chosen: 2, hidden: 24),
  ]

  private func router(_ golden: Case, weight: [Float], bias: [Float]) -> Router {
    let shape = ParameterShape("gate", golden.experts, golden.hidden)
    let store = ParameterStore(groups: [ParameterGroup(label: "gate", shapes: [shape])])
    for (i, value) in weight.enumerated() { store["gate"].value.base[i] = value }
    var spec = ModelSpec(
      vocabularySize: 1, hiddenSize: golden.hidden, layers: 1, denseLayers: 0,
      denseIntermediateSize: 1, heads: 1, queryCompression: nil, keyValueCompression: 1,
      nopeHeadDim: 1, ropeHeadDim: 2, valueHeadDim: 1, routedExperts: golden.experts,
      sharedExperts: 0, expertIntermediateSize: 1, expertsPerToken: golden.chosen,
      expertGroups: golden.groups, groupsPerToken: golden.groupsPerToken)
    spec.routedScalingFactor = 2.5
    return Router(
      spec, weight: store.linear("gate"), bias: Tensor(1, golden.experts, bias))
  }

  @Test(arguments: cases)
  func choicesWeightsAndGradientsAreHuggingFaces(_ golden: Case) throws {
    let file = try SafeTensors(path: Golden.path("router") + "/router.safetensors")
    func floats(_ key: String) throws -> [Float] { try file.floats("\(golden.name).\(key)") }
    let router = router(golden, weight: try floats("weight"), bias: try floats("bias"))
    let x = Tensor(128, golden.hidden, try floats("x"))
    let routing = router.route(x)
    #expect(routing.experts.map { Int($0) } == (try file.integers("\(golden.name).indices")))
    #expect(relativeError(routing.gates.array, try floats("weights")) <= 2e-5)
    let dGates = Tensor(128, golden.chosen, try floats("dweights"))
    let dLogits = router.logitGradient(routing, gateGradients: dGates.matrix)
    #expect(relativeError(dLogits.array, try floats("grad_logits")) <= 2e-5)
  }

  @Test(arguments: ["a", "b"])
  func balanceLossAndItsGradientAreEquations17To20(_ name: String) throws {
    let file = try SafeTensors(path: Golden.path("balance") + "/balance.safetensors")
    let shape = try file.info("\(name).logits").shape
    let chosen = name == "a" ? 2 : 4
    let golden = Case(
      name: name, experts: shape[2], groups: 4, groupsPerToken: name == "a" ? 2 : 3,
      chosen: chosen, hidden: shape[2])
    // An identity weight makes the router's input its logits.
    var identity = [Float](repeating: 0, count: shape[2] * shape[2])
    for i in 0..<shape[2] { identity[i * shape[2] + i] = 1 }
    let router = router(golden, weight: identity, bias: try file.floats("\(name).bias"))
    let logits = Tensor(shape[0] * shape[1], shape[2], try file.floats("\(name).logits"))
    let routing = router.route(logits)
    #expect(
      routing.experts.map { Int($0) } == (try file.integers("\(name).routed.indices")))
    for (reading, key) in [(BalanceLoss.Reading.equation18, "eq18"), (.routed, "routed")] {
      let gradient = Tensor.zeros(logits.rows, logits.columns)
      let sequences = shape[0]
      let loss = BalanceLoss.evaluate(
        routing, sequences: sequences, weight: 1 / Double(sequences), reading: reading,
        addingTo: gradient)
      let each = try file.floats("\(name).\(key).per_sequence")
      #expect(abs(loss - Double(each.reduce(0, +)) / Double(sequences)) < 1e-6)
      let expected = try file.floats("\(name).\(key).grad_logits_alpha1_mean_over_B")
      #expect(relativeError(gradient.array, expected) <= 2e-5)
    }
  }

  @Test(arguments: ["a", "b"])
  func biasMovesByGammaAgainstTheLoad(_ name: String) throws {
    let file = try SafeTensors(path: Golden.path("balance") + "/balance.safetensors")
    let bias = try file.floats("\(name).bias")
    let golden = Case(
      name: name, experts: bias.count, groups: 4, groupsPerToken: 2, chosen: 2, hidden: 4)
    let router = router(
      golden, weight: Array(repeating: 0, count: bias.count * 4), bias: bias)
    let counts = try file.floats("\(name).bias_counts").map { Int($0) }
    router.updateBias(load: counts, speed: 0.001)
    #expect(
      relativeError(router.bias.array, try file.floats("\(name).bias_after_gamma0.001")) < 1e-6)
  }
}
