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
    if balanced {
      // Small logits: a softmax that is all but decided makes much of little.
      let head = model.store["lm_head.weight"]
      for i in 0..<head.shape.count { head.value.base[i] *= 0.1 }
      for block in model.stage.allBlocks { block.router?.balanced = BalancedRouting(files.spec) }
    }
    for group in model.store.groups { group.adoptValues() }
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
  /// hide how well the arithmetic agrees. Rounding is noise: gradients move off in all directions
  /// (by ten times as much under FP8 as under BF16, whose mantissas are 16 times as fine), but keep
  /// their length along the exact gradient.
  @Test(arguments: [(Precision.bf16, 0.06, 0.03), (.fp8, 0.5, 0.2)])
  func gradientsAreFP32sAndNoise(_ precision: Precision, _ noise: Double, _ bias: Double) throws {
    for golden in [GoldenTests.cases[2], GoldenTests.cases[3]] {
      let exact = try run(golden, Numerics(), balanced: true)
      let low = try run(golden, Numerics(precision), balanced: true)
      #expect(abs(low.loss - exact.loss) < bias / 20 * exact.loss)
      #expect(low.loss != exact.loss)
      for (name, gradient) in low.gradients {
        let reference = exact.gradients[name] ?? []
        #expect(distance(gradient, reference) < noise, "\(golden.name) \(name)")
        let along = dot(gradient, reference) / dot(reference, reference)
        #expect(abs(along - 1) < bias, "\(golden.name) \(name)")
      }
    }
  }

  private func dot(_ a: [Float], _ b: [Float]) -> Double {
    zip(a, b).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
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
        let differing = again.gradients.filter { $0.value != kept.gradients[$0.key] }
        #expect(differing.keys.sorted().prefix(5) == [], "\(savings) \(golden.name)")
      }
    }
  }

  /// Sums that lose little, and scales of whole tensors, move loss and gradients a little.
  @Test func otherSumsAndScalesGiveNearlyTheSame() throws {
    let golden = GoldenTests.cases[3]
    let tiles = try run(golden, Numerics(.fp8), balanced: true)
    func other(_ change: (inout Numerics) -> Void) throws -> (
      loss: Double, gradients: [String: [Float]]
    ) {
      var numerics = Numerics(.fp8)
      change(&numerics)
      return try run(golden, numerics, balanced: true)
    }
    let others = try [
      other { $0.accumulation = .promoted }, other { $0.accumulation = .tensorCore },
      other { $0.scaling = .tensor }, other { $0.scaling = .delayed },
      other { $0.gradientTiles = .blocks },
    ]
    for result in others {
      #expect(abs(result.loss - tiles.loss) < 0.01 * tiles.loss)
      #expect(result.gradients != tiles.gradients)
      for (name, gradient) in result.gradients {
        let error = distance(gradient, tiles.gradients[name] ?? [])
        #expect(error < 0.6, "\(name)")
      }
    }
    // Sums of 14 bits lose more than those that are moved to FP32 in time; with so short sums both
    // are the same but for the longest.
    let losses = others.map { abs($0.loss - tiles.loss) }
    #expect(losses[0] > 0 && losses[0] <= losses[1] * 1.5)
  }
}
