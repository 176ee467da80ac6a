// The decoupled rotary embedding of MLA: angles for each position, with YaRN's stretched
// frequencies and temperature where the model has them (report section 4.3; arXiv 2309.00071).

internal import Glibc
internal import Kernels
package import ModelSpec

/// Cosines and sines [positions, ropeHeadDim / 2] and the softmax scale that goes with them.
package final class RotaryEmbedding {
  package let half: Int
  package let positions: Int
  package let softmaxScale: Float
  private let cosines: Tensor
  private let sines: Tensor

  package init(_ spec: ModelSpec, positions: Int) {
    half = spec.ropeHeadDim / 2
    self.positions = positions
    let frequencies = Self.frequencies(spec)
    let magnitude = Float(Self.magnitude(spec))
    cosines = Tensor(positions, half)
    sines = Tensor(positions, half)
    for position in 0..<positions {
      for i in 0..<half {
        // Rounded to fp32 where the reference rounds: the frequency and the angle.
        let angle = Float(position) * frequencies[i]
        cosines.base[position * half + i] = cosf(angle) * magnitude
        sines.base[position * half + i] = sinf(angle) * magnitude
      }
    }
    var scale = 1 / Double(spec.queryHeadDim).squareRoot()
    if let yarn = spec.yarn, yarn.mscaleAllDim != 0 {
      let m = Self.mscale(yarn.factor, yarn.mscaleAllDim)
      scale *= m * m
    }
    softmaxScale = Float(scale)
  }

  /// θ^(−2i/d), stretched by YaRN: low frequencies divided by the factor, high ones kept, a linear
  /// ramp between the dimensions that turn betaSlow and betaFast times over the original length.
  package static func frequencies(_ spec: ModelSpec) -> [Float] {
    let dim = spec.ropeHeadDim
    let plain = (0..<(dim / 2)).map { Float(1 / pow(spec.ropeTheta, Double(2 * $0) / Double(dim))) }
    guard let yarn = spec.yarn else { return plain }
    func dimension(turns: Double) -> Double {
      Double(dim) * log(Double(yarn.originalMaxPositions) / (turns * 2 * Double.pi))
        / (2 * log(spec.ropeTheta))
    }
    let low = max(floor(dimension(turns: yarn.betaFast)), 0)
    let high = min(ceil(dimension(turns: yarn.betaSlow)), Double(dim - 1))
    let span = high == low ? 0.001 : high - low
    return plain.enumerated().map { i, frequency in
      let ramp = Float(min(max((Double(i) - low) / span, 0), 1))
      return frequency / Float(yarn.factor) * ramp + frequency * (1 - ramp)
    }
  }

  /// 0.1 · m · ln(factor) + 1
  private static func mscale(_ factor: Double, _ m: Double) -> Double {
    factor <= 1 ? 1 : 0.1 * m * log(factor) + 1
  }

  /// What YaRN multiplies cosines and sines by (Hugging Face's attention factor).
  private static func magnitude(_ spec: ModelSpec) -> Double {
    guard let yarn = spec.yarn else { return 1 }
    if yarn.mscale != 0 && yarn.mscaleAllDim != 0 {
      return mscale(yarn.factor, yarn.mscale) / mscale(yarn.factor, yarn.mscaleAllDim)
    }
    return mscale(yarn.factor, 1)
  }

  /// Rotates the pairs of one row at `position`; `direction` −1 undoes it (the gradient).
  @inline(__always)
  func rotate(_ row: UnsafeMutablePointer<Float>, position: Int, direction: Float = 1) {
    rotatePairs(
      row, cosines: cosines.base + position * half, sines: sines.base + position * half,
      half: half, direction: direction)
  }
}
