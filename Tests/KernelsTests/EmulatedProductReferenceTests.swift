// The tensor core's sums against derivations by hand. Sums of E4M3 codes: 0x38 is 1.

import Kernels
import NumberFormats
import Testing

/// The code of a number that E4M3 has.
private func code(_ x: Float) -> UInt8 {
  var (x, code, back) = (x, UInt8(0), Float(0))
  NumberFormat.e4m3.encode(&x, count: 1, into: &code)
  NumberFormat.e4m3.decode(&code, count: 1, into: &back)
  precondition(back == x, "E4M3 has the number")
  return code
}

private func sum(
  _ a: [Float], _ b: [Float], onto start: Float = 0, scale: Float? = nil
) -> Float {
  tensorCoreSum(a.map(code), b.map(code), onto: start, scale: scale)
}

struct EmulatedProductReferenceTests {
  /// E = 0: units of 2⁻¹³. 31 products of 2⁻¹⁴ are each half a unit and vanish, those of 2⁻¹³ are
  /// one each: 1 + 31 · 2⁻¹³ has 14 bits.
  @Test func productsBelowAUnitOfTheLargestVanish() {
    let ones = [Float](repeating: 0x1p-7, count: 31)
    #expect(sum([1] + ones, [1] + ones) == 1)
    #expect(sum([1] + ones, [1] + ones.map { 2 * $0 }) == 1 + 31 * 0x1p-13)
  }

  /// E = 0. The product 1.875 · 2⁻¹³ is cut to one unit, −1.875 · 2⁻¹³ to minus one: towards zero,
  /// not down.
  @Test func cutsAreTowardsZeroForBothSigns() {
    #expect(sum([1, 1.875 * 0x1p-6], [1, 0x1p-7]) == 1 + 0x1p-13)
    #expect(sum([1, 1.875 * 0x1p-6], [1, -0x1p-7]) == 1 - 0x1p-13)
    #expect(sum([-1, 1.875 * 0x1p-6], [1, -0x1p-7]) == -1 - 0x1p-13)
    #expect(sum([-1, 1.875 * 0x1p-6], [1, 0x1p-7]) == -1 + 0x1p-13)
  }

  /// 1 − 1 leaves what was kept of the third, 1.5 · 2⁻¹³ cut to 2⁻¹³: no digits come back.
  @Test func cancellationShowsWhatWasCut() {
    #expect(sum([1, -1, 1.5 * 0x1p-6], [1, 1, 0x1p-7]) == 0x1p-13)
    #expect(sum([1, -1], [1, 1]).sign == .plus)
  }

  /// 1.5 · 1.5 = 2.25 has exponent 0, that of its factors: units are 2⁻¹³ where the normalised
  /// exponent, 1, would make them 2⁻¹² and lose the second product. But the sum, 2.25 + 2⁻¹³, needs
  /// 15 bits; with −0.5 it is 1.75 + 2⁻¹³, which has 14.
  @Test func exponentsAreThoseOfTheFactors() {
    #expect(sum([1.5, 0x1p-6], [1.5, 0x1p-7]) == 2.25)
    #expect(sum([1.5, 0x1p-6, -0.5], [1.5, 0x1p-7, 1]) == 1.75 + 0x1p-13)
  }

  /// The smallest subnormal, 2⁻⁹, has exponent −6 and significand 1/8. With 2⁻⁹ · 2⁻⁹ = 2⁻¹⁸ alone
  /// E = −12, the unit 2⁻²⁵. With 2⁻⁹ · 1, E = −6, unit 2⁻¹⁹; 2⁻¹⁸ are two units, and
  /// with 2⁻⁹ · 4, E = −4, unit 2⁻¹⁷, nothing, though 2⁻⁷ itself has units of 2⁻²⁰.
  @Test func subnormalsHaveTheSmallestExponent() {
    let tiny: Float = 0x1p-9
    #expect(sum([tiny], [tiny]) == 0x1p-18)
    #expect(sum([tiny, tiny], [1, tiny]) == 0x1p-9 + 0x1p-18)
    #expect(sum([tiny, tiny], [4, tiny]) == 0x1p-7)
  }

  /// 2¹⁴ takes fifteen bits to 1, and 14 are kept: units of 2. A product of 1 vanishes, one of 2
  /// doesn't. 31 · 1.875, each 1, vanish together.
  @Test func theSumSoFarSetsTheUnit() {
    #expect(sum([1], [1], onto: 0x1p14) == 0x1p14)
    #expect(sum([2], [1], onto: 0x1p14) == 0x1p14 + 2)
    #expect(
      sum([Float](repeating: 1.875, count: 31), [Float](repeating: 1, count: 31), onto: -0x1p14)
        == -0x1p14)
  }

  /// 256 · 256 = 2¹⁶ beside c = 1 + 2⁻¹³: units of 8, c vanishes. Beside 2 · 1: E = 1, units of
  /// 2⁻¹², and c loses its last bit: 3.
  @Test func theSumSoFarIsCutToo() {
    #expect(sum([256], [256], onto: 1 + 0x1p-13) == 0x1p16)
    #expect(sum([2], [1], onto: 1 + 0x1p-13) == 3)
  }

  /// 2 · (1 + 2⁻¹³) carries: sixteen thousand and one units of 2⁻¹³, 15 bits, lose the last.
  @Test func theResultKeepsFourteenBits() {
    #expect(sum([1, 1, 0x1p-6], [1, 1, 0x1p-7]) == 2)
    #expect(sum([1, 1, 0x1p-6], [1, 1, 0x1p-6]) == 2 + 0x1p-12)
    #expect(sum([-1, -1, 0x1p-6], [1, 1, -0x1p-7]) == -2)
  }

  @Test func zerosCountForNothingAndNaNStays() {
    // 0 · 448 would have exponent −6 + 8, units of 2⁻¹¹.
    #expect(sum([0, 0x1p-6], [448, 1.125 * 0x1p-6]) == 1.125 * 0x1p-12)
    #expect(sum([], [], onto: -3) == -3)
    #expect(tensorCoreSum([0x7f], [0x38], onto: 0).isNaN)
    #expect(tensorCoreSum([0x38], [0x38], onto: .nan).isNaN)
  }

  /// A scale of 2⁻⁴ shifts exponents; one of 1.5 makes 1.125 · 1.5 = 1.6875 and leaves exponents.
  /// With s = 1.5, 2⁻¹³ becomes one unit and a half: one.
  @Test func scalesCountInTheExponent() {
    #expect(sum([1], [1], onto: 0x1p9, scale: 0x1p-4) == 0x1p9 + 0x1p-4)
    #expect(sum([1], [1], onto: 0x1p9, scale: 0x1p-5) == 0x1p9)
    #expect(sum([1.125], [1], scale: 1.5) == 1.6875)
    #expect(sum([1, 0x1p-6], [1, 0x1p-7], scale: 1.5) == 1.5 + 0x1p-13)
  }

  /// 448 · 448 = 200704, exponent 16, then 256 times 1: three chunks, the last of one term. Units
  /// are 8, later 16: in the tensor core all ones vanish; promoted, only the 127 of the first chunk
  /// do.
  @Test func promotionSavesWhatTheTensorCoreLoses() {
    let row: [Float] = [448] + [Float](repeating: 1, count: 256)
    // The largest is 448, so that the scale is 1.
    let stored = StoredMatrix(
      Tensor(1, 257, row).matrix, .e4m3(.tensor, .float), for: .emulation)
    for (rule, expected) in [(SumRule.tensorCore, Float(200704)), (.promoted, 200704 + 129)] {
      let (fast, slow) = (Tensor(1, 1, [7]), Tensor(1, 1, [7]))
      let product = EmulatedProduct(stored, false, stored, true)
      product.applyReference(rule, into: slow.matrix)
      product.apply(rule, into: fast.matrix)
      #expect(slow.array == [expected] && fast.array == [expected])
      product.apply(rule, into: fast.matrix, adding: true)
      #expect(fast.array == [2 * expected])
    }
    #expect(EmulatedProduct(stored, false, stored, true).exactRows(0..<1) == [200704 + 256])
  }
}
