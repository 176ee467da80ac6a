// AdamW over a run of parameters (Loshchilov & Hutter; the arithmetic of torch.optim.AdamW):
// decay first, ε outside the bias-corrected square root.

internal import CSystem
internal import NumberFormats

/// Square roots by lanes.
@inline(__always)
private func squareRoots(_ x: Vector) -> Vector {
  var roots = x
  withUnsafeMutableBytes(of: &roots) { bytes in
    dsv3_square_roots(bytes.baseAddress?.assumingMemoryBound(to: Float.self))
  }
  return roots
}

/// The numbers of one optimizer step.
package struct AdamWStep: Sendable {
  package var learningRate: Float
  package var beta1: Float
  package var beta2: Float
  package var epsilon: Float
  /// 1 − β₁ and 1 − β₂, rounded once from double as torch does.
  package var complement1: Float
  package var complement2: Float
  /// 1 − learning rate · weight decay.
  package var keep: Float
  /// 1 − β₁ᵗ and sqrt(1 − β₂ᵗ) at the step's number t ≥ 1.
  package var correction1: Float
  package var rootCorrection2: Float
  /// Multiplies every gradient first (global-norm clipping).
  package var gradientScale: Float

  package init(
    learningRate: Double, beta1: Double, beta2: Double, epsilon: Double, weightDecay: Double,
    step: Int, gradientScale: Double
  ) {
    self.learningRate = Float(learningRate)
    self.beta1 = Float(beta1)
    self.beta2 = Float(beta2)
    self.epsilon = Float(epsilon)
    complement1 = Float(1 - beta1)
    complement2 = Float(1 - beta2)
    keep = Float(1 - learningRate * weightDecay)
    correction1 = Float(1 - power(beta1, step))
    rootCorrection2 = Float((1 - power(beta2, step)).squareRoot())
    self.gradientScale = Float(gradientScale)
  }
}

/// base to a whole power, by squaring.
private func power(_ base: Double, _ exponent: Int) -> Double {
  var (result, factor, left) = (1.0, base, exponent)
  while left > 0 {
    if left & 1 == 1 { result *= factor }
    factor *= factor
    left >>= 1
  }
  return result
}

/// One step on `count` parameters with their gradients and moments.
package func adamW(
  _ step: AdamWStep, parameters p: UnsafeMutablePointer<Float>, gradients g: UnsafePointer<Float>,
  firstMoments m: UnsafeMutablePointer<Float>, secondMoments v: UnsafeMutablePointer<Float>,
  count: Int, decay: Bool
) {
  let keep = decay ? step.keep : 1
  let rate = step.learningRate / step.correction1
  var i = 0
  while i + 8 <= count {
    let gradient = g.vector(i) * step.gradientScale
    let first = m.vector(i) * step.beta1 + gradient * step.complement1
    let second = v.vector(i) * step.beta2 + gradient * gradient * step.complement2
    m.store(first, i)
    v.store(second, i)
    let denominator = squareRoots(second) / step.rootCorrection2 + step.epsilon
    p.store(p.vector(i) * keep - first / denominator * rate, i)
    i += 8
  }
  while i < count {
    let gradient = g[i] * step.gradientScale
    m[i] = m[i] * step.beta1 + gradient * step.complement1
    v[i] = v[i] * step.beta2 + gradient * gradient * step.complement2
    let denominator = v[i].squareRoot() / step.rootCorrection2 + step.epsilon
    p[i] = p[i] * keep - m[i] / denominator * rate
    i += 1
  }
}

/// The same with moments kept in BF16: they are widened, moved and rounded to nearest even again.
package func adamW(
  _ step: AdamWStep, parameters p: UnsafeMutablePointer<Float>, gradients g: UnsafePointer<Float>,
  bf16FirstMoments m: UnsafeMutablePointer<UInt8>,
  bf16SecondMoments v: UnsafeMutablePointer<UInt8>, count: Int, decay: Bool
) {
  let run = 1024
  withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * run) { scratch in
    guard let first = scratch.baseAddress else { return }
    let second = first + run
    for start in stride(from: 0, to: count, by: run) {
      let length = Swift.min(run, count - start)
      NumberFormat.bf16.decode(m + 2 * start, count: length, into: first)
      NumberFormat.bf16.decode(v + 2 * start, count: length, into: second)
      adamW(
        step, parameters: p + start, gradients: g + start, firstMoments: first,
        secondMoments: second, count: length, decay: decay)
      NumberFormat.bf16.encode(first, count: length, into: m + 2 * start)
      NumberFormat.bf16.encode(second, count: length, into: v + 2 * start)
    }
  }
}
