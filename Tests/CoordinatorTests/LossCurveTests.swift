// Smoothing, relative errors and their summaries against numbers worked out by hand.

import Coordinator
import Testing

@Suite struct LossCurveTests {
  private func isClose(_ values: [Double], _ expected: [Double]) -> Bool {
    values.count == expected.count && zip(values, expected).allSatisfy { abs($0 - $1) < 1e-12 }
  }

  /// s₁ = 10; s₂ = 0.9 · 10 + 0.1 · 0 = 9; s₃ = 0.9 · 9 + 0.1 · 20 = 10.1.
  @Test func curvesAreSmoothedFromTheirFirstValue() {
    #expect(isClose(LossCurve.smoothed([10, 0, 20]), [10, 9, 10.1]))
    #expect(LossCurve.smoothed([4, 2, 1], coefficient: 0.5) == [4, 3, 2])
    #expect(LossCurve.smoothed([]) == [])
  }

  @Test func errorsAreRelativeToTheBaselineWhereBothGoOn() {
    #expect(
      LossCurve.relativeErrors(of: [1.5, 1, 7], to: [1, 2]) == [0.5, -0.5])
  }

  @Test func meansEndWithTheShortestCurve() {
    #expect(LossCurve.mean(of: [[1, 2, 3], [3, 6]]) == [2, 4])
    #expect(LossCurve.mean(of: []) == [])
  }

  @Test func theMedianIsInTheMiddle() {
    #expect(LossCurve.median([3, 1, 100]) == 3)
    #expect(LossCurve.median([4, 1, 100, 2]) == 3)
    #expect(LossCurve.median([]) == nil)
  }

  /// Steps 3 and 4 of 4: |0.25|, |−0.75| have the mean 0.5, the sum −0.5. Of 5 steps the last
  /// three are the last half.
  @Test func theLastHalfIsSummarised() throws {
    let four = try #require(ErrorSummary(lastHalfOf: 4, [9, -9, 0.25, -0.75]))
    #expect(four.mean == 0.5 && four.maximum == 0.75 && four.signedMean == -0.25)
    let five = try #require(ErrorSummary(lastHalfOf: 5, [9, 9, 3, 0, 0]))
    #expect(five.mean == 1 && five.maximum == 3 && five.signedMean == 1)
    let one = try #require(ErrorSummary(lastHalfOf: 1, [0.5]))
    #expect(one.mean == 0.5)
  }

  @Test func aCurveThatEndedInTheFirstHalfHasNoSummary() throws {
    #expect(ErrorSummary(lastHalfOf: 4, [9, 9]) == nil)
    #expect(try #require(ErrorSummary(lastHalfOf: 4, [9, 9, 1])).mean == 1)
  }
}
