// What a cast did to its numbers.

import JSON
import NumberFormats

/// Figures of a cast, block by block.
struct CastStatistics {
  let format: NumberFormat
  let overflow: Overflow
  /// Numbers read.
  var count = 0
  /// NaNs among them.
  var nan = 0
  /// Not NaN, and too large: what has become the largest, infinity or NaN. An infinity that stays
  /// one is not counted.
  var tooLarge = 0
  /// Not zero, and became zero.
  var zeroed = 0
  /// Largest |code − x| / |x| of numbers neither too large nor below the smallest normal one.
  var largestRelativeError: Float = 0

  init(format: NumberFormat, overflow: Overflow) {
    self.format = format
    self.overflow = overflow
  }

  /// Adds a block. `scratch` is room for as many floats.
  mutating func add(
    _ x: UnsafePointer<Float>, codes: UnsafeRawPointer, count: Int,
    scratch: UnsafeMutablePointer<Float>
  ) {
    format.decode(codes, count: count, into: scratch)
    self.count += count
    let (largest, smallest) = (format.largestRounded, format.smallestNormal)
    for i in 0..<count {
      let (value, magnitude) = (scratch[i], abs(x[i]))
      guard magnitude <= largest else {
        if x[i].isNaN { nan += 1 } else if value != x[i] { tooLarge += 1 }
        continue
      }
      if magnitude >= smallest {
        largestRelativeError = max(largestRelativeError, abs(value - x[i]) / magnitude)
      } else if value == 0, magnitude > 0 {
        zeroed += 1
      }
    }
  }

  private var tooLargeName: String { overflow == .saturate ? "saturated" : "overflowed" }

  /// A line for people.
  var summary: String {
    "dsv3: \(count) numbers, \(count * format.codeBytes) bytes of \(format.rawValue): \(nan) NaN, "
      + "\(tooLarge) \(tooLargeName), \(zeroed) became zero, largest relative error "
      + "\(largestRelativeError)"
  }

  func json(input: String, output: String) -> JSONValue {
    .object([
      "input": .string(input), "output": .string(output), "format": .string(format.rawValue),
      "overflow": .string(overflow == .saturate ? "saturate" : "escape"),
      "count": .integer(count), "bytes": .integer(count * format.codeBytes),
      "nan": .integer(nan), tooLargeName: .integer(tooLarge), "zeroed": .integer(zeroed),
      "largest_relative_error": .number(Double(largestRelativeError)),
    ])
  }
}
