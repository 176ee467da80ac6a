// The model in BF16 and FP8 against itself in FP32, which the goldens check: losses and gradients
// differ by no more than the formats' rounding, and what is computed again has the same bits.

import Kernels
import Model
import ModelSpec
import Testing

@Suite struct LowPrecisionTests {
  /// Loss and gradients by name.
  private func run(_ golden: GoldenCase, _ numerics: Numerics, balanced: Bool = false) throws -> (
    loss: Double, gradients: [String: [Float]]
  ) {
    let files = try Golden(golden.name)
    let model = try files.transformer(golden.convention, numerics: numerics)
    for group in model.store.groups { group.adoptValues() }
    if balanced {
      for block in model.stage.allBlocks { block.router?.balanced = BalancedRouting(files.spec) }
    }
    let result = try model.evaluate(files.batch(), mtpWeight: 0.3, gradients: true)
    var gradients: [String: [Float]] = [:]
    for parameter in model.store.groups.flatMap(\.parameters) {
      gradients[parameter.name] = Array(
        UnsafeBufferPointer(start: parameter.gradient.base, count: parameter.shape.count))
    }
    return (result.loss, gradients)
  }

  /// ‖a − b‖ / ‖b‖
  private func distance(_ a: [Float], _ b: [Float]) -> Double {
    let difference = zip(a, b).reduce(0.0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
    return (difference / b.reduce(0.0) { $0 + Double($1 * $1) }).squareRoot()
  }

  /// Experts are chosen by turns, the same in all precisions: a token that goes elsewhere would
  /// hide how well the arithmetic agrees.
  @Test(arguments: [(Precision.bf16, 2e-3, 0.02), (.fp8, 0.03, 0.2)])
  func lossAndGradientsAreFP32sToTheFormatsRounding(
    _ precision: Precision, _ lossBound: Double, _ gradientBound: Double
  ) throws {
    for golden in [GoldenTests.cases[2], GoldenTests.cases[3]] {
      let exact = try run(golden, Numerics(), balanced: true)
      let low = try run(golden, Numerics(precision), balanced: true)
      #expect(abs(low.loss - exact.loss) < lossBound * exact.loss)
      #expect(low.loss != exact.loss)
      for (name, gradient) in low.gradients {
        let error = distance(gradient, exact.gradients[name] ?? [])
        #expect(error < gradientBound, "\(golden.name) \(name)")
      }
    }
  }

  /// Each of the three ways to compute again, alone and together.
  @Test(arguments: [Precision.fp32, .bf16, .fp8])
  func computingAgainChangesNoBit(_ precision: Precision) throws {
    let ways: [Set<MemorySaving>] = [
      [.recomputeNorms], [.recomputeUpProjections], [.recomputeSwiGLU],
      [.recomputeNorms, .recomputeUpProjections, .recomputeSwiGLU],
    ]
    for golden in [GoldenTests.cases[1], GoldenTests.cases[2], GoldenTests.cases[3]] {
      let kept = try run(golden, Numerics(precision))
      for savings in ways {
        let again = try run(golden, Numerics(precision, savings: savings))
        #expect(again.loss == kept.loss)
        for (name, gradient) in again.gradients {
          #expect(gradient == kept.gradients[name], "\(savings) \(golden.name) \(name)")
        }
      }
    }
  }
}
