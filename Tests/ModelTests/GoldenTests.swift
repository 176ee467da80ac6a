// The model against Hugging Face's DeepSeek-V3: logits, losses, every gradient, the router's
// weights and choices, within 2e-5 of the largest entry per tensor (NOTES.md of the goldens: a
// correct fp32 program passes at that).

import Kernels
import Model
import ModelSpec
import Testing

struct GoldenCase: Sendable, CustomTestStringConvertible {
  var name: String
  var convention: MTPConvention = .released
  var testDescription: String { name }
}

@Suite struct GoldenTests {
  static let tolerance: Float = 2e-5
  static let cases = [
    GoldenCase(name: "tiny"), GoldenCase(name: "tiny-yarn"),
    GoldenCase(name: "tiny-mtp", convention: .report),
    GoldenCase(name: "tiny-mtp-released", convention: .released),
  ]

  @Test(arguments: cases)
  func logitsAndLossesAreHuggingFaces(_ golden: GoldenCase) throws {
    let files = try Golden(golden.name)
    let model = try files.transformer(golden.convention)
    let result = try model.evaluate(files.batch(), mtpWeight: 0.3, gradients: false)
    let expected = try files.open("outputs")
    #expect(relativeError(result.logits.array, try expected.floats("logits")) <= Self.tolerance)
    #expect(abs(Float(result.loss) - (try expected.floats("loss"))[0]) <= 2e-5 * 8)
    if files.spec.mtpDepth > 0 {
      let mtp = try expected.floats("mtp_logits")
      #expect(relativeError(result.mtpLogits[0].array, mtp) <= Self.tolerance)
      #expect(abs(Float(result.mainLoss) - (try expected.floats("main_loss"))[0]) <= 1e-4)
      #expect(abs(Float(result.mtpLoss) - (try expected.floats("mtp_loss"))[0]) <= 1e-4)
    }
  }

  @Test(arguments: cases)
  func everyGradientIsHuggingFaces(_ golden: GoldenCase) throws {
    let files = try Golden(golden.name)
    let model = try files.transformer(golden.convention)
    _ = try model.evaluate(files.batch(), mtpWeight: 0.3, gradients: true)
    let expected = try files.open("grads")
    var compared = 0
    for parameter in model.store.groups.flatMap(\.parameters) {
      let own = Array(
        UnsafeBufferPointer(start: parameter.gradient.base, count: parameter.shape.count))
      let error = relativeError(own, try expected.floats(parameter.name))
      #expect(error <= Self.tolerance, "\(parameter.name)")
      compared += 1
    }
    #expect(compared == expected.names.count, "every golden gradient is one of ours")
  }

  @Test func routersChooseTheSameExpertsWithTheSameWeights() throws {
    for golden in [GoldenCase(name: "tiny"), Self.cases[2], Self.cases[3]] {
      let files = try Golden(golden.name)
      let model = try files.transformer(golden.convention)
      let result = try model.evaluate(files.batch(), mtpWeight: 0.3, gradients: true)
      let expected = try files.open("activations")
      var layers = 0
      for (layer, routing) in result.routings where expected.contains("router.\(layer).indices") {
        let indices = try expected.integers("router.\(layer).indices")
        #expect(routing.experts.map { Int($0) } == indices, "layer \(layer) of \(golden.name)")
        let weights = try expected.floats("router.\(layer).weights")
        #expect(relativeError(routing.gates.array, weights) <= Self.tolerance)
        layers += 1
      }
      #expect(layers >= 2)
    }
  }

  @Test func bothSpellingsOfTheConfigurationGiveTheSameLogits() throws {
    for name in ["tiny", "tiny-yarn"] {
      let old = try Golden(name)
      let new = try Golden(name, config: "config.hf.json")
      let a = try old.transformer().evaluate(old.batch(), mtpWeight: 0, gradients: false)
      let b = try new.transformer().evaluate(new.batch(), mtpWeight: 0, gradients: false)
      #expect(a.logits.array == b.logits.array)
    }
  }

  /// A test of the measure: a wrong rotary layout or norm ε must be far outside the tolerance.
  @Test func theToleranceSeesAWrongEpsilonAndAWrongBase() throws {
    let files = try Golden("tiny")
    let expected = try files.open("outputs").floats("logits")
    for change in [\ModelSpec.ropeTheta, \ModelSpec.routedScalingFactor] {
      var wrong = files.spec
      wrong[keyPath: change] *= 1.01
      let source = try files.transformer()
      let model = Transformer(wrong, convention: .released, positions: 64)
      model.store.groups[0].values.base.update(
        from: source.store.groups[0].values.base, count: model.store.parameterCount)
      for (block, original) in zip(model.stage.allBlocks, source.stage.allBlocks) {
        guard let router = block.router, let from = original.router else { continue }
        router.bias.base.update(from: from.bias.base, count: from.bias.count)
      }
      let result = try model.evaluate(files.batch(), mtpWeight: 0, gradients: false)
      #expect(relativeError(result.logits.array, expected) > 10 * Self.tolerance)
    }
  }
}
