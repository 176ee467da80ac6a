// The arithmetic of comparing loss curves as appendix B.1 of the DeepSeek-V3 report does: smooth
// by an exponential moving average, then take the difference over the baseline.

/// Operations on losses by step, first step first.
package enum LossCurve {
  /// The report's coefficient for its curves of BF16 and FP8 (figure 10).
  package static let coefficient = 0.9

  /// The exponential moving average s₁ = x₁, sₜ = c·sₜ₋₁ + (1 − c)·xₜ.
  package static func smoothed(
    _ losses: [Double], coefficient: Double = coefficient
  ) -> [Double] {
    var average = losses.first ?? 0
    return losses.map { loss in
      average = coefficient * average + (1 - coefficient) * loss
      return average
    }
  }

  /// (loss − baseline) / baseline at each step that both curves have.
  package static func relativeErrors(of losses: [Double], to baseline: [Double]) -> [Double] {
    zip(losses, baseline).map { ($0 - $1) / $1 }
  }

  /// The mean over curves, at each step that all have; none without curves.
  package static func mean(of curves: [[Double]]) -> [Double] {
    let length = curves.map(\.count).min() ?? 0
    return (0..<length).map { step in
      curves.reduce(0) { $0 + $1[step] } / Double(curves.count)
    }
  }

  /// The value in the middle, or the mean of the two there; nil of nothing.
  package static func median(_ values: [Double]) -> Double? {
    guard !values.isEmpty else { return nil }
    let sorted = values.sorted()
    let middle = sorted.count / 2
    return sorted.count.isMultiple(of: 2)
      ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
  }
}

/// How large relative errors are over a part of the steps.
package struct ErrorSummary: Equatable, Sendable {
  /// Mean of |error|.
  package let mean: Double
  /// Largest |error|.
  package let maximum: Double
  /// Mean of the error with its sign: positive is a higher loss than the baseline's.
  package let signedMean: Double

  /// Of the second half of a run of `steps` steps: those after step steps / 2. nil when the curve
  /// ends before.
  package init?(lastHalfOf steps: Int, _ errors: [Double]) {
    let part = errors.prefix(steps).dropFirst(steps / 2)
    guard !part.isEmpty else { return nil }
    let count = Double(part.count)
    mean = part.reduce(0) { $0 + abs($1) } / count
    maximum = part.reduce(0) { max($0, abs($1)) }
    signedMean = part.reduce(0, +) / count
  }
}
