// The largest magnitudes of tiles, found in FP32's bits: without their signs, floats are in the
// order of their bits, infinity above every number and NaN above infinity. So one maximum finds
// the scale and tells whether a tile has anything that is not finite, which is then left out.

/// FP32's bits of the magnitudes, 0 for NaN and infinity if only finite numbers count.
@inline(__always)
private func magnitudes(_ x: Floats, finiteOnly: Bool) -> Words {
  let magnitude = bits(x) & FloatBits.magnitude
  guard finiteOnly else { return magnitude }
  return select(isAbove(magnitude, FloatBits.exponent &- 1), 0, magnitude)
}

/// The largest magnitude of `count` numbers in FP32's bits.
@inline(__always)
func largestMagnitude(_ x: UnsafePointer<Float>, _ count: Int, finiteOnly: Bool = false) -> UInt32 {
  // Four maxima, none of which waits for another.
  var (first, second) = (Words(repeating: 0), Words(repeating: 0))
  var (third, fourth) = (first, second)
  @inline(__always)
  func next(_ place: Int, _ lanes: Int) -> Words {
    magnitudes(load(x + place, lanes, as: Floats.self), finiteOnly: finiteOnly)
  }
  var start = 0
  while start &+ 32 <= count {
    first = larger(first, next(start, 8))
    second = larger(second, next(start &+ 8, 8))
    third = larger(third, next(start &+ 16, 8))
    fourth = larger(fourth, next(start &+ 24, 8))
    start &+= 32
  }
  @inline(__always)
  func step(_ offset: Int, _ lanes: Int) {
    first = larger(first, next(start &+ offset, lanes))
  }
  forEachVector(count &- start, step)
  return largestLane(larger(larger(first, second), larger(third, fourth)))
}

/// The largest magnitude of rows of `count` numbers, `stride` apart, in FP32's bits.
func largestMagnitude(
  _ x: UnsafePointer<Float>, rows: Int, count: Int, stride: Int, finiteOnly: Bool = false
) -> UInt32 {
  var largest: UInt32 = 0
  for row in 0..<rows {
    largest = max(
      largest, largestMagnitude(x + row &* stride, count, finiteOnly: finiteOnly))
  }
  return largest
}

/// The largest magnitude of each of `count` columns over rows `stride` apart, in FP32's bits, and
/// whether all numbers are finite.
func largestMagnitudes(
  _ x: UnsafePointer<Float>, rows: Int, count: Int, stride: Int, finiteOnly: Bool,
  into largest: UnsafeMutablePointer<Float>
) -> Bool {
  // Four rows at a time, so that the maxima so far are loaded and stored a quarter as often.
  var highest = Words(repeating: 0)
  for first in Swift.stride(from: 0, to: rows, by: 4) {
    @inline(__always)
    func step(_ start: Int, _ lanes: Int) {
      var most =
        first == 0
        ? Words(repeating: 0) : bits(load(largest + start, lanes, as: Floats.self))
      for row in first..<min(first &+ 4, rows) {
        let numbers = load(x + row &* stride + start, lanes, as: Floats.self)
        most = larger(most, magnitudes(numbers, finiteOnly: finiteOnly))
      }
      store(floats(most), lanes, to: largest + start)
      highest = larger(highest, most)
    }
    forEachVector(count, step)
  }
  return largestLane(highest) < FloatBits.exponent
}
